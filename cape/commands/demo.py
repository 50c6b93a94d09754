"""`cape demo`: one support picture, predictions on others, a table and a picture to look at."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cape.commands import run
from cape.errors import UsageError
from cape.files import write_atomically

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from cape.data.episodes import Pairs, PoseTable, Source
    from cape.visualize import Tile


def demo(
    annotations: Annotated[
        Path | None, typer.Option(help="Folder as for `cape test` (default: two pictures that scikit-image ships).")
    ] = None,
    split: Annotated[int, typer.Option(min=1, max=5, help="Split, with --annotations.")] = 1,
    pattern: Annotated[str, typer.Option(help="File name, with --annotations.")] = "*split{split}_{subset}.json*",
    images: Annotated[
        Path | None, typer.Option(help="Picture folder (default: images/ beside the annotations).")
    ] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes a category, of 15 queries each.")] = 4,
    method: Annotated[str, typer.Option(help="What to show beside copy: align or nearest.")] = "align",
    backbone: Annotated[str, typer.Option(help="Its timm network.")] = "efficientnet_lite0",
    queries: Annotated[int, typer.Option(min=1, max=12, help="Query pictures drawn per category.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the copies and the episodes.")] = 1,
    out: Annotated[Path, typer.Option(help="The overlay, a PNG.")] = Path("outputs/demo.png"),
) -> None:
    """Find keypoints on pictures from one annotated example, without training and without network.

    Shows the clicked support picture of each category and the predictions on its queries, red lines running to the
    true places, and prints PCK beside the copy-the-support-pose baseline. Without --annotations the queries are
    warped and recoloured copies of the two supports; with it they are other individuals.

    Example: cape demo --annotations mp100_mini --split 3 --out outputs/split3.png
    """
    from cape.commands.console import console, print_reports, progress
    from cape.data.episodes import official_pairs, pose_table
    from cape.evaluation.report import make_report
    from cape.inference import encode_pairs, load_encoder, score_baseline
    from cape.models.baselines import BASELINES
    from cape.visualize import contact_sheet, encode_png

    if method not in ("align", "nearest"):
        raise UsageError("--method", expected="align or nearest", got=method, fix="Choose one of them.")
    if annotations is None:
        source, pairs, name = _samples(seed)
    else:
        source, name = _mp100(annotations, split, pattern, images), str(split)
        pairs = official_pairs(source.by_category(), episodes=episodes, seed=seed)
    table = pose_table(source.instances)
    features = encode_pairs(source, pairs, load_encoder(backbone), progress=progress)
    reports = []
    for each in ("copy", method):
        scores = score_baseline(BASELINES[each](), table, pairs, features=features, progress=progress)
        reports.append(make_report(scores, source, pairs, method=each, split=name, shots=1))
    rows = [
        _row(source, table, pairs, category, method, features, queries)
        for category in source.categories
        if category not in pairs.skipped
    ]
    write_atomically(out, encode_png(contact_sheet(rows)))
    print_reports(reports)
    console.print(f"Left: the support, as clicked. Right: predictions; red lines run to the truth. → {out}")


def _samples(seed: int) -> "tuple[Source, Pairs, str]":
    """The two sample pictures as supports, their warped copies as queries."""
    import numpy as np

    from cape.data.episodes import Pairs
    from cape.data.samples import sample_pictures
    from cape.data.warped import Warped

    source = Warped(sample_pictures(), copies=15, seed=seed)
    table = [[pool[0], query] for pool in source.by_category().values() for query in pool[1:]]
    return source, Pairs(np.array(table, dtype=np.int64), {}), "samples"


def _mp100(annotations: Path, split: int, pattern: str, images: Path | None) -> "Source":
    from cape.data.mp100 import MP100

    return MP100(root=annotations, split=split, subset="test", pattern=pattern, pictures=images or "auto")


def _row(
    source: "Source", table: "PoseTable", pairs: "Pairs", category: int, method: str, features: "Tensor", queries: int
) -> "list[Tile]":
    """The first support of a category, and its first queries with predictions."""
    import numpy as np

    from cape.inference import predict_pairs
    from cape.models.baselines import BASELINES

    mine = pairs.table[table.category[pairs.table[:, -1]] == category]
    chosen = mine[mine[:, 0] == mine[0, 0]][:queries]
    predicted = predict_pairs(BASELINES[method](), table, chosen, features=features)
    count = len(source.categories[category].skeleton)
    support = int(chosen[0, 0])
    tiles = [_tile(source, table, support, table.points[support, :count], None, source.categories[category].name)]
    for (_, query), points in zip(chosen, predicted[:, :count], strict=True):
        shown = table.visible[query, :count] & table.visible[support, :count]
        error = np.linalg.norm(points - table.points[query, :count], axis=-1) / table.box[query, 2:].max()
        title = f"{(error[shown] < 0.2).sum()} of {shown.sum()} within 0.2"
        tiles.append(_tile(source, table, int(query), points, shown, title))
    return tiles


def _tile(
    source: "Source", table: "PoseTable", index: int, points: "np.ndarray", shown: "np.ndarray | None", title: str
) -> "Tile":
    """The official crop of an instance with a pose on it; without `shown`, its own annotation."""
    from cape.data.transforms import apply, crop_matrix, crop_square, warp
    from cape.visualize import Tile, draw_pose

    square = crop_square(table.box[index])
    count = len(points)
    crop = warp(source.picture(index), square, size=256)
    matrix = crop_matrix(square) * 256
    truth = None if shown is None else apply(matrix, table.points[index, :count])
    visible = table.visible[index, :count] if shown is None else shown
    skeleton = source.categories[source.instances[index].category].skeleton
    return Tile(draw_pose(crop, apply(matrix, points), visible, skeleton, truth=truth), title)


def main(argv: list[str] | None = None) -> int:
    """`python tools/demo.py`."""
    return run(demo, argv, name="demo")
