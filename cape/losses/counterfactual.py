"""Consistency of keypoints that an intervention left alone."""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from cape.structures import SimCC


def counterfactual_loss(
    intervened: SimCC, observed: SimCC, stable: Bool[Tensor, "B K"], *, temperature: float = 1.0
) -> Float[Tensor, ""]:
    """What is said of stable keypoints should not depend on the intervention on others (CIGPose, Eq. 6; §3.2).

    KL(observed || intervened), summed over the bins of both axes, averaged over the stable keypoints of the whole
    batch; 0 where there are none. The observed path teaches and gets no gradient.

    Args:
        intervened: Logits after do(F).
        observed: Logits without.
        stable: Not replaced, and visible; the paper's set has no visibility condition, the official code's has.
        temperature: Logits are multiplied by it: 1, not the 10 of `simcc_loss`.

    Example:
        Two bins, observed (0, 0), intervened (log 3, 0) along x and equal along y: 0.5 log(0.5 / 0.75) + 0.5 log(0.5 /
        0.25) = 0.1438.
    """
    loss = intervened.x.new_zeros(stable.shape)
    for axis, taught in zip(intervened, observed, strict=True):
        teacher = (temperature * taught.detach()).log_softmax(dim=-1)
        student = (temperature * axis).log_softmax(dim=-1)
        loss = loss + functional.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=-1)
    return (loss * stable).sum() / stable.sum().clamp_min(1)


def counterfactual_points_loss(
    intervened: Float[Tensor, "B K 2"],
    observed: Float[Tensor, "B K 2"],
    stable: Bool[Tensor, "B K"],
    *,
    sigma: float = 0.05,
) -> Float[Tensor, ""]:
    """The same of a decoder that gives points: Eq. 6 with a Gaussian of width `sigma` around each, |Δ|² / 2σ².

    Args:
        intervened: Crop frame.
        observed: Of the path without an intervention; gets no gradient.
        stable: Not replaced, and visible.
        sigma: In crop sides.
    """
    loss = (intervened - observed.detach()).square().sum(dim=-1) / (2 * sigma**2)
    return (loss * stable).sum() / stable.sum().clamp_min(1)
