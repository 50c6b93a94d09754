"""`cape confidence`: whether a few-shot model's confidences are what they claim, on categories that it never saw."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
import typer

from cape.commands import invocation, listed, run, split_numbers
from cape.errors import UsageError
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from cape.models.calibration import CalibratedPose
    from cape.structures import Observation

FIGURES = ("ECE", "AUSE", "Pearson", "Brier", "bias")
REACH = 0.2 / 1.25
"""0.2 of the box's longest side in the crop frame."""


class Told(NamedTuple):
    """What one confidence says of the labelled keypoints of a split."""

    scores: np.ndarray
    right: np.ndarray
    category: np.ndarray


class Settings(NamedTuple):
    """What is tested."""

    data: Path
    split: int
    episodes: int
    device: str
    workers: int


def confidence(
    checkpoints: Annotated[
        list[str],
        typer.Argument(help="NAME=FILE of `cape train ccnet_...`; {split} in FILE stands for the split's number."),
    ],
    data: Annotated[Path, typer.Option(help="Folder with annotations/ and images/.")],
    splits: Annotated[str, typer.Option(help="For example 1,3.")] = "1,2,3,4,5",
    episodes: Annotated[int, typer.Option(min=1, help="Test episodes a category.")] = 20,
    out: Annotated[Path, typer.Option(help="The tables, Markdown; diagrams lie beside it as PNG.")] = Path(
        "outputs/confidence.md"
    ),
    patches: Annotated[
        str | None,
        typer.Option(
            help="Sides of grey patches over a keypoint, in sides of the box, for example 0,0.2,0.4 (Fig. 3)."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode pictures.")] = 0,
) -> None:
    """Compare confidences with what is true, keypoint by keypoint, on the test categories of splits.

    The event is a keypoint within 0.2 of the box's longest side. Compared are what the similarity map alone tells, its
    peak and its spread, and each calibrated head before and after isotonic regression. Answers are those of the first
    checkpoint's network, which all of a split have to share. With --patches also how confidence falls as more of the
    queries is hidden, and how accuracy does.

    Example: cape confidence "CCNet=outputs/ccnet/split{split}/checkpoints/best.safetensors" --data mp100_mini
    """
    from cape.commands.console import say

    for target in (out, *(out.with_suffix(f".{kind}.png") for kind in ("reliability", "risk"))):
        check_writable(target)
    rows = [_row(text) for text in checkpoints]
    told: dict[str, dict[int, Told]] = {}
    sides = listed("--patches", patches, float) if patches else []
    hidden: dict[float, dict[str, dict[int, Told]]] = {}
    for number in split_numbers(splits):
        settings = Settings(data, number, episodes, device, workers)
        for name, each in _of_split(rows, settings).items():
            told.setdefault(name, {})[number] = each
        for side in sides:
            for name, each in _of_split(rows, settings, patch=side).items():
                hidden.setdefault(side, {}).setdefault(name, {})[number] = each
    text = _report(told, episodes) + _occluded(hidden)
    if hidden:
        write_atomically(out.with_suffix(".occlusion.png"), _curves(hidden))
    write_atomically(out, text)
    for kind, picture in _pictures(told).items():
        write_atomically(out.with_suffix(f".{kind}.png"), picture)
    say(text)


def _row(text: str) -> tuple[str, str]:
    name, sign, path = text.partition("=")
    if not sign or not name or not path:
        raise UsageError("CHECKPOINTS", expected="NAME=FILE", got=text, fix="For example CCNet=best.safetensors.")
    return name, path


def _of_split(rows: Sequence[tuple[str, str]], settings: Settings, *, patch: float | None = None) -> dict[str, Told]:
    """What every confidence says of one split, of queries with a patch or as they are."""
    from cape.commands.console import progress
    from cape.data.episodes import Episodes
    from cape.data.mp100 import MP100
    from cape.data.patched import Patched
    from cape.features import find_device
    from cape.loading import build_from
    from cape.models.calibration import CalibratedPose
    from cape.observations import Observations, observe_episodes
    from cape.prompting import fingerprint

    pages = {
        name: build_from(
            Path(path.format(split=settings.split)),
            CalibratedPose,
            "a calibrated model",
            device=find_device(settings.device),
        ).eval()
        for name, path in rows
    }
    first, *others = pages.values()
    for (name, _), page in zip(rows[1:], others, strict=True):
        if fingerprint(page.network) != fingerprint(first.network):
            raise UsageError(
                name, expected=f"a head on the network of {rows[0][0]}, split {settings.split}", got="another",
                fix="Compare heads of the same network.",
            )  # fmt: skip
    source = MP100(root=settings.data, split=settings.split, subset="test")
    shown = Episodes(source=source, pairs={"episodes": settings.episodes})
    queries = None if patch is None else Patched(source, share=patch)
    batches = observe_episodes(first, shown, queries=queries, workers=settings.workers, progress=progress)
    return _told(pages, Observations(batches).all)


def _told(pages: "dict[str, CalibratedPose]", seen: "Observation") -> dict[str, Told]:
    """The similarity map's words, and each head's."""
    import torch

    from cape.models.readers.fewshot import CUES

    counts = seen.outcome.labelled & seen.evidence.mask
    right = seen.outcome.accuracy[counts].double().numpy()
    category = seen.group[:, None].expand_as(counts)[counts].numpy()
    cues = {name: seen.evidence.cues[..., place][counts].double().numpy() for place, name in enumerate(CUES)}
    found = {
        "similarity peak": cues["peak"].clip(0, 1),
        "spread": 1 - np.exp(-((REACH / cues["spread"]) ** 2)),  # of a Gaussian as wide as the map, around the point
    }
    for name, page in pages.items():
        scores, _ = page.told(seen)
        found[name] = scores
        found[f"{name} + isotonic"] = page.recalibrated(torch.from_numpy(scores).to(page.knots)).double().cpu().numpy()
    return {name: Told(scores, right, category) for name, scores in found.items()}


def _report(told: dict[str, dict[int, Told]], episodes: int) -> str:
    """Figures of each split, their means, and differences from the similarity peak."""
    from cape.evaluation.report import grid

    splits = [*next(iter(told.values()))]
    blocks = [f"Command:\n\n    {invocation()}", _words(told, episodes)]
    figures = {name: {split: _figures(each) for split, each in mine.items()} for name, mine in told.items()}
    mean = {name: {f: float(np.mean([mine[s][f] for s in splits])) for f in FIGURES} for name, mine in figures.items()}
    heads = [f"mean of splits {', '.join(map(str, splits))}", *FIGURES]
    blocks.append(grid((heads, [[name, *(f"{mean[name][f]:.3f}" for f in FIGURES)] for name in told])))
    blocks += ["Differences from the similarity peak:", grid(_differences(told))]
    for figure in FIGURES[:3]:
        rows = [[name, *(f"{figures[name][split][figure]:.3f}" for split in splits)] for name in told]
        blocks.append(grid(([figure, *(f"split {split}" for split in splits)], rows)))
    return "\n\n".join(blocks) + "\n"


def _words(told: dict[str, dict[int, Told]], episodes: int) -> str:
    first = next(iter(told.values()))
    count = sum(len(each.right) for each in first.values())
    share = float(np.mean([each.right.mean() for each in first.values()]))
    return (
        f"{count} labelled keypoints of test categories, 1 shot, {episodes} episodes a category; {100 * share:.1f} % "
        "of them within 0.2 of the box's longest side (mean of the splits), which is what a confidence should say. "
        "ECE: 15 bins of equal width. AUSE: 100 times the area between the sparsification curve and the oracle's; "
        "lower is better, as for ECE and the Brier score. bias: mean confidence less the share that is right."
    )


def _figures(told: Told) -> dict[str, float]:
    from cape.evaluation.confidence import keypoint_figures

    return keypoint_figures(told.scores[None], told.right[None], np.ones_like(told.right, dtype=bool)[None])


def _differences(told: dict[str, dict[int, Told]]) -> tuple[list[str], list[list[str]]]:
    """Mean over splits, and an interval that resamples the categories of each."""
    baseline, *others = told
    rows = []
    for name in others:
        draws = _resampled(told[baseline], told[name])
        cells = []
        for figure in FIGURES[:3]:
            whole, *drawn = draws[figure]
            known = [each for each in drawn if np.isfinite(each)]
            low, high = np.quantile(known, [0.025, 0.975]) if known else (np.nan, np.nan)
            cells.append(f"{whole:+.3f} ({low:+.3f} to {high:+.3f})")
        rows.append([name, *cells])
    return ["", *FIGURES[:3]], rows


def _resampled(one: dict[int, Told], other: dict[int, Told], *, draws: int = 200) -> dict[str, list[float]]:
    """Mean differences over splits: of all, then with categories drawn anew within each split."""
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = {figure: [] for figure in FIGURES[:3]}
    for draw in range(draws + 1):
        rows: list[dict[str, float]] = []
        for split, first in one.items():
            categories = np.unique(first.category)
            chosen = categories if draw == 0 else rng.choice(categories, len(categories))
            keep = np.concatenate([np.flatnonzero(first.category == each) for each in chosen])
            was, now = (
                _figures(Told(each.scores[keep], each.right[keep], each.category[keep]))
                for each in (first, other[split])
            )
            rows.append({figure: now[figure] - was[figure] for figure in found})
        for figure, values in found.items():
            values.append(float(np.mean([row[figure] for row in rows])))
    return found


def _occluded(hidden: dict[float, dict[str, dict[int, Told]]]) -> str:
    """Mean confidence and accuracy by the side of a patch."""
    from cape.evaluation.report import grid

    if not hidden:
        return ""
    names = [*next(iter(hidden.values()))]
    rows = [[f"{side:g}", *(f"{value:.3f}" for value in _means(mine, names))] for side, mine in sorted(hidden.items())]
    words = "Means over labelled keypoints of queries with a grey square of this side (in sides of the box) over one:"
    return f"\n{words}\n\n" + grid((["side", "accuracy", *names], rows)) + "\n"


def _means(mine: dict[str, dict[int, Told]], names: Sequence[str]) -> list[float]:
    """Mean accuracy, and mean of each confidence, over splits."""
    first = mine[names[0]]
    accuracy = float(np.mean([each.right.mean() for each in first.values()]))
    return [accuracy, *(float(np.mean([each.scores.mean() for each in mine[name].values()])) for name in names)]


def _curves(hidden: dict[float, dict[str, dict[int, Told]]]) -> bytes:
    """The same as curves (Fig. 3)."""
    from cape.diagrams import occlusion_diagram
    from cape.evaluation.confidence import occlusion_curve

    sides, names = sorted(hidden), [*next(iter(hidden.values()))]
    means = np.array([_means(hidden[side], names) for side in sides])
    curves = {
        name: occlusion_curve(np.array(sides), means[:, [1 + place]], means[:, [0]]) for place, name in enumerate(names)
    }
    return occlusion_diagram(curves, truth="share within 0.2")


def _pictures(told: dict[str, dict[int, Told]]) -> dict[str, bytes]:
    """Reliability and risk against coverage, of all splits together."""
    from cape.diagrams import reliability_diagram, risk_coverage_diagram
    from cape.evaluation.ranking import risk_coverage
    from cape.evaluation.reliability import reliability

    pooled = {
        name: (np.concatenate([e.scores for e in mine.values()]), np.concatenate([e.right for e in mine.values()]))
        for name, mine in told.items()
    }
    panels = {name: reliability(*pair) for name, pair in pooled.items()}
    curves = {name: risk_coverage(scores, 1 - right) for name, (scores, right) in pooled.items()}
    return {
        "reliability": reliability_diagram(panels, truth="share within 0.2"),
        "risk": risk_coverage_diagram(curves, error="share not within 0.2"),
    }


def main(argv: list[str] | None = None) -> int:
    """`python tools/confidence.py`."""
    return run(confidence, argv, name="confidence")
