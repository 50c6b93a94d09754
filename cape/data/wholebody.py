"""mmpose's data sets of people, with the checks that they lack: COCO-WholeBody, UBody, COCO and CrowdPose.

Importing this loads mmpose, which takes seconds: `people` does so when a data set is opened, and nobody else need.

mmpose reads the records (clips boxes to the picture, leaves out crowds, people without a labelled body keypoint and
boxes of no area; takes every n-th picture); added here are errors that name what is wrong with a file, before an epoch
starts instead of in the middle of it, and a reader of detections for other pictures than the annotations'.
"""

import contextlib
import io
import json
import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from mmengine.config import Config

from cape import compat
from cape.data.records import LARGEST, file_name, finite_numbers, is_id, is_number, picture_size
from cape.errors import AnnotationError, CapeError, DataError

mmpose = compat.load_mmpose()

from mmpose.datasets.datasets import (  # noqa: E402 (after the line that makes it importable)
    CocoDataset,
    CocoWholeBodyDataset,
    CrowdPoseDataset,
    UBody2dDataset,
)
from mmpose.datasets.datasets.base import BaseCocoStyleDataset  # noqa: E402
from xtcocotools.coco import COCO  # noqa: E402

_META = Path(str(mmpose.__file__)).parent / ".mim" / "configs" / "_base_" / "datasets"
_BODY = {"keypoints": 17}
_WHOLE = {**_BODY, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}


def _meta(name: str) -> dict[str, Any]:
    """How mmpose describes a data set. Its own relative path would run a file of that name in the user's folder."""
    return Config.fromfile(_META / f"{name}.py").dataset_info.to_dict()


class _Checked(BaseCocoStyleDataset):
    """What our readers add to mmpose's; mixed in before one of its data sets.

    Args:
        annotations: The file.
        pictures: Folder that `file_name` is relative to.
        detections: Boxes to use instead of the annotated ones.
        threshold: Detections of a lower score are left out.
        every: Only pictures whose id is a multiple of it are read.
    """

    KEYS: ClassVar[dict[str, int]]
    foreign = 0
    """Detections that were left out because the annotation file does not have their picture."""

    def __init__(
        self, *, annotations: Path, pictures: Path, detections: Path | None, threshold: float, every: int
    ) -> None:
        self.threshold = threshold
        if not annotations.is_file():
            raise AnnotationError(
                str(annotations), expected="an annotation file", got="no such file", fix="Check the path."
            )
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # pycocotools and its children print
                super().__init__(
                    ann_file=str(annotations.absolute()),
                    data_prefix={"img": str(pictures.absolute())},
                    bbox_file=None if detections is None else str(detections),
                    test_mode=detections is not None,
                    sample_interval=every,
                )
        except CapeError:
            raise
        except Exception as error:  # no schema is checked there: a wrong file raises whatever it runs into
            raise AnnotationError(
                str(annotations), expected="COCO keypoints of people as JSON", got=f"{type(error).__name__}: {error}",
                fix="Repair the file, or give one of this data set.",
            ) from error  # fmt: skip

    def load_data_list(self) -> list[dict]:
        """The records, at least one.

        Raises:
            DataError: There is none.
        """
        records: list[dict] = super().load_data_list()
        if not records:
            raise DataError(
                self._name, expected="at least one person with a box and a labelled keypoint", got="none",
                fix="Check the file, and what picks pictures and detections out of it.",
            )  # fmt: skip
        return records

    def parse_data_info(self, raw_data_info: dict) -> dict | None:
        """One annotation, checked; None where it has no keypoints at all.

        Raises:
            AnnotationError: A key is missing, or not as many finite numbers as it should hold.
        """
        record, image = raw_data_info["raw_ann_info"], raw_data_info["raw_img_info"]
        if "bbox" not in record or "keypoints" not in record:  # a file of several data sets may hold these
            return None
        where = f"{Path(str(self.ann_file)).name}: annotation {record.get('id')}"
        size = self._size(image)
        finite_numbers(where, "bbox", record["bbox"], 4)
        for key, count in self.KEYS.items():
            _check_keypoints(where, key, record.get(key), count)
        record.setdefault("iscrowd", 0)
        record.setdefault("segmentation", None)
        record.setdefault("num_keypoints", int(np.count_nonzero(np.array(record["keypoints"])[2::3] > 0)))
        found: dict[str, Any] = super().parse_data_info(raw_data_info) or {}  # never empty: checked above
        found["size"] = size
        found["keypoints"] = found["keypoints"].astype(np.float32)
        found["keypoints_visible"] = found["keypoints_visible"].astype(np.float32)
        found["visibility"] = np.concatenate([record[key][2::3] for key in self.KEYS]).astype(np.float32)
        found["category_id"] = int(record["category_id"])
        return found

    def _size(self, image: dict) -> tuple[int, int]:
        where = f"{Path(str(self.ann_file)).name}: image {image.get('id')}"
        file_name(where, image)
        return picture_size(where, image)

    def _load_detection_results(self) -> list[dict]:
        """The detected people of the annotated pictures, in the order of their file.

        Raises:
            DataError: The file is missing or damaged, or none of its pictures is annotated.
        """
        path = Path(str(self.bbox_file))
        found = _read_detections(path)
        known = COCO(self.ann_file)
        self._metainfo["CLASSES"] = known.loadCats(known.getCatIds())
        people = [each for each in found if each["category_id"] == 1 and each["score"] >= self.threshold]
        ours = [each for each in people if each["image_id"] in known.imgs]
        self.foreign = len(people) - len(ours)
        if people and not ours:
            raise DataError(
                str(path), expected=f"detections on the {len(known.imgs)} pictures of {Path(str(self.ann_file)).name}",
                got=f"image ids such as {people[0]['image_id']}, none of them in common",
                fix="Give the file of this subset.",
            )  # fmt: skip
        records = []
        for number, each in enumerate(ours):
            box = np.array(each["bbox"], dtype=np.float32)[None]
            image = known.imgs[each["image_id"]]
            if each["image_id"] % self.sample_interval or box[0, 2:].min() <= 0:
                continue
            records.append(
                {
                    "id": number,
                    "img_id": each["image_id"],
                    "img_path": str(Path(self.data_prefix["img"]) / image["file_name"]),
                    "size": self._size(image),
                    "bbox": np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1),
                    "bbox_score": np.array([each["score"]], dtype=np.float32),
                    "keypoints": np.zeros((1, sum(self.KEYS.values()), 2), dtype=np.float32),
                    "keypoints_visible": np.zeros((1, sum(self.KEYS.values())), dtype=np.float32),
                    "category_id": 1,
                }
            )
        return records

    @property
    def _name(self) -> str:
        return str(self.bbox_file or self.ann_file)


def _check_keypoints(where: str, key: str, values: Any, count: int) -> None:
    if not isinstance(values, list) or len(values) != 3 * count:
        got = f"{len(values)} numbers" if isinstance(values, list) else repr(values)[:80]
        raise AnnotationError(
            where, expected=f"`{key}`: {3 * count} numbers", got=got, fix="Give a file of this data set, or mend it."
        )
    numbers = np.array(values)
    if numbers.dtype.kind not in "if" or not (np.abs(numbers) <= LARGEST).all():
        raise AnnotationError(where, expected=f"finite numbers in `{key}`", got=str(values)[:80], fix="Repair it.")


def _read_detections(path: Path) -> list[dict]:
    def bad(got: str) -> DataError:
        fix = "Give a list of records with image_id, category_id, bbox (x, y, width, height) and score."
        return DataError(str(path), expected="person detections as JSON", got=got, fix=fix)

    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise bad("no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise bad(f"{type(error).__name__}: {error}") from None
    if not isinstance(found, list):
        raise bad(type(found).__name__)
    for place, each in enumerate(found):
        good = isinstance(each, dict) and is_id(each.get("image_id")) and is_id(each.get("category_id"))
        if not good or not is_number(each.get("score")) or math.isnan(each["score"]):
            raise bad(f"record {place}: {str(each)[:80]}")
        finite_numbers(f"{path.name}: record {place}", "bbox", each.get("bbox"), 4)
    return found


class CocoWholeBody(_Checked, CocoWholeBodyDataset):
    """COCO-WholeBody: 133 keypoints (Jin et al., ECCV 2020)."""

    METAINFO: dict = _meta("coco_wholebody")
    KEYS = _WHOLE


class UBody(_Checked, UBody2dDataset):
    """UBody: 133 keypoints, the upper bodies of 15 kinds of scene (Lin et al., CVPR 2023)."""

    METAINFO: dict = _meta("ubody2d")
    KEYS = _WHOLE


class Coco(_Checked, CocoDataset):
    """COCO: 17 keypoints."""

    METAINFO: dict = _meta("coco")
    KEYS = _BODY


class CrowdPose(_Checked, CrowdPoseDataset):
    """CrowdPose: 14 keypoints (Li et al., CVPR 2019)."""

    METAINFO: dict = _meta("crowdpose")
    KEYS: ClassVar[dict[str, int]] = {"keypoints": 14}


READERS = {"coco_wholebody": CocoWholeBody, "ubody": UBody, "coco": Coco, "crowdpose": CrowdPose}
"""By the `kind` of `people.People`."""
