"""Errors of three-dimensional poses: MPJPE and its aligned variants, PCK and AUC (SEAL-pose, specification §7).

Every function gives one number a frame, so that frames can be binned, ordered and resampled; the published figure is
the mean over frames. Lengths come out in the unit that goes in; in cape that is the metre. What "PA" means differs:

    MPJPE     as given; subtract the root of both first (`relative`), as all published figures do
    P-MPJPE   after the best rotation, translation and scale of each frame (Procrustes, no reflection)
    N-MPJPE   after the best scale of each frame alone
    PA-MPJPE  with H3WB, pelvis-aligned: both moved so that the middle of the hips is at 0 (`whole_body_errors`)
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

THRESHOLD = 0.150
"""Metres, of MPI-INF-3DHP's PCK."""
_STEP, _STEPS = 0.005, 31


def relative(poses: Float[np.ndarray, "N J 3"], root: int | tuple[int, ...]) -> Float[np.ndarray, "N J 3"]:
    """Poses moved so that the root is at 0.

    Args:
        poses: Any unit.
        root: A joint, or several, whose mean it is.
    """
    joints = [root] if isinstance(root, int) else list(root)
    return poses - poses[:, joints].mean(axis=1, keepdims=True)


def joint_errors(predicted: Float[np.ndarray, "N J 3"], target: Float[np.ndarray, "N J 3"]) -> Float[np.ndarray, "N J"]:
    """Distance of each joint from its target."""
    return np.linalg.norm(predicted - target, axis=-1)


def mpjpe(predicted: Float[np.ndarray, "N J 3"], target: Float[np.ndarray, "N J 3"]) -> Float[np.ndarray, "N"]:
    """Mean per-joint position error of each frame."""
    return joint_errors(predicted, target).mean(axis=1)


def procrustes(predicted: Float[np.ndarray, "N J 3"], target: Float[np.ndarray, "N J 3"]) -> Float[np.ndarray, "N J 3"]:
    """Each prediction after the similarity that brings it closest to its target in the mean square.

    A rotation, never a reflection. A prediction whose joints all coincide becomes the target's centre.
    """
    middle = target.mean(axis=1, keepdims=True)
    wanted = (target - middle).astype(np.float64)
    given = (predicted - predicted.mean(axis=1, keepdims=True)).astype(np.float64)
    left, values, right = np.linalg.svd(np.swapaxes(wanted, 1, 2) @ given)  # wanted ≈ scale * given @ rotation.T
    # Turn the least important axis around where the best orthogonal map is a reflection
    signs = np.ones((len(given), 3))
    signs[:, 2] = np.sign(np.linalg.det(left) * np.linalg.det(right))
    rotation = (left * signs[:, None]) @ right
    power = (given**2).sum(axis=(1, 2))
    scale = (values * signs).sum(axis=1) / np.where(power > 0, power, 1)
    return scale[:, None, None] * given @ np.swapaxes(rotation, 1, 2) + middle


def p_mpjpe(predicted: Float[np.ndarray, "N J 3"], target: Float[np.ndarray, "N J 3"]) -> Float[np.ndarray, "N"]:
    """MPJPE after `procrustes`. As that minimises the mean square, a frame's may rarely exceed its MPJPE."""
    return mpjpe(procrustes(predicted, target), target)


def n_mpjpe(predicted: Float[np.ndarray, "N J 3"], target: Float[np.ndarray, "N J 3"]) -> Float[np.ndarray, "N"]:
    """MPJPE after the scale of each frame that is best in the mean square; poses relative to the root."""
    power = (predicted**2).sum(axis=(1, 2))
    scale = (predicted * target).sum(axis=(1, 2)) / np.where(power > 0, power, 1)
    return mpjpe(scale[:, None, None] * predicted, target)


def pck(errors: Float[np.ndarray, "N J"], threshold: float = THRESHOLD) -> Float[np.ndarray, "N"]:
    """Percentage of joints of each frame that are strictly closer than the threshold."""
    return 100 * (errors < threshold).mean(axis=1)


def auc(errors: Float[np.ndarray, "N J"]) -> Float[np.ndarray, "N"]:
    """Mean of `pck` over the 31 thresholds 0, 5, ..., 150 mm; errors in metres. Nothing is below 0: it ends at 96.774.

    Computed in units of a threshold's step, rounded to 1e-6 of it: 75 mm is then not closer than 75 mm, whatever the
    last digit of a float says.
    """
    steps = np.floor(np.round(errors / _STEP, 6))
    return 100 / _STEPS * np.clip(_STEPS - 1 - steps, 0, None).mean(axis=1)


def pose_scores(
    predicted: Float[np.ndarray, "N J 3"],
    target: Float[np.ndarray, "N J 3"],
    *,
    root: int | tuple[int, ...] | None = 0,
) -> dict[str, Float[np.ndarray, "N"]]:
    """All pointwise scores of N frames under the names that tables use: millimetres and percent.

    Args:
        predicted: Metres.
        target: Metres.
        root: Both are made relative to it; None: they stay as they are.
    """
    if root is not None:
        predicted, target = relative(predicted, root), relative(target, root)
    errors = joint_errors(predicted, target)
    return {
        "MPJPE": 1000 * errors.mean(axis=1),
        "P-MPJPE": 1000 * p_mpjpe(predicted, target),
        "N-MPJPE": 1000 * n_mpjpe(predicted, target),
        "PCK@150": pck(errors),
        "AUC": auc(errors),
    }


class WholeBodyErrors(NamedTuple):
    """H3WB's figures, in the unit of the poses, one a frame."""

    whole: Float[np.ndarray, "N"]
    """All 133 keypoints, pelvis-aligned: the PA-MPJPE of SEAL-pose's Table 3."""
    body: Float[np.ndarray, "N"]
    """The 23 of body and feet, pelvis-aligned; so are `face` and `hands`."""
    face: Float[np.ndarray, "N"]
    hands: Float[np.ndarray, "N"]
    face_aligned: Float[np.ndarray, "N"]
    """Face relative to the nose."""
    hands_aligned: Float[np.ndarray, "N"]
    """Each hand relative to its wrist, the mean of both."""


def whole_body_errors(predicted: Float[np.ndarray, "N 133 3"], target: Float[np.ndarray, "N 133 3"]) -> WholeBodyErrors:
    """The H3WB protocol: aligned by the middle of joints 11 and 12, faces by joint 0, hands by 91 and 112."""
    off = relative(predicted - target, (11, 12))
    length = np.linalg.norm(off, axis=-1)
    face = off[:, 23:91] - off[:, :1]
    hands = off[:, 91:].reshape(len(off), 2, 21, 3)
    hands = hands - hands[:, :, :1]
    return WholeBodyErrors(
        whole=length.mean(axis=1),
        body=length[:, :23].mean(axis=1),
        face=length[:, 23:91].mean(axis=1),
        hands=length[:, 91:].mean(axis=1),
        face_aligned=np.linalg.norm(face, axis=-1).mean(axis=1),
        hands_aligned=np.linalg.norm(hands, axis=-1).mean(axis=(1, 2)),
    )
