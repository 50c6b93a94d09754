"""How points and pose meet in a loss-net, beside a common input (SEAL-pose, appendix A.7)."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cape.errors import UsageError
from cape.models.layers import MLP

Inputs = Literal["joints", "bilinear", "early", "decomposed"]
WIDTHS = {"joints": (3,), "bilinear": (2, 3), "early": (5,), "decomposed": (3,)}
"""Numbers a joint that a network's first layer sees, or each of its first layers."""


class LocalTerm(nn.Module):
    """The part of M4 that sees both: sum over j of y_j' W_j b(x), with b a small network of all points.

    The paper's formula has y in both places; with the points in one it is what the original SEAL has (specification
    §3.3).

    Args:
        joints: J.
        width: Of b(x).
    """

    def __init__(self, *, joints: int, width: int) -> None:
        super().__init__()
        self.feature = MLP((2 * joints, width, width))
        self.weight = nn.Parameter(torch.randn(joints, 3, width) * width**-0.5)

    def forward(self, points: Float[Tensor, "B J 2"], joints: Float[Tensor, "B J 3"]) -> Float[Tensor, "B"]:
        """Lower where pose and points agree; it starts near 0."""
        return torch.einsum("bjc,jcd,bd->b", joints, self.weight, self.feature(points.flatten(1)))


def inputs_of(
    inputs: Inputs, points: Float[Tensor, "B J 2"], joints: Float[Tensor, "B J 3"]
) -> list[Float[Tensor, "B J _"]]:
    """What a network's first layer sees of each joint; with "bilinear" what each of two sees."""
    if inputs == "bilinear":
        return [points, joints]
    return [torch.cat([points, joints], dim=-1) if inputs == "early" else joints]


def check_poses(points: Tensor, joints: Tensor, *, count: int) -> None:
    """Refuse what is not points and a pose of J joints each.

    Raises:
        UsageError: Another number of joints, of coordinates, or axes that differ.
    """
    if points.shape[-2:] != (count, 2) or joints.shape[-2:] != (count, 3) or points.shape[:-1] != joints.shape[:-1]:
        raise UsageError(
            "energy", expected=f"points of {count} x 2 and joints of {count} x 3 with the same axes before",
            got=f"{tuple(points.shape)} and {tuple(joints.shape)}", fix="Give poses of the loss-net's skeleton.",
        )  # fmt: skip
