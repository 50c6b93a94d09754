"""`cape parts`: does a score for each part of the body rank its predictions better than one for the whole?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from cape.commands import invocation, listed, run
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from cape.evaluation.part_scores import People

_KEYS = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
_SCORES = ("score", "body_score", "foot_score", "face_score", "lefthand_score", "righthand_score")
NOTES = (
    "whole: all parts are ranked by the score of the whole person; part: each by its own; the whole by the whole's.",
    "mean: of the keypoint scores. above T: the mean of those above T, 0 where there is none.",
    "hand: the mean of both hands. Of two people more alike than 0.9 the one with the better whole score stays.",
    "AR does not depend on the order of predictions: it is what better confidences bring AP towards.",
)


def parts(
    predictions: Annotated[Path, typer.Argument(help="In COCO-WholeBody's form: keypoints with scores, part by part.")],
    annotations: Annotated[Path, typer.Argument(help="COCO-WholeBody's annotation file.")],
    out: Annotated[Path, typer.Option(help="The tables, Markdown.")] = Path("outputs/part_scores.md"),
    thresholds: Annotated[str, typer.Option(help="Of the heuristic that leaves out low keypoint scores.")] = "0.2,0.3",
) -> None:
    """Rank predictions part by part, by the whole person's score and by the part's own, and compare AP (§3.7 of CCNet).

    Example: cape parts coco_wholebody_pred.json coco_wholebody_val.json --thresholds 0.2
    """
    from cape.commands.console import print_table, say
    from cape.evaluation.part_scores import heuristic_scores, part_figures, part_table
    from cape.evaluation.report import grid

    cuts = listed("--thresholds", thresholds, float)
    check_writable(out)
    people, own = read_predictions(predictions)
    rankings = {}
    for by_part in (False, True):
        kind = "part" if by_part else "whole"
        rankings[f"{kind}, mean"] = heuristic_scores(people.scores, rule="mean", by_part=by_part)
        for cut in cuts:
            found = heuristic_scores(people.scores, rule="threshold", threshold=cut, by_part=by_part)
            rankings[f"{kind}, above {cut:g}"] = found
    if own is not None:
        rankings["whole, of the file"] = np.repeat(own[:, :1], own.shape[1], axis=1)
        rankings["part, of the file"] = own
    figures = part_figures(people, rankings, annotations=annotations)
    pictures = len(set(people.picture))
    note = f"{len(people.picture)} people predicted on {pictures} pictures; per cent, -: nobody counts."
    table = part_table(figures)
    print_table(*table)
    notes = "\n".join(f"- {each}" for each in NOTES)
    content = [f"Command:\n\n    {invocation()}", note, grid(table), notes]
    write_atomically(out, "\n\n".join(content) + "\n")
    say(f"Written to {out}")


def read_predictions(path: Path) -> "tuple[People, np.ndarray | None]":
    """Predictions in COCO-WholeBody's form, and the scores of the whole and the parts that the file itself has.

    Raises:
        AnnotationError: It is not such a file: the message names the record.
    """
    from cape.evaluation.part_scores import People
    from cape.formats.reading import bad, read_json

    records = read_json(path, "predictions")
    if not isinstance(records, list) or not records:
        raise bad(str(path), "a list of predictions", type(records).__name__ if records else "an empty one")
    found, pictures = [], []
    for index, record in enumerate(records):
        where = f"{path}: prediction {index}"
        if not isinstance(record, dict) or type(record.get("image_id")) is not int:
            raise bad(where, "an object with an image_id", str(record)[:60])
        values = [_numbers(where, record, key, 3 * count).reshape(-1, 3) for key, count in _KEYS.items()]
        found.append((np.concatenate(values), 200 * _numbers(where, record, "scale", 2)))
        pictures.append(record["image_id"])
    numbers = np.stack([each for each, _ in found])
    people = People(pictures, numbers[..., :2], numbers[..., 2], np.stack([sides for _, sides in found]))
    if not all(key in record for record in records for key in _SCORES):
        return people, None
    own = [
        [_numbers(f"{path}: prediction {index}", {key: [record[key]]}, key, 1).item() for key in _SCORES]
        for index, record in enumerate(records)
    ]
    return people, np.array(own)


def _numbers(where: str, record: dict[str, Any], key: str, count: int) -> np.ndarray:
    """A list of finite numbers."""
    from cape.formats.reading import bad

    values = record.get(key)
    if isinstance(values, list) and len(values) == count and all(type(each) in (int, float) for each in values):
        numbers = np.array(values, dtype=np.float64)
        if np.isfinite(numbers).all():
            return numbers
    got = f"{len(values)}: {str(values)[:60]}" if isinstance(values, list) else repr(values)[:60]
    raise bad(where, f"{count} finite numbers in {key}", got)


def main(argv: list[str] | None = None) -> int:
    """`python tools/parts.py`."""
    return run(parts, argv, name="parts")
