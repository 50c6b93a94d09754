"""Agreement of two branches, the consistency loss."""

from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

Teacher = Literal["both", "visual", "text"]


def consistency_loss(
    visual: Float[Tensor, "B K 2"],
    text: Float[Tensor, "B K 2"],
    valid: Bool[Tensor, "B K"],
    *,
    teacher: Teacher = "both",
) -> Float[Tensor, ""]:
    """Mean over samples of the mean over valid keypoints of the squared distance (the paper's Eq. 5, its "MSE").

    Args:
        visual: Points of the visual branch, crop frame.
        text: Points of the text branch.
        valid: Keypoints that count. The query need not show them: agreement needs no label.
        teacher: The branch that teaches without being taught; "both" is the symmetric loss of the equation.

    Example:
        Two keypoints, off by (0.1, 0) and (0, 0.2): the loss is (0.01 + 0.04) / 2 = 0.025.
    """
    visual = visual.detach() if teacher == "visual" else visual
    text = text.detach() if teacher == "text" else text
    distance = (visual - text).square().sum(dim=-1) * valid
    return (distance.sum(dim=1) / valid.sum(dim=1).clamp_min(1)).mean()
