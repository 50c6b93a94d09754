"""What a lifter learns from the truth alone: places, motion, and the explicit structure to compare SEAL-pose with."""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

Error = Literal["mse", "mpjpe"]


def place_loss(
    found: Float[Tensor, "B T J 3"], truth: Float[Tensor, "B T J 3"], mask: Bool[Tensor, "B T"], *,
    error: Error = "mse", weights: Float[Tensor, "J"] | None = None,
) -> Float[Tensor, ""]:  # fmt: skip
    """Error of places, mean over the frames that count.

    Args:
        found: Metres.
        truth: Metres.
        mask: Frames that count.
        error: "mse" is the mean square over frames, joints and coordinates, in square metres, as the official code has
            it (Eq. 7 sums over joints; α is meant for the mean). "mpjpe" is the mean distance of joints, in metres.
        weights: Of joints; None: 1 each.

    Example:
        One joint of two 3 cm off along x: mse 0.0009 / 6 = 1.5e-4, mpjpe 0.015.
    """
    off = found - truth
    each = off.square().mean(dim=-1) if error == "mse" else torch.linalg.vector_norm(off, dim=-1)
    if weights is not None:
        each = each * weights
    return each[mask].mean()


def motion_losses(
    found: Float[Tensor, "B T J 3"], truth: Float[Tensor, "B T J 3"], *, weights: Float[Tensor, "J"] | None = None
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """MixSTE's two terms over frames: weighted mean squared step, and mean error of velocities (specification §5)."""
    step = found.diff(dim=1)
    squared = step.square().mean(dim=-1)
    if weights is not None:
        squared = squared * weights
    return squared.mean(), torch.linalg.vector_norm(step - truth.diff(dim=1), dim=-1).mean()


def bone_losses(
    found: Float[Tensor, "*B J 3"], truth: Float[Tensor, "*B J 3"], *, edges: Int64[Tensor, "E 2"],
    mirror: Int64[Tensor, "J"],
) -> dict[str, Float[Tensor, ""]]:  # fmt: skip
    """Explicit structure instead of a learnt one: what SEAL-pose has to be better than (Table 4).

    `length`: mean difference of bone lengths from the true ones. `symmetry`: mean difference between the lengths of
    bones on both sides. `direction`: mean squared error of bones as vectors, in square metres.

    Args:
        found: Metres.
        truth: Metres.
        edges: The bones.
        mirror: Which joint each is on the other side.
    """
    bones, wanted = (each[..., edges[:, 0], :] - each[..., edges[:, 1], :] for each in (found, truth))
    lengths, known = (torch.linalg.vector_norm(each, dim=-1) for each in (bones, wanted))
    other = mirror[edges]
    sides = torch.linalg.vector_norm(found[..., other[:, 0], :] - found[..., other[:, 1], :], dim=-1)
    paired = (other != edges).any(dim=-1)
    return {
        "length": (lengths - known).abs().mean(),
        "symmetry": (lengths - sides).abs()[..., paired].mean() if bool(paired.any()) else found.new_zeros(()),
        "direction": (bones - wanted).square().mean(),
    }
