"""What is shown to a loss-net beside the truth, and what is compared with what (SEAL-pose, A.4; specification §4)."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def disk_noise(like: Float[Tensor, "*B 2"], *, radius: float) -> Float[Tensor, "*B 2"]:
    """Noise that is uniform in a disk (A.4, Eq. 1): |ε| <= R, E|ε| = 2R/3, E|ε|² = R²/2.

    Args:
        like: Gives shape, dtype and device.
        radius: R, in the unit of the points.
    """
    length = radius * torch.rand(like.shape[:-1], dtype=like.dtype, device=like.device).sqrt()
    angle = 2 * math.pi * torch.rand(like.shape[:-1], dtype=like.dtype, device=like.device)
    return length[..., None] * torch.stack([angle.cos(), angle.sin()], dim=-1)


def detector_noise(
    like: Float[Tensor, "*B J 2"], *, sigma: float, lost: float = 0.02, far: float = 8.0
) -> Float[Tensor, "*B J 2"]:
    """Errors as a detector of keypoints makes them: most are small, a few joints are somewhere else.

    Normal noise whose width differs from joint to joint (log-normal, by a factor of about 1.6), and with a chance of
    `lost` is `far` times wider. A simple model, fitted to no detector.

    Args:
        like: Gives shape, dtype and device.
        sigma: Median width, in the unit of the points.
        lost: Share of joints that are elsewhere.
        far: How much farther.
    """
    one = like[..., :1]
    width = sigma * (0.5 * torch.randn_like(one)).exp()
    width = torch.where(torch.rand_like(one) < lost, far * sigma, width)
    return width * torch.randn_like(like)


class Ordered(NamedTuple):
    """Pairs of R hypotheses for each of B poses, the better one of each pair first."""

    better: Int64[Tensor, "N B"]
    worse: Int64[Tensor, "N B"]


def ordered_pairs(errors: Float[Tensor, "R B"]) -> Ordered:
    """Neighbours in the order of their errors, and as many pairs at random (A.4: "adjacent plus random").

    Args:
        errors: Of each hypothesis: how far its points are from those that were seen.
    """
    order = errors.argsort(dim=0)
    count, poses = errors.shape
    first = torch.randint(count, (count - 1, poses), device=errors.device)
    second = (first + torch.randint(1, count, (count - 1, poses), device=errors.device)) % count
    low = torch.cat([order[:-1], order.gather(0, torch.minimum(first, second))])
    high = torch.cat([order[1:], order.gather(0, torch.maximum(first, second))])
    return Ordered(low, high)


def window_starts(frames: int, length: int, *, like: Tensor) -> tuple[Int64[Tensor, "B"], Int64[Tensor, "B"]]:
    """Two different starts of windows in each of B sequences, uniform in [0, T - length] (A.4, Eq. 4).

    Args:
        frames: T, above `length`.
        length: Of the windows.
        like: B and the device.
    """
    choices = frames - length + 1
    one = torch.randint(choices, (len(like),), device=like.device)
    return one, (one + torch.randint(1, choices, (len(like),), device=like.device)) % choices


def window_means(values: Float[Tensor, "B T *_"], starts: Int64[Tensor, "B"], length: int) -> Float[Tensor, "B *_"]:
    """Means over windows of each sequence, of energies or of poses."""
    frames = starts[:, None] + torch.arange(length, device=starts.device)
    rows = torch.arange(len(starts), device=starts.device)[:, None]
    return values[rows, frames].mean(dim=1)
