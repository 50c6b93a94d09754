"""Joints as lifters know them, out of keypoints as detectors find them.

Detectors of people (COCO's 17, the whole body's 133, a prompt of the same names) have no pelvis, spine, thorax or top
of the head. Here they are mixtures of the middles of hips, shoulders and ears, with the proportions that the joints of
each lifter's data have along these: a thorax of Human3.6M lies a tenth above the middle of the shoulders, CMU's pelvis
a quarter of the way from the hips to the shoulders. They were measured on samples of CMU motion, Human3.6M and
MPI-INF-3DHP; of the ears, which those do not have, they assume 160 mm above the shoulders. A person who bends the neck
far is drawn with a head that is too straight.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from cape.data.skeletons import read_skeleton
from cape.errors import UsageError
from cape.skeleton import Skeleton

MIDDLES: Mapping[str, tuple[Mapping[str, float], ...]] = {
    "hips": ({"left_hip": 0.5, "right_hip": 0.5},),
    "shoulders": ({"left_shoulder": 0.5, "right_shoulder": 0.5},),
    "ears": (
        {"left_ear": 0.5, "right_ear": 0.5},
        {"nose": 1.0},
        {"left_eye": 0.5, "right_eye": 0.5},
        {"left_ear": 1.0},
        {"right_ear": 1.0},
    ),
}
"""What joints without a keypoint are mixed from; of several ways the first whose keypoints are all known."""

_HUMAN36M = {
    "pelvis": {"hips": 1.0},
    "spine": {"hips": 0.47, "shoulders": 0.53},
    "thorax": {"hips": -0.1, "shoulders": 1.1},
    "head": {"shoulders": -0.4, "ears": 1.4},
}
MIXTURES: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "human36m": _HUMAN36M,
    "human36m_16": _HUMAN36M,
    "cmu17": {
        "pelvis": {"hips": 0.75, "shoulders": 0.25},
        "spine": {"hips": 0.45, "shoulders": 0.55},
        "thorax": {"hips": 0.16, "shoulders": 0.84},
        "neck": {"shoulders": 0.15, "ears": 0.85},
        "head": {"shoulders": -0.4, "ears": 1.4},
    },
    "mpi_inf_3dhp": {
        "pelvis": {"hips": 1.0},
        "spine": {"hips": 0.48, "shoulders": 0.52},
        "neck": {"hips": -0.05, "shoulders": 1.05},
        "head": {"shoulders": 0.25, "ears": 0.75},
        "head_top": {"shoulders": -0.7, "ears": 1.7},
    },
}
"""Of the skeletons that lifters ship with; the weights of each sum to 1. Another skeleton has Human3.6M's."""


class Mapped(NamedTuple):
    """Joints of N poses."""

    points: Float[np.ndarray, "N J 2"]
    """Zeros where not found."""
    found: Bool[np.ndarray, "N J"]


class JointMap:
    """From one skeleton's keypoints to another's joints.

    A joint that the source has by name (whatever the case, spaces or underscores) is that keypoint, else a mixture.

    Args:
        source: Of the keypoints.
        target: Of the lifter.

    Raises:
        UsageError: A joint that the source's keypoints cannot make, whatever is visible.
    """

    def __init__(self, *, source: Skeleton, target: Skeleton) -> None:
        self.target = target
        own = [_plain(name) for name in source.names]
        self.count, places = len(own), {name: own.index(name) for name in own if name and own.count(name) == 1}
        mixtures = MIXTURES.get(_name_of(target), _HUMAN36M)
        ways = {name: _ways(name, places, mixtures.get(name, {})) for name in map(_plain, target.names)}
        if missing := [name for name, found in ways.items() if not found]:
            names = ", ".join(each or "no name" for each in source.names[:20])
            raise UsageError(
                "lifting", expected=f"keypoints for the lifter's {len(target)} joints: {', '.join(missing)} cannot be "
                "made of those that are there", got=f"{len(source)}: {names}",
                fix="Name the 17 keypoints of COCO (or the lifter's joints), or give a lifter of these keypoints.",
            )  # fmt: skip
        self._ways = [ways[_plain(name)] for name in target.names]

    def __call__(self, points: Float[np.ndarray, "N K 2"], known: Bool[np.ndarray, "N K"]) -> Mapped:
        """The joints of poses.

        Args:
            points: Any frame of coordinates.
            known: Keypoints that count.
        """
        count = len(points)
        joints, found = np.zeros((count, len(self._ways), 2)), np.zeros((count, len(self._ways)), dtype=bool)
        for joint, ways in enumerate(self._ways):
            for weights in ways:
                at = [*weights]
                mixed = np.einsum("nkd,k->nd", points[:, at], np.array([*weights.values()]))
                new = known[:, at].all(axis=1) & ~found[:, joint]
                joints[new, joint] = mixed[new]
                found[new, joint] = True
        return Mapped(joints, found)


def filled(joints: Mapped) -> Float[np.ndarray, "N J 2"] | None:
    """Points of one person in frames that follow each other, with what was not found between its neighbours in time.

    On the straight line between the frames before and after, evenly in time; before the first and after the last as in
    that one. None where a joint is found in no frame.
    """
    if not joints.found.any(axis=0).all():
        return None
    frames, points = np.arange(len(joints.points)), joints.points.copy()
    for joint in np.flatnonzero(~joints.found.all(axis=0)):
        good = joints.found[:, joint]
        for axis in range(2):
            points[:, joint, axis] = np.interp(frames, frames[good], joints.points[good, joint, axis])
    return points


def _ways(name: str, places: Mapping[str, int], mixture: Mapping[str, float]) -> list[dict[int, float]]:
    """Weights of keypoints, by index, the best way first."""
    if name in places:
        return [{places[name]: 1.0}]
    ways: list[dict[int, float]] = [{}] if mixture else []
    for middle, share in mixture.items():
        known = [way for way in MIDDLES[middle] if set(way) <= set(places)]
        ways = [_added(before, way, share, places) for way in known for before in ways]
    return ways


def _added(
    before: Mapping[int, float], way: Mapping[str, float], share: float, places: Mapping[str, int]
) -> dict[int, float]:
    total = dict(before)
    for name, weight in way.items():
        total[places[name]] = total.get(places[name], 0.0) + share * weight
    return total


def _name_of(skeleton: Skeleton) -> str:
    """What a skeleton that ships is called; "" of another."""
    return next((name for name in MIXTURES if read_skeleton(name).names == skeleton.names), "")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def missing_names(found: Bool[np.ndarray, "_ J"], names: Sequence[str]) -> str:
    """The joints that no frame has, for messages."""
    return ", ".join(name for name, any_frame in zip(names, found.any(axis=0), strict=True) if not any_frame)
