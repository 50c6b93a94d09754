"""Motion of another data set, done by people with other bones and seen by other cameras."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from cape.cameras import project
from cape.data.motion.clips import Clip, Motion
from cape.errors import DataError, UsageError
from cape.registry import DATASETS
from cape.skeleton import Skeleton


@DATASETS.register_module()
class Reprojected:
    """Clips of a reader after each person's bones, or the camera, were changed; 2D is projected anew.

    What a lifter has not learnt: the check across sets where there is no second set, and more people and views to learn
    from. Each clip is changed in one way from its first frame to its last, drawn from a generator of its own, so that
    bones keep their lengths and motion stays motion. Joints grow from the root along the edges: angles stay as they
    are, and feet may leave the ground.

    Args:
        source: The reader, or how to build it; its clips know their cameras.
        bones: Deviation of the logarithm of each bone's scale; both sides of a body have the same.
        size: The same of the whole person.
        turn: The camera is turned about its own upward axis around the person by up to so many degrees.
        tilt: And up or down by up to so many.
        distance: Deviation of the logarithm of the camera's distance.
        copies: Times that every clip comes, each time changed anew.
        seed: Of the generator.

    Attributes:
        clips: Those of the first copy come first.

    Raises:
        UsageError: A number that makes no sense, or cameras that are not known.
        DataError: A person who comes behind the camera, or a skeleton in pieces.
    """

    def __init__(
        self,
        *,
        source: Motion | dict[str, Any],
        bones: float = 0.0,
        size: float = 0.0,
        turn: float = 0.0,
        tilt: float = 0.0,
        distance: float = 0.0,
        copies: int = 1,
        seed: int = 0,
    ) -> None:
        given = {"bones": bones, "size": size, "turn": turn, "tilt": tilt, "distance": distance, "copies": copies}
        if copies < 1 or not all(0 <= value < np.inf for value in given.values()):
            fix = "Say 0 for no change, and one copy or more."
            raise UsageError("Reprojected", expected="numbers of at least 0", got=str(given), fix=fix)
        motion: Motion = DATASETS.build(source) if isinstance(source, dict) else source
        self.skeleton: Skeleton = motion.skeleton
        self.root, self.sequential = motion.root, motion.sequential
        growth, mirror, rng = _growth(self.skeleton, self.root), self.skeleton.mirror(), np.random.default_rng(seed)
        self.clips: list[Clip] = []
        for clip in motion.clips * copies:
            scales = bones * rng.standard_normal(len(self.skeleton))
            scales = np.exp((scales + scales[mirror]) / 2 + size * rng.standard_normal())
            angles = np.radians([turn, tilt]) * rng.uniform(-1, 1, size=2)
            away = float(np.exp(distance * rng.standard_normal()))
            self.clips.append(_changed(clip, growth, scales, _turning(*angles.tolist()), away))


def _growth(skeleton: Skeleton, root: Sequence[int]) -> list[tuple[int, int]]:
    """Each joint with the one before it on the way from the root, in an order in which that one comes first.

    Raises:
        DataError: A joint that no edge leads to.
    """
    order: list[tuple[int, int]] = []
    reached, front = set(root), list(root)
    while front:
        joint = front.pop(0)
        for edge in skeleton.edges:
            other = sum(edge) - joint
            if joint in edge and other not in reached:
                order.append((other, joint))
                reached.add(other)
                front.append(other)
    if missing := [name for joint, name in enumerate(skeleton.names) if joint not in reached]:
        fix = "Give the skeleton its edges."
        raise DataError("skeleton", expected="edges from the root to each joint", got=f"none to {missing[0]}", fix=fix)
    return order


def _turning(turn: float, tilt: float) -> Float[np.ndarray, "3 3"]:
    """About y, then about x; radians."""
    about_y = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    return about_x @ about_y


def _changed(
    clip: Clip, growth: Sequence[tuple[int, int]], scales: Float[np.ndarray, "J"],
    turning: Float[np.ndarray, "3 3"], away: float,
) -> Clip:  # fmt: skip
    """One clip with other bones before another camera."""
    if not (clip.camera[:2] > 0).all():
        fix = "Take a data set that has cameras."
        raise UsageError(clip.name, expected="a camera that is known", got="zeros", fix=fix)
    joints = clip.joints.astype(np.float64).copy()
    for joint, before in growth:
        bone = clip.joints[:, joint].astype(np.float64) - clip.joints[:, before]
        joints[:, joint] = joints[:, before] + scales[joint] * bone
    joints = joints @ turning.T
    centre = clip.root.astype(np.float64).mean(axis=0)  # which the camera goes around, and the path with the person
    root = (clip.root - centre) @ turning.T + centre * away
    placed = joints + root[:, None]
    if placed[..., 2].min() <= 0:
        got, fix = f"{placed[..., 2].min():.2f} m", "Turn less, or stay farther away."
        raise DataError(clip.name, expected="a person in front of the camera", got=got, fix=fix)
    camera = torch.from_numpy(clip.camera).double().expand(len(placed), 9)
    points = project(torch.from_numpy(placed), camera).numpy()
    return clip._replace(
        points=points.astype(np.float32), joints=joints.astype(np.float32), root=root.astype(np.float32)
    )
