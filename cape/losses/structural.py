"""What a loss-net learns: truth below what is not (SEAL-pose, Eq. 9 and 10; specification §2 to §4)."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Margin = Literal["sample", "batch"]
PairMode = Literal["separate", "smooth"]


def pose_distance(found: Float[Tensor, "*B J 3"], truth: Float[Tensor, "*B J 3"]) -> Float[Tensor, "*B"]:
    """Mean distance of joints, in the unit of the poses: the margin of Eq. 9. Its gradient where they agree is 0."""
    return torch.linalg.vector_norm(found - truth, dim=-1).mean(dim=-1)


def margin_loss(
    truth: Float[Tensor, "*B"], negative: Float[Tensor, "*B"], distance: Float[Tensor, "*B"], *,
    margin: Margin = "sample",
) -> Float[Tensor, ""]:  # fmt: skip
    """Truth should be lower by as much as the negative is wrong: [Δ - E(negative) + E(truth)]₊ (Eq. 9), its mean.

    Equal poses teach nothing: they have equal energies and no distance, where the hinge has no slope.

    Args:
        truth: Energies.
        negative: Energies.
        distance: Δ of each pair, in the unit that its poses are in: metres here, millimetres in some official code,
            which makes energies 1,000 times larger.
        margin: "batch" is the official code's, the mean of Δ for all pairs.

    Example:
        Energies 0.3 of the truth and 0.2 of what is 0.05 away: 0.05 - 0.2 + 0.3 = 0.15.
    """
    if margin == "batch":
        distance = distance.mean().expand_as(distance)
    return functional.relu(distance - negative + truth).mean()


def ranking_loss(truth: Float[Tensor, "*B"], negative: Float[Tensor, "*B"]) -> Float[Tensor, ""]:
    """Minus the log of the chance that of two poses the truth is the lower one (NCE, Eq. 10), its mean.

    -log(e^-E(truth) / (e^-E(truth) + e^-E(negative))) = softplus(E(truth) - E(negative)), which no energies overflow.

    Example:
        Equal energies: log 2.
    """
    return functional.softplus(truth - negative).mean()


def ordered_loss(
    better: Float[Tensor, "*B"], worse: Float[Tensor, "*B"], distance: Float[Tensor, "*B"], *, kappa: float = 1.0
) -> Float[Tensor, ""]:
    """Of two wrong poses the worse one should be higher: [κ d - E(worse) + E(better)]₊ (A.4, Eq. 3), its mean.

    Args:
        better: Energies.
        worse: Energies.
        distance: d between the two poses.
        kappa: κ.
    """
    return functional.relu(kappa * distance - worse + better).mean()


def window_loss(
    one: Float[Tensor, "*B"], other: Float[Tensor, "*B"], distance: Float[Tensor, "*B"], *,
    mode: PairMode = "separate", kappa: float = 1.0,
) -> Float[Tensor, ""]:  # fmt: skip
    """Energies of two windows of a sequence against the distance of their mean poses (A.4, Eq. 5), its mean.

    The paper separates, [κ d - |E - E'|]₊; the official code has the opposite sign, [|E - E'| - κ d]₊, which holds
    energies together, and takes d of the true poses. The two add up to |κ d - |E - E'||.

    Args:
        one: Energies, means over the first window.
        other: Of the second.
        distance: d, of the windows' mean poses.
        mode: "separate" or "smooth".
        kappa: κ.
    """
    gap = kappa * distance - (one - other).abs()
    return functional.relu(gap if mode == "separate" else -gap).mean()


def slope_penalty(energies: Float[Tensor, "*B"], poses: Float[Tensor, "*B J 3"]) -> Float[Tensor, ""]:
    """Mean squared slope of energies over poses, which keeps a loss-net from becoming steep.

    Args:
        energies: Of `poses`, with a graph between them.
        poses: What the slope is over; requires a gradient.
    """
    (slope,) = torch.autograd.grad(energies.sum(), poses, create_graph=True)
    return slope.square().flatten(-2).sum(dim=-1).mean()


def score_loss(
    energies: Float[Tensor, "*B"], poses: Float[Tensor, "*B J 3"], noise: Float[Tensor, "*B J 3"], *, sigma: float
) -> Float[Tensor, ""]:
    """Denoising score matching: the slope of the energy at a noisy pose points along its noise, |σ ∇E - ε|².

    Then E is minus the log density of poses smoothed by σ, in units of which it is comparable between poses; not of the
    paper, but of its authors' later code.

    Args:
        energies: Of `poses`, with a graph between them.
        poses: Truth + σ ε; requires a gradient.
        noise: ε, of unit variance.
        sigma: In metres.
    """
    (slope,) = torch.autograd.grad(energies.sum(), poses, create_graph=True)
    return (sigma * slope - noise).square().mean()


def gradient_ratio(first: Float[Tensor, "*B J 3"], second: Float[Tensor, "*B J 3"]) -> Float[Tensor, ""]:
    """Norm of one gradient over that of another, 0 where the other is 0."""
    above, below = first.norm(), second.norm()
    return torch.where(below > 0, above / below.clamp_min(torch.finfo(below.dtype).tiny), torch.zeros_like(above))
