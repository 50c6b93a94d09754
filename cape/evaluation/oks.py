"""The metrics of mmpose, made to give back what they print: a row of figures for each part.

Importing this loads mmpose; `wholebody` does so when something is evaluated.
"""

from collections.abc import Sequence
from typing import Any

from cape import compat
from cape.data.skeletons import read_regions

compat.load_mmpose()

from mmpose.evaluation.metrics import CocoMetric, CocoWholeBodyMetric  # noqa: E402 (after it became importable)
from xtcocotools.cocoeval import COCOeval  # noqa: E402

WHOLE = "keypoints_wholebody"
PARTS = {
    "body": "keypoints_body",
    "foot": "keypoints_foot",
    "face": "keypoints_face",
    "left_hand": "keypoints_lefthand",
    "right_hand": "keypoints_righthand",
}
"""What xtcocotools calls the regions of `coco_wholebody.json`."""
FIGURES = ("AP", "AP50", "AP75", "AP(M)", "AP(L)", "AR", "AR50", "AR75", "AR(M)", "AR(L)")
CROWD_FIGURES = ("AP", "AP50", "AP75", "AR", "AR50", "AR75", "AP(easy)", "AP(medium)", "AP(hard)")


def _row(metric: Any, prefix: str, kind: str, part: Sequence[int] | None = None) -> list[float]:
    """The figures of one kind of evaluation, of the predictions in the file with this prefix."""
    sigmas = metric.dataset_meta["sigmas"]
    found = metric.coco.loadRes(f"{prefix}.keypoints.json")
    evaluation = COCOeval(
        metric.coco, found, kind, sigmas if part is None else sigmas[list(part)], use_area=metric.use_area
    )
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [float(value) for value in evaluation.stats]


class OneRow(CocoMetric):
    """COCO and CrowdPose: one row of figures."""

    def _do_python_keypoint_eval(self, outfile_prefix: str) -> list[tuple[str, float]]:
        names = CROWD_FIGURES if self.iou_type == "keypoints_crowd" else FIGURES
        return list(zip(names, _row(self, outfile_prefix, self.iou_type), strict=True))


class PartRows(CocoWholeBodyMetric):
    """COCO-WholeBody: a row for all keypoints, and one for each part."""

    def _do_python_keypoint_eval(self, outfile_prefix: str) -> list[tuple[str, float]]:
        rows: list[tuple[str, float]] = list(zip(FIGURES, _row(self, outfile_prefix, WHOLE), strict=True))
        for part, members in read_regions("coco_wholebody").items():
            values = _row(self, outfile_prefix, PARTS[part], members)
            rows.extend((f"{part}/{name}", value) for name, value in zip(FIGURES, values, strict=True))
        return rows


METRIC_OF = {"coco_wholebody": PartRows, "coco": OneRow, "crowdpose": OneRow}
"""By the kind of `wholebody.KeypointAP`."""
