"""Human3.6M in VideoPose3D's files, which most lifters train on."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float

from cape.cameras import intrinsics, quaternion_rotation
from cape.data.motion.archive import read_objects
from cape.data.motion.clips import Clip, Recording, check_recordings, chosen, entry
from cape.data.skeletons import read_skeleton
from cape.errors import AnnotationError
from cape.registry import DATASETS

_MOVING = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
"""The 17 joints that move, of the recorded 32."""
_WITHOUT_NOSE = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16]
_CORRUPT = ("S11", "Directions")


@DATASETS.register_module()
class Human36M:
    """Human3.6M: `data_3d_h36m.npz` and one of `data_2d_h36m_*.npz`; one clip a sequence and camera.

    `positions_3d[subject][action]` is [T, 32 or 17, 3], world coordinates; `positions_2d[subject][action]` a list of
    [T, 17, 2] pixels, one for each camera. Cameras are in neither file but in VideoPose3D's code: write its two tables
    to JSON, as {"intrinsic": h36m_cameras_intrinsic_params, "extrinsic": h36m_cameras_extrinsic_params}, and give that.

    Subjects 1, 5, 6, 7, 8 are for training, 9 and 11 for tests. S11's "Directions", whose video is corrupt, is left
    out.

    Args:
        poses: `data_3d_h36m.npz`.
        keypoints: The 2D file: ground truth (`gt`), or a detector's.
        cameras: The JSON file.
        subjects: Only these; None: all that the 3D file has.
        joints: 17, or SemGCN's 16 without the nose, which single-frame SEAL-pose uses.
        every: Take each n-th frame only.
        allow_pickle: The files are pickles: say True if you trust them (see `archive`).

    Attributes:
        clips: In the order of the file; cameras within a sequence.

    Raises:
        AnnotationError: As `check_recordings` and `archive.read_objects`; or cameras are missing.
        UsageError: A subject that the file does not have.
    """

    sequential = True
    root: tuple[int, ...] = (0,)

    def __init__(
        self,
        *,
        poses: str | Path,
        keypoints: str | Path,
        cameras: str | Path,
        subjects: Sequence[str] | None = None,
        joints: Literal[16, 17] = 17,
        every: int = 1,
        allow_pickle: bool = False,
    ) -> None:
        self.skeleton = read_skeleton("human36m" if joints == 17 else "human36m_16")
        kept = list(range(17)) if joints == 17 else _WITHOUT_NOSE
        world = read_objects(poses, "positions_3d", allow_pickle=allow_pickle)
        seen = read_objects(keypoints, "positions_2d", allow_pickle=allow_pickle)
        table = read_cameras(cameras)
        recordings = []
        for subject in chosen(world, subjects, str(poses)):
            for action, positions in entry(world, str(poses), subject).items():
                if (subject, action) == _CORRUPT:
                    continue
                where = f"{keypoints}: {subject} {action}"
                views = entry(seen, str(keypoints), subject, action)
                lenses = cameras_of(table, subject, len(views), f"{cameras}: {where}")
                metres = _seventeen(positions, f"{poses}: {subject} {action}")[::every, kept]
                for number, (pixels, lens) in enumerate(zip(views, lenses, strict=True)):
                    recordings.append(
                        Recording(
                            where=f"{where} camera {number}",
                            subject=subject,
                            action=action,
                            camera_name=str(lens["id"]),
                            pixels=_joints(pixels, kept, f"{where} camera {number}: 2D")[::every],
                            joints=_seen(metres, lens),
                            size=(int(lens["res_w"]), int(lens["res_h"])),
                            camera=_intrinsics(lens),
                        )
                    )
        self.clips: list[Clip] = check_recordings(recordings, self.skeleton, self.root, where=str(poses))


def read_cameras(path: str | Path) -> Any:
    """The two tables of Human3.6M's cameras.

    Raises:
        AnnotationError: No such file, or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AnnotationError(
            str(path), expected="Human3.6M's cameras as JSON", got=f"{type(error).__name__}: {error}",
            fix='Write {"intrinsic": [...], "extrinsic": {...}} from the tables in VideoPose3D\'s h36m_dataset.py.',
        ) from None  # fmt: skip


def cameras_of(table: Any, subject: str, views: int, where: str) -> list[dict[str, Any]]:
    """The cameras that saw a subject, each with its lens and its place.

    Raises:
        AnnotationError: There are fewer than views, or one lacks an entry.
    """
    lenses = entry(table, where, "intrinsic")
    places = entry(table, where, "extrinsic").get(subject, [])
    found = [{**lens, **place} for lens, place in zip(lenses, places, strict=False)]
    needed = ("orientation", "translation", "center", "focal_length", "res_w", "res_h", "id")
    good = [each for each in found if all(key in each for key in needed)]
    if len(good) < views:
        raise AnnotationError(
            where, expected=f"{views} cameras of {subject}", got=f"{len(good)}",
            fix="Complete the camera file, or leave the subject out.",
        )  # fmt: skip
    return good[:views]


def _intrinsics(lens: Mapping[str, Any]) -> Float[np.ndarray, "9"]:
    return intrinsics(
        lens["focal_length"], lens["center"], (int(lens["res_w"]), int(lens["res_h"])),
        radial=lens.get("radial_distortion", (0.0,) * 3), tangential=lens.get("tangential_distortion", (0.0,) * 2),
    ).numpy()  # fmt: skip


def _seen(positions: Float[np.ndarray, "T J 3"], lens: Mapping[str, Any]) -> Float[np.ndarray, "T J 3"]:
    """World to camera. Translations are in millimetres, positions in metres or, as their size tells, millimetres."""
    place = np.array(lens["translation"], dtype=np.float64)
    turn = quaternion_rotation(torch.tensor(lens["orientation"], dtype=torch.float64)).numpy()
    # The cameras stand 4 to 6 m away: their own unit is as plain as the people's
    away = np.linalg.norm(place)
    extents = np.linalg.norm(positions - positions[:, :1], axis=-1).max(axis=1)
    extent = np.median(extents) if len(extents) else 0.0
    place = place * (1 if (away > 100) == (extent > 100) else 0.001 if away > 100 else 1000)
    return (positions - place) @ turn


def _joints(values: Any, kept: list[int], where: str) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 3 or array.shape[1] != 17:
        raise AnnotationError(
            where, expected="[T, 17, 2]", got=f"the shape {list(array.shape)}", fix="Give a 2D file of Human3.6M."
        )
    return array[:, kept]


def _seventeen(positions: Any, where: str) -> np.ndarray:
    array = np.asarray(positions)
    if array.ndim != 3 or array.shape[1] not in (17, 32):
        raise AnnotationError(
            where, expected="[T, 32, 3] or [T, 17, 3]", got=f"the shape {list(array.shape)}",
            fix="Give the 3D file of Human3.6M.",
        )  # fmt: skip
    return array[:, _MOVING] if array.shape[1] == 32 else array
