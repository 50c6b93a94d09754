"""`cape compare`: the predictions of several trained models side by side, as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer

from cape.commands import run
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from cape.data.episodes import PoseTable
    from cape.data.mp100 import MP100
    from cape.figures import Panel
    from cape.runs import TableRun


def compare(
    configs: Annotated[list[str], typer.Argument(help="Rows of the table, a column each: config files or names.")],
    data: Annotated[Path, typer.Option(help="The --data of the table.")],
    work_dir: Annotated[Path, typer.Option(help="The --work-dir of the table.")] = Path("outputs/table"),
    split: Annotated[int, typer.Option(min=1, max=5, help="Whose test categories to show.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the trainings.")] = 0,
    rows: Annotated[int, typer.Option(min=1, help="Query pictures, of different categories as far as they go.")] = 4,
    choose: Annotated[
        Literal["random", "disagree"], typer.Option(help="Which: any, or those where the models differ most.")
    ] = "random",
    draw: Annotated[int, typer.Option(min=0, help="Seed of the random choice.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    out: Annotated[Path, typer.Option(help="The figure, a PNG.")] = Path("outputs/compare.png"),
) -> None:
    """Draw what finished runs of `cape table` predict for the same episodes (Fig. 6 of the paper).

    A row for each query picture: the support picture with its points and texts, what each model finds, its PCK@0.2
    under it, and the truth. Only what the protocol scores is drawn: keypoints that support and query both show.

    Example: cape compare cape_lite_visual cape_lite_text cape_lite --data mp100_mini --split 3 --choose disagree
    """
    from cape.commands.console import progress, say
    from cape.contenders import load_trained, same_pairs
    from cape.data.episodes import Pairs, pose_table
    from cape.figures import picture_grid
    from cape.runs import table_run

    check_writable(out)
    runs = [table_run(work_dir, config, split=split, seed=seed) for config in configs]
    models = [
        load_trained(each.config, each.weights, each.options, allow_pickle=False, download=False, device=device)
        for each in runs
    ]
    sources = [model.facts.source(data, split=split) for model in models]  # each reads its own texts
    drawn = [
        (each.name, each.pairs(source, shots=model.facts.shots))
        for each, model, source in zip(runs, models, sources, strict=True)
    ]
    pairs, source = same_pairs(drawn), sources[-1]
    table = pose_table(source.instances)
    weights = np.random.default_rng(draw).random(len(pairs.table))
    if choose == "disagree":
        weights = _disagreement(runs, table, pairs.table)
    chosen = pairs.table[_choose(weights, table.category[pairs.table[:, -1]], rows)]
    found = {
        each.name: list(model.predict(own, Pairs(chosen, {}), 0, progress))[-1][1]
        for each, model, own in zip(runs, models, sources, strict=True)
    }
    grid = [_row(source, table, pair, {name: each[i] for name, each in found.items()}) for i, pair in enumerate(chosen)]
    write_atomically(out, picture_grid(grid))
    say(f"{len(chosen)} of {len(pairs.table)} pairs. Written to {out}")


def _disagreement(runs: "Sequence[TableRun]", table: "PoseTable", pairs: np.ndarray) -> np.ndarray:
    """Of each pair: keypoints that the best model finds and the worst misses, as a share of the most a pair has."""
    from cape.evaluation.pck import HEADLINE

    scores = np.stack([each.scores[f"{each.name}|{HEADLINE}"] for each in runs])
    shown = (table.visible[pairs[:, :-1]].all(axis=1) & table.visible[pairs[:, -1]]).sum(axis=1)
    category = table.category[pairs[:, -1]]
    most = np.zeros(category.max() + 1)
    np.maximum.at(most, category, shown)
    return np.ptp(scores, axis=0) * shown / most[category].clip(1)


def _choose(weights: np.ndarray, category: np.ndarray, rows: int) -> np.ndarray:
    """The pairs of largest weight, ascending, one of each category before a second of any."""
    order = np.argsort(-weights, kind="stable")
    rank = np.empty(len(order), dtype=int)
    for each in np.unique(category):
        mine = order[category[order] == each]
        rank[mine] = np.arange(len(mine))
    return np.sort(order[np.argsort(rank[order], kind="stable")][:rows])


def _row(source: "MP100", table: "PoseTable", pair: np.ndarray, found: dict[str, np.ndarray]) -> "list[Panel]":
    """The first support, the predictions by model, the truth."""
    from cape.data.transforms import apply, crop_matrix, crop_square
    from cape.evaluation.pck import HEADLINE
    from cape.figures import SIDE, Panel
    from cape.inference import score_predictions
    from cape.visualize import draw_pose, official_crop

    first, query = int(pair[0]), int(pair[-1])
    category = source.categories[source.instances[query].category]
    asked = table.visible[pair[:-1]].all(axis=0)
    count = len(category.skeleton)

    def drawn(index: int, points: np.ndarray, shown: np.ndarray) -> np.ndarray:
        matrix = crop_matrix(crop_square(table.box[index])) * SIDE
        crop = official_crop(source, index, size=SIDE)
        return draw_pose(crop, apply(matrix, points[:count]), shown[:count], category.skeleton)

    shown = asked & table.visible[query]
    texts = [text for text, one in zip(category.texts, asked, strict=False) if one and text]
    panels = [Panel(drawn(first, table.points[first], asked), f"support: {category.name}", ", ".join(texts))]
    for name, points in found.items():
        score = score_predictions(points[None], table, pair[None])[HEADLINE][0]
        panels.append(Panel(drawn(query, points, shown), name, f"{HEADLINE}: {score:.1f}"))
    return [*panels, Panel(drawn(query, table.points[query], shown), "ground truth", f"{shown.sum()} keypoints")]


def main(argv: list[str] | None = None) -> int:
    """`python tools/compare.py`."""
    return run(compare, argv, name="compare")
