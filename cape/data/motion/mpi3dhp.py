"""MPI-INF-3DHP in the two forms that lifters use. Figures of the two are not comparable (specification §8)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cape.data.motion.archive import read_objects
from cape.data.motion.clips import Clip, Recording, check_recordings, chosen, entry
from cape.data.skeletons import read_skeleton
from cape.errors import AnnotationError
from cape.registry import DATASETS

SQUARE, WIDE = (2048, 2048), (1920, 1080)
_WIDE = ("TS5", "TS6")
_HEAD = 0


@DATASETS.register_module()
class Mpi3DHP:
    """MPI-INF-3DHP as P-STMO gives it out: `data_train_3dhp.npz` or `data_test_3dhp.npz`; millimetres.

    Training: `data["S1 Seq1"][0]["0"] = {data_2d [N, 17, 2] pixels, data_3d [N, 17, 3]}`. Test:
    `data["TS1"] = {data_2d, data_3d, valid}`, of which only the valid frames are counted. P-STMO's files hold
    `univ_annot3` (scaled to one body height), D3DP's of the same form `annot3`: say which one a figure is of. Cameras
    are not in the files. 17 joints with the pelvis at 14.

    Args:
        path: The `.npz` file.
        subjects: S1 to S8 or TS1 to TS6; None: all.
        drop_exploded: Leave out frames whose 2D is far outside of the picture, and cut clips there.
        allow_pickle: The files are pickles: say True if you trust them (see `archive`).

    Attributes:
        clips: In the order of the file.

    Raises:
        AnnotationError: As `check_recordings` and `archive.read_objects`.
        UsageError: A subject that the file does not have.
    """

    sequential = True
    root: tuple[int, ...] = (14,)

    def __init__(
        self,
        *,
        path: str | Path,
        subjects: Sequence[str] | None = None,
        drop_exploded: bool = True,
        allow_pickle: bool = False,
    ) -> None:
        self.skeleton = read_skeleton("mpi_inf_3dhp")
        content = read_objects(path, "data", allow_pickle=allow_pickle)
        people = list(dict.fromkeys(name.split()[0] for name in chosen(content, None, str(path))))
        wanted = chosen(people, subjects, str(path))
        recordings = []
        for name in content:
            subject, _, action = name.partition(" ")
            for camera, record in _views(content[name], f"{path}: {name}") if subject in wanted else ():
                where = f"{path}: {name} camera {camera}".removesuffix(" camera ")
                recordings.append(
                    Recording(
                        where=where,
                        subject=subject,
                        action=action or "Test",
                        camera_name=camera,
                        pixels=entry(record, where, "data_2d"),
                        joints=entry(record, where, "data_3d"),
                        size=WIDE if subject in _WIDE else SQUARE,
                        counted=record.get("valid"),
                    )
                )
        self.clips: list[Clip] = check_recordings(
            recordings, self.skeleton, self.root, where=str(path), drop_exploded=drop_exploded
        )


def _views(record: Any, where: str) -> list[tuple[str, Any]]:
    """A test sequence has one view and no name for it, a training sequence a table of them in a list of its own."""
    if isinstance(record, dict):
        return [("", record)]
    if not isinstance(record, list | tuple) or not record or not isinstance(record[0], dict):
        raise AnnotationError(
            where, expected="a table of cameras", got=type(record).__name__, fix="Give P-STMO's file, or D3DP's."
        )
    return [(str(camera), each) for camera, each in record[0].items()]


@DATASETS.register_module()
class Mpi3DHPLab:
    """MPI-INF-3DHP as SEAL-pose's authors prepared it for single frames: VideoPose3D's form, `annot3`, metres.

    `positions_3d[subject][action]` and `positions_2d[subject][action]` are lists of [T, 17, ...] arrays, one a camera.
    What is stored there is mended: joints 1 to 16 were made relative to joint 0 (head top) while joint 0 kept its place
    in the room, so that 40 % of the authors' squared error is a "joint" metres away (specification §8); here the place
    is added back and all joints are made relative to the pelvis, joint 14. Frames whose 2D exploded (308 of training,
    up to 23,364 half widths away) are left out and clips are cut there.

    Args:
        poses: `data_3d_mpi_inf_3dhp.npz`.
        keypoints: `data_2d_mpi_inf_3dhp_gt.npz`.
        subjects: S1 to S8, TS1 to TS6 (the authors test on TS1 to TS4); None: all.
        drop_exploded: As above; False makes such a frame an error.
        allow_pickle: The files are pickles: say True if you trust them (see `archive`).

    Attributes:
        clips: In the order of the file; cameras within a sequence.

    Raises:
        AnnotationError: As `check_recordings` and `archive.read_objects`; or 2D and 3D have another number of cameras.
        UsageError: A subject that the file does not have.
    """

    sequential = True
    root: tuple[int, ...] = (14,)

    def __init__(
        self,
        *,
        poses: str | Path,
        keypoints: str | Path,
        subjects: Sequence[str] | None = None,
        drop_exploded: bool = True,
        allow_pickle: bool = False,
    ) -> None:
        self.skeleton = read_skeleton("mpi_inf_3dhp")
        stored = read_objects(poses, "positions_3d", allow_pickle=allow_pickle)
        seen = read_objects(keypoints, "positions_2d", allow_pickle=allow_pickle)
        recordings = []
        for subject in chosen(stored, subjects, str(poses)):
            for action, views in stored[subject].items():
                where = f"{poses}: {subject} {action}"
                pixels = entry(seen, str(keypoints), subject, action)
                if len(pixels) != len(views):
                    raise AnnotationError(
                        where, expected=f"{len(views)} cameras in 2D, as in 3D", got=str(len(pixels)),
                        fix="Make both files with one script.",
                    )  # fmt: skip
                for number, (view, points) in enumerate(zip(views, pixels, strict=True)):
                    recordings.append(
                        Recording(
                            where=f"{where} camera {number}",
                            subject=subject,
                            action=action,
                            camera_name=str(number),
                            pixels=points,
                            joints=_restored(view),
                            size=WIDE if subject in _WIDE else SQUARE,
                        )
                    )
        self.clips: list[Clip] = check_recordings(
            recordings, self.skeleton, self.root, where=str(poses), drop_exploded=drop_exploded
        )


def _restored(view: Any) -> np.ndarray:
    """Joints in the camera's frame: what was taken from all but the head top is given back."""
    joints = np.array(view)
    if joints.ndim == 3 and joints.dtype.kind == "f":  # anything else is told of by the check that follows
        joints[:, _HEAD + 1 :] += joints[:, _HEAD, None]
    return joints
