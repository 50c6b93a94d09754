"""What lifters share: the check of their input, padding and cutting of frames, a root that is not predicted."""

import torch
from jaxtyping import Float
from torch import Tensor

from cape.errors import UsageError


def check_points(lifter: str, points: Float[Tensor, "B T _ 2"], joints: int) -> None:
    """Refuse what a lifter cannot lift.

    Raises:
        UsageError: Another number of joints than the lifter's, or no frame.
    """
    if points.shape[2] != joints:
        raise UsageError(
            lifter, expected=f"points of {joints} joints", got=f"{points.shape[2]}",
            fix="Build the lifter for the skeleton of the data, or choose data of its skeleton.",
        )  # fmt: skip
    if points.shape[1] == 0:
        raise UsageError(lifter, expected="at least one frame", got="an empty sequence", fix="Leave it out.")


def pad_edges(points: Float[Tensor, "B T *J"], before: int, after: int) -> Float[Tensor, "B _ *J"]:
    """Repeat the first and the last frame of each sequence so many times."""
    frames = torch.arange(-before, points.shape[1] + after, device=points.device).clamp(0, points.shape[1] - 1)
    return points[:, frames]


def cut(points: Float[Tensor, "B T *J"], frames: int) -> Float[Tensor, "_ _ *J"]:
    """Cut sequences into windows of so many frames, window by window; the last repeats its last frame to fill up."""
    windows = -(-points.shape[1] // frames)
    padded = pad_edges(points, 0, windows * frames - points.shape[1])
    return padded.reshape(len(points) * windows, frames, *points.shape[2:])


def insert_root(joints: Float[Tensor, "*B _ 3"], root: int) -> Float[Tensor, "*B J 3"]:
    """Put a joint of zeros in its place among those that were predicted."""
    zero = torch.zeros_like(joints[..., :1, :])
    return torch.cat([joints[..., :root, :], zero, joints[..., root:, :]], dim=-2)


def check_root(lifter: str, root: int | None, joints: int) -> None:
    """Refuse a root that is no joint.

    Raises:
        UsageError: It is none.
    """
    if root is not None and not 0 <= root < joints:
        raise UsageError(f"{lifter} root", expected=f"a joint below {joints}, or None", got=str(root), fix="Mend it.")
