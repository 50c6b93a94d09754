"""`cape demo`: one support picture, predictions on others, a table and a picture to look at."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer

from cape.commands import run
from cape.errors import UsageError
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cape.data.episodes import Pairs, PoseTable, Source
    from cape.predictor import Predictor
    from cape.visualize import Tile


def demo(
    annotations: Annotated[
        Path | None, typer.Option(help="Folder as for `cape test` (default: two pictures that scikit-image ships).")
    ] = None,
    split: Annotated[int | None, typer.Option(min=1, max=5, help="Of the annotations (default: 1).")] = None,
    pattern: Annotated[str | None, typer.Option(help="Of the annotations, as for `cape test`.")] = None,
    images: Annotated[Path | None, typer.Option(help="Of the annotations, as for `cape test`.")] = None,
    episodes: Annotated[
        int | None, typer.Option(min=1, help="Of the annotations, per category, 15 queries each (default: 4).")
    ] = None,
    method: Annotated[
        Literal["cape-lite", "turned", "align", "nearest"], typer.Option(help="What to show beside copy.")
    ] = "cape-lite",
    queries: Annotated[int, typer.Option(min=1, max=12, help="Query pictures drawn per category.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the copies or the episodes.")] = 1,
    out: Annotated[Path, typer.Option(help="The overlay: a PNG, or a JPEG if it ends in .jpg.")] = Path(
        "outputs/demo.png"
    ),
) -> None:
    """Find keypoints on pictures from one annotated example, without training and without network.

    The weights are those that ship with cape; the other methods need none but a backbone's. Shows the clicked support
    picture of each category and the predictions on its queries, red lines running to the true places, and prints PCK
    beside the copy-the-support-pose baseline. Without --annotations the queries are warped and recoloured copies of the
    two supports; with it they are other individuals.

    Example: cape demo --annotations mp100_mini --split 3 --out outputs/split3.png
    """
    from cape.commands.console import print_reports, say
    from cape.data.episodes import pose_table
    from cape.evaluation.report import make_report
    from cape.inference import score_predictions
    from cape.visualize import contact_sheet, encode_jpeg, encode_png

    check_writable(out)
    if annotations is not None:
        source, pairs = _mp100(annotations, split or 1, pattern, images, episodes or 4, seed)
    elif split or pattern or images or episodes:
        raise UsageError(
            "--split, --pattern, --images, --episodes", expected="--annotations with them", got="none", fix="Add it."
        )
    else:
        source, pairs = _samples(seed)
    table = pose_table(source.instances)
    name = "samples" if annotations is None else str(split or 1)
    reports = []
    found = dict(_found(source, pairs, method))
    for each, predicted in found.items():
        scores = score_predictions(predicted, table, pairs.table)
        reports.append(make_report(scores, source, table, pairs, method=each, split=name))
    print_reports(reports)
    rows = [
        _row(source, table, pairs, found[method], category, queries)
        for category in dict.fromkeys(_categories(table, pairs).tolist())
    ]
    encode = encode_jpeg if out.suffix.lower() in (".jpg", ".jpeg") else encode_png
    write_atomically(out, encode(contact_sheet(rows)))
    say(f"Left: the support, as clicked. Right: predictions; red lines run to the truth. Written to {out}")


def _found(source: "Source", pairs: "Pairs", method: str) -> "Iterator[tuple[str, np.ndarray]]":
    """Copy's points for all pairs, then those of the method, in pixels."""
    from cape.commands.console import progress, say
    from cape.contenders import load_baselines
    from cape.shipped import load

    names = ["copy"] if method == "cape-lite" else ["copy", method]
    baselines = load_baselines(names, backbone="efficientnet_lite0", weights=None, download=False, device="auto")
    yield from baselines.predict(source, pairs, workers=0, progress=progress)
    if method == "cape-lite":
        predictor = load(method)
        say(f"{predictor}: weights that ship with cape")
        yield method, _asked(predictor, source, pairs)


def _asked(predictor: "Predictor", source: "Source", pairs: "Pairs") -> np.ndarray:
    """What a predictor says to each support's queries, as a user asks it: clicks, names, edges and boxes."""
    from cape.commands.console import progress
    from cape.data.episodes import pose_table

    found = np.zeros((len(pairs.table), *pose_table(source.instances).points.shape[1:]))
    for support in progress(np.unique(pairs.table[:, 0]).tolist(), "predicting"):
        instance = source.instances[support]
        category = source.categories[instance.category]
        prompt = predictor.prompt(
            images=source.picture(support),
            points=np.where(instance.visibility[:, None] > 0, instance.points, np.nan),
            names=category.texts,
            edges=category.skeleton.edges,
            swap=category.skeleton.swap,
            boxes=instance.box,
        )
        rows = np.flatnonzero(pairs.table[:, 0] == support)
        queries = pairs.table[rows, 1].tolist()
        boxes = [source.instances[query].box for query in queries]
        pictures = (source.picture(query) for query in queries)
        for row, prediction in zip(rows, predictor.stream(prompt, pictures, boxes), strict=True):
            found[row, : len(category.skeleton)] = prediction.points
    return found


def _samples(seed: int) -> "tuple[Source, Pairs]":
    """The two sample pictures as supports, their warped copies as queries."""
    from cape.data.episodes import Pairs
    from cape.data.samples import sample_pictures
    from cape.data.warped import Warped

    source = Warped(sample_pictures(), copies=15, seed=seed)
    table = [[pool[0], query] for pool in source.by_category().values() for query in pool[1:]]
    return source, Pairs(np.array(table, dtype=np.int64), {})


def _mp100(
    annotations: Path, split: int, pattern: str | None, images: Path | None, episodes: int, seed: int
) -> "tuple[Source, Pairs]":
    from cape.data.episodes import official_pairs
    from cape.data.mp100 import MP100, PATTERN

    source = MP100(root=annotations, split=split, subset="test", pattern=pattern or PATTERN, pictures=images or "auto")
    return source, official_pairs(source.by_category(), episodes=episodes, seed=seed)


def _categories(table: "PoseTable", pairs: "Pairs") -> np.ndarray:
    return table.category[pairs.table[:, -1]]


def _row(
    source: "Source", table: "PoseTable", pairs: "Pairs", predicted: np.ndarray, category: int, queries: int
) -> "list[Tile]":
    """The first support of a category, and its first queries with their predictions."""
    mine = np.flatnonzero(_categories(table, pairs) == category)
    support = int(pairs.table[mine[0], 0])
    chosen = [row for row in mine if pairs.table[row, 0] == support][:queries]
    known = source.categories[category]
    tiles = [_tile(source, table, support, table.points[support], table.visible[support], known.name)]
    for row in chosen:
        query = int(pairs.table[row, 1])
        shown = table.visible[query] & table.visible[support]
        error = np.linalg.norm(predicted[row] - table.points[query], axis=-1) / table.side[query]
        title = f"{(error[shown] < 0.2).sum()} of {shown.sum()} within 0.2"
        tiles.append(_tile(source, table, query, predicted[row], shown, title, truth=table.points[query]))
    return tiles


def _tile(
    source: "Source",
    table: "PoseTable",
    index: int,
    points: np.ndarray,
    shown: np.ndarray,
    title: str,
    truth: np.ndarray | None = None,
) -> "Tile":
    """The official crop of an instance with a pose on it."""
    from cape.data.transforms import apply, crop_matrix, crop_square, warp
    from cape.visualize import Tile, draw_pose

    square = crop_square(table.crop[index])
    crop, matrix = warp(source.picture(index), square, size=256), crop_matrix(square) * 256
    skeleton = source.categories[source.instances[index].category].skeleton
    count = len(skeleton)
    goal = None if truth is None else apply(matrix, truth[:count])
    return Tile(draw_pose(crop, apply(matrix, points[:count]), shown[:count], skeleton, truth=goal), title)


def main(argv: list[str] | None = None) -> int:
    """`python tools/demo.py`."""
    return run(demo, argv, name="demo")
