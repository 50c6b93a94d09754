"""CMU motion capture as 17 joints with cameras: a small set, in arrays without objects."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cape.cameras import intrinsics
from cape.data.motion.archive import read_array
from cape.data.motion.clips import Clip, Recording, check_recordings, chosen
from cape.data.skeletons import read_skeleton
from cape.errors import AnnotationError
from cape.registry import DATASETS


@DATASETS.register_module()
class CmuMotion:
    """CMU motion capture in Human3.6M's joint order, seen by static cameras: one clip a sequence and camera.

    The file's arrays: `pose3d` [N, 17, 3] world coordinates, `pose2d` [N, V, 17, 2] pixels in V cameras, `seq` [N] the
    sequence of each frame, `seq_name`, `seq_subject` [S], `cam_R`, `cam_t`, `cam_K` [S, V, ...] with
    camera = R x + t, `image_size`. No pickle.

    Args:
        path: The `.npz` file.
        subjects: Only these; None: all.
        cameras: Only these, by number from 0; None: all.

    Attributes:
        clips: In the order of the file; cameras within a sequence.

    Raises:
        AnnotationError: As `check_recordings`; or an array is missing or does not fit the others.
        UsageError: A subject that the file does not have.
    """

    sequential = True
    root: tuple[int, ...] = (0,)

    def __init__(
        self, *, path: str | Path, subjects: Sequence[str] | None = None, cameras: Sequence[int] | None = None
    ) -> None:
        self.skeleton = read_skeleton("cmu17")
        poses, pixels, sequence, names, people, turns, shifts, lenses, size = (
            read_array(path, key)
            for key in ("pose3d", "pose2d", "seq", "seq_name", "seq_subject", "cam_R", "cam_t", "cam_K", "image_size")
        )
        _check_views(path, pixels, turns, cameras)
        if not len(poses) == len(pixels) == len(sequence):
            raise AnnotationError(
                str(path), expected="as many frames in pose3d, pose2d and seq",
                got=f"{len(poses)}, {len(pixels)} and {len(sequence)}", fix="Make the file anew.",
            )  # fmt: skip
        wanted = chosen(sorted(set(people.tolist())), subjects, str(path))
        recordings = []
        for place, name in enumerate(names.tolist()):
            frames = sequence == place
            if people[place] not in wanted:
                continue
            for view in range(turns.shape[1]) if cameras is None else cameras:
                lens = lenses[place, view]
                shape = (int(size[0]), int(size[1]))
                recordings.append(
                    Recording(
                        where=f"{path}: {name} camera {view}",
                        subject=str(people[place]),
                        action=name,
                        camera_name=str(view),
                        pixels=pixels[frames, view],
                        joints=poses[frames] @ turns[place, view].T + shifts[place, view],
                        size=shape,
                        camera=intrinsics(lens[[0, 1], [0, 1]].tolist(), lens[:2, 2].tolist(), shape).numpy(),
                    )
                )
        self.clips: list[Clip] = check_recordings(recordings, self.skeleton, self.root, where=str(path))


def _check_views(path: str | Path, pixels: np.ndarray, turns: np.ndarray, cameras: Sequence[int] | None) -> None:
    if turns.ndim != 4 or pixels.ndim != 4 or pixels.shape[1] != turns.shape[1]:
        got = f"pose2d {list(pixels.shape)}, cam_R {list(turns.shape)}"
        raise AnnotationError(
            str(path), expected="a camera for each view", got=got, fix="Give `cam_R`, `cam_t` and `cam_K` of all views."
        )
    missing = [view for view in cameras or () if not 0 <= view < turns.shape[1]]
    if missing:
        raise AnnotationError(
            str(path), expected=f"cameras below {turns.shape[1]}", got=str(missing), fix="Choose cameras of the file."
        )
