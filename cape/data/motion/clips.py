"""Clips: what every reader of motion makes, and the checks that each of them passes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float

from cape.cameras import to_screen
from cape.errors import AnnotationError, UsageError
from cape.skeleton import Skeleton

REACH = 1.5
"""Metres: no joint of a person is farther from the pelvis."""
EXPLODED = 10.0
"""Screen units: no keypoint of a person in the picture is farther from its middle."""
_UNITS = {"metres": (0.15, 3.0, 1.0), "millimetres": (150.0, 3000.0, 1000.0)}
"""By a person's size (the farthest joint from the pelvis, the median over frames): from, to, and how many a metre."""


class Clip(NamedTuple):
    """One recording of one person by one camera, T frames."""

    subject: str
    action: str
    camera_name: str
    points: Float[np.ndarray, "T J 2"]
    """Screen coordinates (`cameras.to_screen`)."""
    joints: Float[np.ndarray, "T J 3"]
    """Metres relative to the root, camera frame."""
    root: Float[np.ndarray, "T 3"]
    """Metres from the camera; zeros where the file does not say."""
    camera: Float[np.ndarray, "9"]
    """Intrinsics (`cameras.intrinsics`); zeros where the file does not say."""
    counted: Bool[np.ndarray, "T"]
    """Frames that losses and metrics count."""

    @property
    def name(self) -> str:
        """Who, what, and which camera."""
        return f"{self.subject} {self.action} {self.camera_name}"


@runtime_checkable
class Motion(Protocol):
    """A data set of motion, as `LiftingData` takes it."""

    clips: list[Clip]
    skeleton: Skeleton
    root: tuple[int, ...]
    """The joint, or the joints whose mean it is, that 3D is relative to."""
    sequential: bool
    """Frames of a clip follow each other in time."""


class Recording(NamedTuple):
    """What a file says about one clip, unchecked."""

    where: str
    """The file and the record, for messages."""
    subject: str
    action: str
    camera_name: str
    pixels: Any
    """[T, J, 2], or more columns of which the first two count."""
    joints: Any
    """[T, J, 3], camera frame, metres or millimetres."""
    size: tuple[int, int]
    """Of the picture, pixels."""
    camera: np.ndarray | None = None
    counted: np.ndarray | None = None


def check_recordings(
    recordings: Sequence[Recording],
    skeleton: Skeleton,
    root: tuple[int, ...],
    *,
    where: str,
    drop_exploded: bool = False,
) -> list[Clip]:
    """Clips of recordings: metres, relative to the root, screen coordinates.

    Units are told by the size of the people: millimetres and metres are both taken, but one of them for the whole file.
    3D may be shorter than 2D (VideoPose3D's detections), whose surplus is left out.

    Args:
        recordings: All that was read.
        skeleton: Says how many joints.
        root: Joints whose mean is the root.
        where: The file, for messages.
        drop_exploded: Leave frames with a keypoint beyond `EXPLODED` out, and cut the clip there; or they are an error.

    Raises:
        AnnotationError: Nothing was read, another number of joints, an empty sequence, 2D shorter than 3D, a number
            that is not finite, units that are neither or mixed, a joint beyond `REACH`, or an exploded keypoint.
    """
    if not recordings:
        raise AnnotationError(
            where,
            expected="at least one sequence",
            got="none",
            fix="Check the file, and which subjects were asked for.",
        )
    joints = [_numbers(each, each.joints, "3D", len(skeleton), 3) for each in recordings]
    pixels = [_numbers(each, each.pixels, "2D", len(skeleton), 2) for each in recordings]
    scale = _metre([(each.where, poses) for each, poses in zip(recordings, joints, strict=True)], root)
    clips = []
    for record, poses, seen in zip(recordings, joints, pixels, strict=True):
        if len(seen) < len(poses):
            raise _bad(record.where, "as many frames in 2D as in 3D", f"{len(seen)} and {len(poses)}")
        clip = _clip(record, poses / scale, seen[: len(poses)], root)
        clips += _cut_exploded(record.where, clip, drop=drop_exploded)
    if not clips:
        raise _bad(where, "a frame with all keypoints near the picture", "none")
    return clips


def _numbers(record: Recording, values: Any, what: str, joints: int, axes: int) -> Float[np.ndarray, "T J _"]:
    where = f"{record.where}: {what}"
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise _bad(where, "numbers", f"an array of type {array.dtype}")
    if array.ndim == 4 and 1 in array.shape[:2]:  # H3WB keeps an axis of one
        array = array.squeeze(1 if array.shape[1] == 1 else 0)
    columns = (2, 3) if axes == 2 else (3,)  # a detector's confidence may stand behind x and y
    if array.ndim != 3 or array.shape[2] not in columns:
        raise _bad(where, f"[T, {joints}, {axes}]", f"the shape {list(array.shape)}")
    if array.shape[1] != joints:
        raise _bad(where, f"{joints} joints", f"{array.shape[1]}", "Choose the data set that this file is of.")
    if len(array) == 0:
        raise _bad(where, "at least one frame", "an empty sequence", "Leave it out of the file.")
    array = array[..., :axes].astype(np.float64)
    if not np.isfinite(array).all():
        frame = int(np.flatnonzero(~np.isfinite(array).all(axis=(1, 2)))[0])
        raise _bad(where, "finite numbers", f"{array[frame][~np.isfinite(array[frame])][0]} in frame {frame}")
    return array


def _metre(poses: Sequence[tuple[str, Float[np.ndarray, "_ J 3"]]], root: tuple[int, ...]) -> float:
    """How many units of the file a metre has; every frame of every clip must say the same."""
    found: dict[str, tuple[str, int]] = {}
    for where, each in poses:
        sizes = np.linalg.norm(each - each[:, root].mean(axis=1, keepdims=True), axis=-1).max(axis=1)
        known = False
        # A few strange frames are another error: of units there must be as many as a tenth
        for unit, (low, high, _) in _UNITS.items():
            frames = np.flatnonzero((sizes >= low) & (sizes <= high))
            if len(frames) >= max(1, len(sizes) / 10):
                found.setdefault(unit, (where, int(frames[0])))
                known = True
        if not known:
            got = f"people of the size {np.median(sizes):.4g}"
            raise _bad(where, "metres or millimetres", got, "Convert the file to one of them.")
    if len(found) > 1:
        got = "both: " + ", ".join(f"{unit} in {where}, frame {frame}" for unit, (where, frame) in found.items())
        raise _bad(poses[0][0], "metres or millimetres in the whole file", got, "Convert one of them.")
    return _UNITS[next(iter(found))][2]


def _clip(
    record: Recording, poses: Float[np.ndarray, "T J 3"], pixels: Float[np.ndarray, "T J 2"], root: tuple[int, ...]
) -> Clip:
    centre = poses[:, root].mean(axis=1)
    relative = poses - centre[:, None]
    reach = np.linalg.norm(relative, axis=-1)
    if reach.max() > REACH:
        frame, joint = np.unravel_index(reach.argmax(), reach.shape)
        got = f"{reach.max():.2f} m, joint {joint} in frame {frame}"
        raise _bad(record.where, f"no joint farther than {REACH} m from the pelvis", got)
    points = to_screen(torch.from_numpy(pixels), record.size).numpy()
    counted = np.ones(len(poses), dtype=bool)
    if record.counted is not None:
        flags = np.asarray(record.counted).reshape(-1)
        if len(flags) < len(poses):
            raise _bad(record.where, f"{len(poses)} flags `valid`", str(len(flags)))
        counted = flags[: len(poses)] > 0
    return Clip(
        subject=record.subject,
        action=record.action,
        camera_name=record.camera_name,
        points=points.astype(np.float32),
        joints=relative.astype(np.float32),
        root=centre.astype(np.float32),
        camera=(np.zeros(9) if record.camera is None else record.camera).astype(np.float32),
        counted=counted,
    )


def _cut_exploded(where: str, clip: Clip, *, drop: bool) -> list[Clip]:
    largest = np.abs(clip.points).max(axis=(1, 2))
    good = largest < EXPLODED
    if good.all():
        return [clip]
    if not drop:
        frame = int(largest.argmax())
        got = f"one {largest[frame]:.4g} half widths away, in frame {frame} ({(~good).sum()} frames)"
        fix = "Repair the frames, or leave them out (drop_exploded=True where the data set has it)."
        raise _bad(f"{where}: 2D", f"keypoints less than {EXPLODED:.0f} half widths from the middle", got, fix)
    ends = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
    pieces = []
    for start, stop in ends.reshape(-1, 2):
        part = slice(int(start), int(stop))
        pieces.append(
            clip._replace(
                points=clip.points[part], joints=clip.joints[part], root=clip.root[part], counted=clip.counted[part]
            )
        )
    return pieces


def entry(content: Any, where: str, *keys: str) -> Any:
    """What stands under keys of nested dictionaries.

    Raises:
        AnnotationError: One of them is missing.
    """
    for key in keys:
        if not isinstance(content, Mapping) or key not in content:
            known = ", ".join(map(str, list(content)[:6])) if isinstance(content, Mapping) else type(content).__name__
            raise _bad(where, f"an entry `{key}`", known or "nothing", "Give the file of this data set and schema.")
        content = content[key]
    return content


def chosen(content: Any, subjects: Sequence[str] | None, where: str) -> list[str]:
    """The subjects that were asked for, in the order of the file; all without a wish.

    Args:
        content: Nested dictionaries by subject, or a list of subjects.
        subjects: The wish.
        where: The file, for messages.

    Raises:
        AnnotationError: The content is neither.
        UsageError: One of them is not in the file.
    """
    if not isinstance(content, Mapping | list):
        raise _bad(where, "a dictionary by subject", type(content).__name__, "Give the file of this data set.")
    names = [str(name) for name in content]
    missing = [each for each in subjects or () if each not in names]
    if missing:
        raise UsageError(
            f"subjects of {where}", expected=f"some of {', '.join(names)}", got=", ".join(missing), fix="Mend them."
        )
    return [name for name in names if subjects is None or name in subjects]


def _bad(where: str, expected: str, got: str, fix: str = "Repair the file.") -> AnnotationError:
    return AnnotationError(where, expected=expected, got=got, fix=fix)
