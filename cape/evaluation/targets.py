"""What a keypoint's confidence is to predict: OKS, PCK or a soft PCK of each keypoint, in [0, 1].

All of them compare an error with a length of the instance, so that all have one signature:

    target(found [M K 2], truth [M K 2], size [M]) -> [M K]

    target           size, in the frame of the points
    `Similarity`     square root of the person's area (of the segment; the tight box of the keypoints on MPII)
    `Within`         longest side of the box (MP-100), or the size of the head (MPII, `head_size`)
    `SoftlyWithin`   as `Within`

What is not finite is a miss: 0. Which keypoints count is for the caller to say, see `mean_of_labelled`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit

from cape.errors import SkeletonError, UsageError
from cape.evaluation.checking import check_values

BORROWED = {"pelvis": "left_hip", "thorax": "left_shoulder", "upper_neck": "nose", "head_top": "nose"}
"""Joints of MPII that COCO has no sigma for, and whose they take (§3.8: three sources for four joints, our reading)."""
_HEAD = 0.6


class Target(Protocol):
    """One signature for what a confidence may predict."""

    def __call__(
        self, found: Float[np.ndarray, "M K 2"], truth: Float[np.ndarray, "M K 2"], size: Float[np.ndarray, "M"]
    ) -> Float[np.ndarray, "M K"]:
        """Each keypoint's value in [0, 1]."""
        ...


class Similarity:
    """Object keypoint similarity: exp(-(error/size)²/(2 (2 sigma_k)²)), Eq. 6-7.

    Args:
        sigmas: One for each keypoint, or one for all of any category (0.05 to 0.1 for MP-100, which has none).
    """

    def __init__(self, *, sigmas: Float[np.ndarray, "_"] | float) -> None:
        check_values("sigmas", sigmas, low=0.0, zero=False)
        self.sigmas = np.asarray(sigmas, dtype=np.float64)

    def __call__(
        self, found: Float[np.ndarray, "M K 2"], truth: Float[np.ndarray, "M K 2"], size: Float[np.ndarray, "M"]
    ) -> Float[np.ndarray, "M K"]:
        """Each keypoint's similarity.

        Raises:
            UsageError: Another number of sigmas than of keypoints.
            DataError: A size that is not positive.
        """
        if self.sigmas.ndim and len(self.sigmas) != found.shape[1]:
            raise UsageError(
                "sigmas", expected=f"one for each of {found.shape[1]} keypoints", got=str(len(self.sigmas)),
                fix="Give those of this skeleton.",
            )  # fmt: skip
        return np.exp(-np.square(_relative_error(found, truth, size) / (2 * self.sigmas)) / 2)


class Within:
    """Whether the error is below a share of the size: the indicator that PCK is the mean of.

    Args:
        threshold: The share.
        inclusive: An error of exactly the share counts, as MPII's evaluation has it; MP-100's has not.
    """

    def __init__(self, *, threshold: float, inclusive: bool = False) -> None:
        check_values("threshold", threshold, low=0.0, zero=False)
        self.threshold, self.inclusive = threshold, inclusive

    def __call__(
        self, found: Float[np.ndarray, "M K 2"], truth: Float[np.ndarray, "M K 2"], size: Float[np.ndarray, "M"]
    ) -> Float[np.ndarray, "M K"]:
        """1 or 0 for each keypoint.

        Raises:
            DataError: A size that is not positive.
        """
        error = _relative_error(found, truth, size)
        return (error <= self.threshold if self.inclusive else error < self.threshold).astype(np.float64)


class SoftlyWithin:
    """A soft PCK, 1/(1 + exp((error/size - threshold)/softness)): half at the threshold, and no step there.

    Args:
        threshold: The share of the size.
        softness: How wide the step is; None is a tenth of the threshold.
    """

    def __init__(self, *, threshold: float, softness: float | None = None) -> None:
        check_values("threshold", threshold, low=0.0, zero=False)
        self.threshold = threshold
        self.softness = threshold / 10 if softness is None else softness
        check_values("softness", self.softness, low=0.0, zero=False)

    def __call__(
        self, found: Float[np.ndarray, "M K 2"], truth: Float[np.ndarray, "M K 2"], size: Float[np.ndarray, "M"]
    ) -> Float[np.ndarray, "M K"]:
        """A value in [0, 1) for each keypoint.

        Raises:
            DataError: A size that is not positive.
        """
        return expit((self.threshold - _relative_error(found, truth, size)) / self.softness)


def _relative_error(
    found: Float[np.ndarray, "M K 2"], truth: Float[np.ndarray, "M K 2"], size: Float[np.ndarray, "M"]
) -> Float[np.ndarray, "M K"]:
    """Distance in sizes; infinite where a point is not finite."""
    if len(size):
        check_values("size of the instances", size, low=0.0, zero=False)
    known = np.isfinite(found).all(axis=-1) & np.isfinite(truth).all(axis=-1)
    moved = np.where(known[..., None], found, 0.0) - np.where(known[..., None], truth, 0.0)
    return np.where(known, np.linalg.norm(moved, axis=-1) / size[:, None], np.inf)


def mean_of_labelled(
    values: Float[np.ndarray, "M K"], labelled: Bool[np.ndarray, "M K"]
) -> Float[np.ndarray, "M"]:  # fmt: skip
    """The value of each instance: the mean over its labelled keypoints, Eq. 6; NaN where there are none."""
    count = labelled.sum(axis=1)
    total = np.where(labelled, values, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def person_similarity(
    found: Float[np.ndarray, "M K 2"], truth: Float[np.ndarray, "M K 2"], labelled: Bool[np.ndarray, "M K"],
    area: Float[np.ndarray, "M"], sigmas: Float[np.ndarray, "K"],
) -> Float[np.ndarray, "M"]:  # fmt: skip
    """OKS of each person with its own truth: no matching; NaN without a labelled keypoint.

    Args:
        found: Predictions.
        truth: Where keypoints are.
        labelled: Which of them count.
        area: Of each person.
        sigmas: See `data.skeletons.read_sigmas`.

    Raises:
        DataError: An area or a sigma that is not positive.
    """
    check_values("area of the instances", area, low=0.0, zero=False)
    return mean_of_labelled(Similarity(sigmas=sigmas)(found, truth, np.sqrt(area)), labelled)


def reach(area: Float[np.ndarray, "M"], sigmas: Float[np.ndarray, "K"]) -> Float[np.ndarray, "M K"]:
    """How far OKS forgives: l = 2 sigma_k sqrt(area), Eq. 7, in the frame of the area.

    Raises:
        DataError: An area or a sigma that is not positive.
    """
    check_values("area of the instances", area, low=0.0, zero=False)
    check_values("sigmas", sigmas, low=0.0, zero=False)
    return 2 * np.sqrt(area)[:, None] * sigmas


def head_size(boxes: Float[np.ndarray, "M 4"]) -> Float[np.ndarray, "M"]:
    """MPII's length: 0.6 times the diagonal of the head's box (x1, y1, x2, y2).

    Raises:
        DataError: A box without extent.
    """
    size = _HEAD * np.linalg.norm(boxes[:, 2:] - boxes[:, :2], axis=1)
    check_values("diagonal of the head's box", size, low=0.0, zero=False)
    return size


def sigmas_by_name(names: Sequence[str], known: Mapping[str, float]) -> Float[np.ndarray, "_"]:
    """Sigmas for a skeleton that has none, by its keypoints' names: MPII's from COCO's.

    Example:
        `sigmas_by_name(mpii_names, dict(zip(coco.names, read_sigmas("coco"))))`

    Args:
        names: With underscores or spaces, in any case: `right_ankle`, `head top`.
        known: Sigmas by name.

    Raises:
        SkeletonError: A name that is neither known nor in `BORROWED`.
    """
    found = []
    for name in names:
        plain = "_".join(name.lower().split())
        source = plain if plain in known else BORROWED.get(plain, plain)
        if source not in known:
            raise SkeletonError(
                f"keypoint {name!r}", expected=f"one of {', '.join([*known, *BORROWED])}", got="a name without a sigma",
                fix="Rename it, or give sigmas of your own.",
            )  # fmt: skip
        found.append(known[source])
    return np.array(found, dtype=np.float64)
