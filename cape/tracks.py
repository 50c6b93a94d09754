"""People in pictures that follow each other, as what a lifter takes: joints of one person, frame by frame."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float

from cape.cameras import to_screen
from cape.data.joints import JointMap, Mapped, filled, missing_names
from cape.data.motion.clips import EXPLODED
from cape.errors import DataError
from cape.formats import LabelledPose, Labels, PictureLabels
from cape.skeleton import Skeleton

NEAR = 0.5
"""Two poses of frames that follow each other are one person's if their keypoints are, in the mean, nearer than this
times the person's size."""


class Track(NamedTuple):
    """One person in T frames."""

    name: str
    """The picture, or the video and which person of it."""
    frames: tuple[tuple[str, int], ...]
    """Of each frame the picture and the pose's id."""
    size: tuple[int, int]
    """Width and height of the pictures, pixels."""
    points: Float[np.ndarray, "T J 2"]
    """Screen coordinates (`cameras.to_screen`), joints of the lifter."""
    found: Bool[np.ndarray, "T J"]
    """Joints that the keypoints gave; the others stand between their neighbours in time, see `joints.filled`."""


class Tracks(NamedTuple):
    """All people of a set of labels."""

    tracks: list[Track]
    left: list[DataError]
    """Why people were left out."""


class _Seen(NamedTuple):
    """A pose with keypoints that count, in its picture."""

    picture: PictureLabels
    pose: LabelledPose
    known: Bool[np.ndarray, "K"]

    @property
    def label(self) -> str:
        return f"{self.picture.file}, pose {self.pose.id}"


def make_tracks(labels: Labels, target: Skeleton, *, least: float = 0.0, sequence: bool = False) -> Tracks:
    """The people of labels, as sequences of a lifter's joints.

    Frames of a video (clip.mp4#12) follow each other, and a person is followed from one to the next by where the
    keypoints are; a frame without the person ends the track. Any other picture stands for itself, or, with `sequence`,
    all of them follow each other in the order of the labels.

    Args:
        labels: Keypoints in pixels.
        target: The lifter's joints.
        least: Keypoints of a lower score, and those of visibility 0, are not known.
        sequence: Whether all pictures are one sequence.

    Raises:
        UsageError: Keypoints that the joints cannot be made of, see `JointMap`.
        DataError: There is no pose.
    """
    maps = {name: JointMap(source=skeleton, target=target) for name, skeleton in _asked(labels).items()}
    tracks, left = [], []
    for name, pictures in _sequences(labels, together=sequence).items():
        people = _followed([[_seen(picture, pose, least) for pose in picture.poses] for picture in pictures])
        for number, person in enumerate(people, start=1):
            title = name if len(people) == 1 else f"{name}, person {number}"
            try:
                tracks.append(_track(title, person, maps[person[0].pose.category], target))
            except DataError as error:
                left.append(error)
    return Tracks(tracks, left)


def _asked(labels: Labels) -> dict[str, Skeleton]:
    """The categories that have a pose."""
    used = {pose.category for pose in labels.poses()}
    if not used:
        raise DataError(
            "lifting", expected="at least one pose", got=f"an empty sequence: {len(labels.pictures)} pictures without",
            fix="Give labels with poses.",
        )  # fmt: skip
    return {name: skeleton for name, skeleton in labels.categories.items() if name in used}


def _sequences(labels: Labels, *, together: bool) -> dict[str, list[PictureLabels]]:
    found: dict[str, list[PictureLabels]] = defaultdict(list)
    for picture in labels.pictures:
        film, sign, frame = picture.file.rpartition("#")
        is_frame = bool(sign) and frame.isdigit()
        found["all pictures" if together else film if is_frame else picture.file].append(picture)
    for name, pictures in found.items():
        if not together and len(pictures) > 1:
            found[name] = sorted(pictures, key=lambda picture: int(picture.file.rpartition("#")[2]))
    return found


def _seen(picture: PictureLabels, pose: LabelledPose, least: float) -> _Seen:
    known = pose.visibility > 0
    return _Seen(picture, pose, known if pose.scores is None else known & (pose.scores >= least))


def _followed(frames: Sequence[Sequence[_Seen]]) -> list[list[_Seen]]:
    """Poses of the same person put together: the nearest pairs of two frames first, each pose once."""
    done: list[list[_Seen]] = []
    going: list[list[_Seen]] = []
    for seen in frames:
        pairs = sorted(
            (distance, old, new)
            for old, person in enumerate(going)
            for new, pose in enumerate(seen)
            if (distance := _distance(person[-1], pose)) < NEAR
        )
        taken: dict[int, int] = {}
        for _, old, new in pairs:
            if old not in taken.values() and new not in taken:
                taken[new] = old
        done += [person for old, person in enumerate(going) if old not in taken.values()]
        going = [[*going[taken[new]], pose] if new in taken else [pose] for new, pose in enumerate(seen)]
    return done + going


def _distance(one: _Seen, other: _Seen) -> float:
    """Mean distance of the keypoints that both have, in sizes of the person; infinite where there are none."""
    both = one.known & other.known if one.pose.category == other.pose.category else np.zeros(1, dtype=bool)
    if not both.any() or one.picture.size != other.picture.size:
        return float("inf")
    size = np.ptp(one.pose.points[one.known], axis=0).max()
    steps = np.linalg.norm(one.pose.points[both] - other.pose.points[both], axis=1)
    return float(steps.mean() / max(size, 1e-9))


def _track(title: str, person: Sequence[_Seen], mapping: JointMap, target: Skeleton) -> Track:
    points = np.stack([seen.pose.points for seen in person]).astype(np.float64)
    if not np.isfinite(points).all():
        bad = person[int(np.flatnonzero(~np.isfinite(points).all(axis=(1, 2)))[0])]
        raise DataError(bad.label, expected="finite keypoints", got="NaN or infinity", fix="Repair the labels.")
    joints = mapping(points, np.stack([seen.known for seen in person]))
    whole = filled(joints)
    if whole is None:
        raise DataError(
            person[0].label, expected=f"keypoints for {', '.join(target.names)}",
            got=f"none for {missing_names(joints.found, target.names)}",
            fix="Lower --least, leave the pose out, or add --lenient to go on without such poses.",
        )  # fmt: skip
    size = person[0].picture.size
    screen = to_screen(torch.from_numpy(whole), size).numpy()
    _check_near(screen, joints, person)
    return Track(title, tuple((seen.picture.file, seen.pose.id) for seen in person), size, screen, joints.found)


def _check_near(screen: Float[np.ndarray, "T J 2"], joints: Mapped, person: Sequence[_Seen]) -> None:
    """Refuse keypoints far from the picture, and a person of no size."""
    reach = np.abs(screen).max(axis=(1, 2))
    frame = int(reach.argmax())
    if reach[frame] >= EXPLODED:
        raise DataError(
            person[frame].label, expected=f"keypoints less than {EXPLODED:.0f} half widths from the picture's middle",
            got=f"one {reach[frame]:.4g} away", fix="Repair the labels: pixels of the picture.",
        )  # fmt: skip
    extent = np.ptp(joints.points, axis=1).max(axis=1)
    if extent.min() <= 0:
        bad = person[int(extent.argmin())]
        raise DataError(bad.label, expected="keypoints at several places", got="all at one", fix="Repair the labels.")
