"""AP and AR of people's keypoints, as COCO, COCO-WholeBody and CrowdPose define them: mmpose's metrics, configured.

The score of a person is the box's times the mean of the keypoint scores above 0.2; of two people whose object keypoint
similarity is above 0.9 the better stays (specification §5). Every part of the whole body is ranked by this one score,
unless a sample brings scores of its own, one for the whole and one for each part (specification of CCNet, §3.7).

Four readings of the evaluation code, xtcocotools, which the official figures have, too: the area of a part is the
whole person's; the area of a prediction, by which AP(M) and AP(L) pass over what is not of their size, is the extent of
its body keypoints; a person none of whose keypoints of a part is labelled is ignored for that part, what is found of
them included; and a predicted part without one keypoint score above 0 is no prediction.
"""

import contextlib
import io
import math
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from cape import compat
from cape.data.skeletons import read_regions, read_sigmas
from cape.errors import AnnotationError, DataError, UsageError
from cape.registry import METRICS

SETTINGS: dict[str, dict[str, Any]] = {
    "coco_wholebody": {},
    "coco": {},
    "crowdpose": {"use_area": False, "iou_type": "keypoints_crowd"},
}
"""What mmpose's metrics are told besides."""
PARTS = {
    "whole": "", "body": "body/", "foot": "foot/", "face": "face/", "left hand": "left_hand/",
    "right hand": "right_hand/", "hand": "hand/",
}  # fmt: skip
"""Rows of the whole body's table, with what their figures begin with."""
MAIN = (
    *("AP", "AP50", "AP75", "AR", "AP(easy)", "AP(medium)", "AP(hard)"),
    *(f"{prefix}{figure}" for prefix in PARTS.values() if prefix for figure in ("AP", "AR")),
)
"""The figures that tables of papers have."""
_COLUMNS = ("AP", "AP50", "AP75", "AR")
_SIZES = ("AP(M)", "AP(L)", "AP(easy)", "AP(medium)", "AP(hard)")
_NOWHERE = -1e5  # pixels: a keypoint there is similar to none


@METRICS.register_module()
class KeypointAP(BaseMetric):
    """AP and AR over object keypoint similarities of 0.5 to 0.95, as fractions; NaN where nobody counts.

    `AP`, `AP50`, `AR` and so on. Of the whole body they are those of all 133 keypoints, and those of its parts are
    `body/AP`, `foot/AP`, `face/AP`, `left_hand/AP`, `right_hand/AP`; `hand/AP` is the mean of the two hands, which the
    papers' tables do not define. CrowdPose has `AP(easy)`, `AP(medium)` and `AP(hard)`, by the crowd index of the
    picture (below 0.2, below 0.8, else), and no sizes; its areas are 0.53 times the box.

    A sample has `id` (of two with the same one counts), `img_id`, `pred_instances` with `keypoints` [1, K, 2] in pixels
    of the picture and `keypoint_scores` [1, K], and `gt_instances` with the `bbox_scores` and `bbox_scales` of the box.
    `pred_instances` may have `part_scores` [1, P], in the order of `scored_parts`: they rank as they stand, instead of
    the box's score times a mean, the first the whole person and who stays of two alike, the others their parts.

    Args:
        kind: Which definition.
        annotations: The annotation file. None: that of the data set, if it says so.
        keypoint_threshold: Keypoints of a lower score do not count in the score of a person.
        similarity: People more alike than this are the same.
        figures: "main" keeps to those that a line of a log has room for, see `MAIN`.
        collect_device: Where the results of several processes meet, as mmengine means it.
    """

    default_prefix = ""

    def __init__(
        self,
        *,
        kind: Literal["coco_wholebody", "coco", "crowdpose"] = "coco_wholebody",
        annotations: str | None = None,
        keypoint_threshold: float = 0.2,
        similarity: float = 0.9,
        figures: Literal["all", "main"] = "all",
        collect_device: str = "cpu",
    ) -> None:
        super().__init__(collect_device=collect_device)
        self.kind, self.annotations, self.figures = kind, annotations, figures
        self.options = {"keypoint_score_thr": keypoint_threshold, "nms_thr": similarity, "score_mode": "bbox_keypoint"}

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep the predictions of one batch.

        Args:
            data_batch: Not looked at.
            data_samples: As the class says; mmengine has made dictionaries of them.
        """
        del data_batch
        for sample in data_samples:
            found, box = sample["pred_instances"], sample["gt_instances"]
            points, scores = _numbers(found["keypoints"]), _numbers(found["keypoint_scores"])
            lost = ~(np.isfinite(points).all(-1) & np.isfinite(scores))
            points[lost], scores[lost] = _NOWHERE, 0.0  # what is not finite is a miss
            own = {"part_scores": _numbers(found["part_scores"])} if "part_scores" in found else {}
            prediction = {
                "id": int(sample["id"]),
                "img_id": int(sample["img_id"]),
                "pred_instances": {"keypoints": points, "keypoint_scores": scores, **own},
                "gt_instances": {key: _numbers(box[key]) for key in ("bbox_scores", "bbox_scales")},
            }
            self.results.append(prediction)

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """The figures.

        Raises:
            DataError: There are no predictions, or of pictures that the annotation file does not have; or scores of
                parts that some have and others have not, that are too few or too many, or not finite.
            UsageError: No annotation file is known.
            AnnotationError: The file is missing or is not one of this kind.
        """
        if not results:
            raise DataError("evaluation", expected="predictions", got="none", fix="Check the data set.")
        path = self.annotations or (self.dataset_meta or {}).get("annotations")
        if path is None:
            raise UsageError("KeypointAP", expected="an annotation file", got="none", fix="Set `annotations`.")
        found = figures_of(results, kind=self.kind, annotations=Path(path), options=self.options)
        return {name: found[name] for name in MAIN if name in found} if self.figures == "main" else found


def _numbers(values: Any) -> np.ndarray:
    """A copy, off the GPU."""
    return np.array(values.detach().cpu() if isinstance(values, torch.Tensor) else values, dtype=np.float64)


def scored_parts(kind: str) -> tuple[str, ...]:
    """What `part_scores` of a sample are of, in order: the whole, and of the whole body its parts.

    Args:
        kind: `coco_wholebody`, `coco` or `crowdpose`.
    """
    return ("whole", *read_regions(kind)) if kind == "coco_wholebody" else ("whole",)


def _own_scores(samples: list[dict[str, Any]], kind: str) -> dict[int, dict[str, float]]:
    """The scores that samples bring, by their id and by part; none if none brings any."""
    found = [each["pred_instances"].get("part_scores") for each in samples]
    if all(each is None for each in found):
        return {}
    names = scored_parts(kind)
    for sample, scores in zip(samples, found, strict=True):
        if scores is None or np.shape(scores) != (1, len(names)) or not np.isfinite(scores).all():
            got = "none" if scores is None else f"shape {np.shape(scores)}: {np.asarray(scores).ravel()[:8].tolist()}"
            raise DataError(
                f"part scores of prediction {sample['id']}", got=got,
                expected=f"{len(names)} finite numbers: {', '.join(names)}", fix="Give them to every prediction.",
            )  # fmt: skip
    return {
        each["id"]: dict(zip(names, scores[0].tolist(), strict=True))
        for each, scores in zip(samples, found, strict=True)
    }


def figures_of(
    samples: list[dict[str, Any]], *, kind: str, annotations: Path, options: dict[str, Any] | None = None
) -> dict[str, float]:
    """The figures of `KeypointAP` for predictions that are at hand.

    Args:
        samples: As `KeypointAP` says.
        kind: `coco_wholebody`, `coco` or `crowdpose`.
        annotations: The annotation file.
        options: Of mmpose's `CocoMetric`, whose defaults are ours.

    Raises:
        CapeError: As `KeypointAP.compute_metrics`.
    """
    compat.load_mmpose()
    from cape.evaluation.oks import METRIC_OF

    own = _own_scores(samples, kind)
    if not annotations.is_file():
        raise AnnotationError(
            str(annotations), expected="an annotation file", got="no such file", fix="Check the path."
        )
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        try:
            metric = METRIC_OF[kind](
                ann_file=str(annotations), outfile_prefix=f"{folder}/results", **SETTINGS[kind], **(options or {})
            )
            known = set(metric.coco.imgs)
        except Exception as error:  # no schema is checked: a wrong file raises whatever it runs into
            got = f"{type(error).__name__}: {error}"
            raise AnnotationError(
                str(annotations), expected=f"annotations of {kind}", got=got, fix="Repair it, or give another."
            ) from error
        if foreign := sorted({each["img_id"] for each in samples} - known):
            raise DataError(
                str(annotations), expected="the pictures that predictions are of", got=f"none with id {foreign[0]}",
                fix="Evaluate with the annotations of this subset.",
            )  # fmt: skip
        sigmas = read_sigmas(kind)
        metric.dataset_meta = {"dataset_name": kind, "num_keypoints": len(sigmas), "sigmas": sigmas}
        if own:  # mmpose then takes what stands as the box's for the person's score
            metric.score_mode, metric.part_scores = "bbox", own
            samples = [
                {**each, "gt_instances": {**each["gt_instances"], "bbox_scores": np.array([own[each["id"]]["whole"]])}}
                for each in samples
            ]
        metric.process([], samples)
        found = metric.compute_metrics(metric.results)
    figures = {name: math.nan if value < 0 else float(value) for name, value in found.items()}
    if kind == "coco_wholebody":
        for figure in ("AP", "AR"):
            hands = [figures[f"{side}_hand/{figure}"] for side in ("left", "right")]
            known_hands = [value for value in hands if not math.isnan(value)]
            figures[f"hand/{figure}"] = sum(known_hands) / len(known_hands) if known_hands else math.nan
    return figures


def table_of(figures: Mapping[str, float], *, name: str) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of a table in per cent, "-" where nobody counts.

    Args:
        figures: All of `figures_of`: with parts it is a row for each, else one row.
        name: Of the one row; of several, of the first column.
    """
    if "body/AP" in figures:
        rows = [[part, *(_percent(figures.get(prefix + each)) for each in _COLUMNS)] for part, prefix in PARTS.items()]
        return [name, *_COLUMNS], rows
    columns = [*_COLUMNS[:3], *(each for each in _SIZES if each in figures), _COLUMNS[3]]
    return ["", *columns], [[name, *(_percent(figures.get(each)) for each in columns)]]


def _percent(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{100 * value:.1f}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the tables that the evaluation code prints, its warnings, and the file that it leaves open."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".* not found, use 'score' instead", UserWarning)
        warnings.simplefilter("ignore", ResourceWarning)
        yield
