"""The metrics of mmpose, made to give back what they print: a row of figures for each part.

Importing this loads mmpose; `wholebody` does so when something is evaluated.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

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
SCORES = {
    "whole": "wholebody_score",
    "body": "score",
    "foot": "foot_score",
    "face": "face_score",
    "left_hand": "lefthand_score",
    "right_hand": "righthand_score",
}
"""By which of a record's entries it ranks them; without one of its own a part goes by `score`."""
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

    part_scores: ClassVar[dict[int, dict[str, float]]] = {}
    """Of each prediction's parts, by its id; empty where the person's score is that of every part."""

    def results2json(self, keypoints: dict[int, list], outfile_prefix: str) -> str:
        """Write the file of predictions, with the scores of their parts."""
        path = Path(f"{outfile_prefix}.keypoints.json")
        super().results2json(keypoints, outfile_prefix)
        if self.part_scores:
            people = [each for picture in keypoints.values() for each in picture]
            records = json.loads(path.read_text(encoding="utf-8"))
            for person, record in zip(people, records, strict=True):
                own = self.part_scores[person["id"]]
                record.update({entry: own[part] for part, entry in SCORES.items()})
            path.write_text(json.dumps(records), encoding="utf-8")
        return str(path)

    def _do_python_keypoint_eval(self, outfile_prefix: str) -> list[tuple[str, float]]:
        rows: list[tuple[str, float]] = list(zip(FIGURES, _row(self, outfile_prefix, WHOLE), strict=True))
        for part, members in read_regions("coco_wholebody").items():
            values = _row(self, outfile_prefix, PARTS[part], members)
            rows.extend((f"{part}/{name}", value) for name, value in zip(FIGURES, values, strict=True))
        return rows


METRIC_OF = {"coco_wholebody": PartRows, "coco": OneRow, "crowdpose": OneRow}
"""By the kind of `wholebody.KeypointAP`."""
