"""H3WB: Human3.6M with 133 whole-body joints, millimetres (Zhu et al., ICCV 2023)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cape.cameras import intrinsics
from cape.data.motion.archive import read_objects
from cape.data.motion.clips import Clip, Recording, check_recordings, chosen, entry
from cape.data.skeletons import read_skeleton
from cape.errors import AnnotationError
from cape.registry import DATASETS

_CAMERAS = ("54138969", "55011271", "58860488", "60457274")
_TALL = ("54138969", "60457274")
"""Cameras whose pictures are 1000 x 1002 pixels; the others' are square."""
_JOINTS = 133


@DATASETS.register_module()
class H3WB:
    """H3WB's `.npz` files; one clip a sequence and camera.

    `h3wb_train.npz` holds `train_data[subject][action] = {<camera id>: {camera_3d, pose_2d}, ...}` and
    `metadata[subject][<camera id>] = {K, R, T, Distortion}`; `task1_test_3d.npz` has the same under `data`, without
    metadata. The 80,000 training frames are of S1, 5, 6 and 7, the test frames of S8. The frames of a sequence pass for
    consecutive ones, as in the official loader. The root is the middle of the hips.

    Args:
        path: The `.npz` file.
        metadata: The file that has the cameras, where `path` has none (the training file, for the test file); None:
            `path` itself, and no cameras if it has none.
        subjects: Only these; None: all.
        allow_pickle: The files are pickles: say True if you trust them (see `archive`).

    Attributes:
        clips: In the order of the file; cameras within a sequence.

    Raises:
        AnnotationError: As `check_recordings` and `archive.read_objects`; or a camera is missing.
        UsageError: A subject that the file does not have.
    """

    sequential = True
    root: tuple[int, ...] = (11, 12)

    def __init__(
        self,
        *,
        path: str | Path,
        metadata: str | Path | None = None,
        subjects: Sequence[str] | None = None,
        allow_pickle: bool = False,
    ) -> None:
        self.skeleton = read_skeleton("h3wb")
        test = Path(path).name.startswith("task")
        content = read_objects(path, "data" if test else "train_data", allow_pickle=allow_pickle)
        known = None
        if metadata is not None or not test:
            known = read_objects(metadata or path, "metadata", allow_pickle=allow_pickle)
        recordings = []
        for subject in chosen(content, subjects, str(path)):
            for action, record in content[subject].items():
                for camera in _CAMERAS:
                    where = f"{path}: {subject} {action} camera {camera}"
                    view = entry(record, where, camera)
                    size = (1000, 1002 if camera in _TALL else 1000)
                    lens = None if known is None else _intrinsics(entry(known, where, subject, camera), size, where)
                    recordings.append(
                        Recording(
                            where=where,
                            subject=subject,
                            action=action,
                            camera_name=camera,
                            pixels=entry(view, where, "pose_2d"),
                            joints=entry(view, where, "camera_3d"),
                            size=size,
                            camera=lens,
                        )
                    )
        self.clips: list[Clip] = check_recordings(recordings, self.skeleton, self.root, where=str(path))


def _intrinsics(record: Any, size: tuple[int, int], where: str) -> np.ndarray:
    matrix = np.asarray(entry(record, where, "K"), dtype=np.float64)
    lens = np.zeros(5)
    given = np.asarray(record.get("Distortion", lens), dtype=np.float64).reshape(-1)[:5]
    lens[: len(given)] = given
    if matrix.shape != (3, 3):
        raise AnnotationError(
            where, expected="`K`, a 3 x 3 matrix", got=f"the shape {list(matrix.shape)}", fix="Repair the file."
        )
    # OpenCV's order: k1, k2, p1, p2, k3, where p2 goes with x
    radial, tangential = lens[[0, 1, 4]].tolist(), lens[[3, 2]].tolist()
    return intrinsics(
        [matrix[0, 0], matrix[1, 1]], matrix[:2, 2].tolist(), size, radial=radial, tangential=tangential
    ).numpy()


@DATASETS.register_module()
class H3WBJson:
    """H3WB's JSON files: `2Dto3D_train.json`, `2Dto3D_test_3d.json`; single frames without cameras or subjects.

    `{id: {"keypoints_2d": {joint: {x, y}}, "keypoints_3d": {joint: {x, y, z}}}}`. (Its README says `keypont_2d`.) The
    pictures' height is not told, 1000 or 1002 pixels: 1000 is taken, which moves points by 0.001.

    Args:
        path: The JSON file.

    Attributes:
        clips: One, whose frames do not follow each other.

    Raises:
        AnnotationError: As `check_recordings`; or the file is missing or not of this form.
    """

    sequential = False
    root: tuple[int, ...] = (11, 12)

    def __init__(self, *, path: str | Path) -> None:
        self.skeleton = read_skeleton("h3wb")
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise AnnotationError(
                str(path), expected="H3WB's annotations as JSON", got=f"{type(error).__name__}: {error}",
                fix="Check the file.",
            ) from None  # fmt: skip
        if not isinstance(content, dict):
            raise AnnotationError(
                str(path), expected="an object of samples by id", got=type(content).__name__, fix="Give H3WB's file."
            )
        names = list(content)
        record = Recording(
            where=str(path),
            subject="",
            action="",
            camera_name="",
            pixels=_table(content, names, "keypoints_2d", "xy", str(path)),
            joints=_table(content, names, "keypoints_3d", "xyz", str(path)),
            size=(1000, 1000),
        )
        self.clips: list[Clip] = check_recordings([record], self.skeleton, self.root, where=str(path))


def _table(content: Mapping[str, Any], names: Sequence[str], key: str, axes: str, path: str) -> np.ndarray:
    table = np.empty((len(names), _JOINTS, len(axes)))
    for row, name in zip(table, names, strict=True):
        joints = entry(content, path, name, key)
        if len(joints) != _JOINTS:
            raise AnnotationError(
                f"{path}: {name}", expected=f"{_JOINTS} joints", got=str(len(joints)), fix="Repair the file."
            )
        for number in range(_JOINTS):
            point = entry(joints, f"{path}: {name}: {key}", str(number))
            row[number] = [entry(point, f"{path}: {name}: {key} {number}", axis) for axis in axes]
    return table
