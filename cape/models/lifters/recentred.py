"""A lifter that sees people where they stand, not where the picture has them."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cape.errors import UsageError
from cape.models.lifters.windows import check_points
from cape.registry import MODELS

_SMALLEST = 1e-6


@MODELS.register_module()
class Recentred(nn.Module):
    """Any lifter, given keypoints relative to the root of each frame and of one size.

    Not SEAL-pose's, whose lifters take screen coordinates: those hold how far away and where in the picture a person
    stands, which few cameras teach wrongly. What is lost is the direction that the person is seen from, unless `focal`
    is known.

    Args:
        lifter: The lifter, or its config.
        root: The joint, or joints, that the keypoints become relative to.
        scale: Divide by the root mean square of the keypoints in the window, too.
        focal: Focal length in screen units. The keypoints are then what a camera that looks straight at the root would
            see, and the joints are turned back by as much: nothing is lost. The camera's centre is taken to be the
            picture's. None: keypoints are moved alone.
        unit: Metres that an output of 1 means. Lifters start with outputs of about 1 and more, a body's parts are some
            tenths of a metre apart: with 0.1 a tenth as many steps are spent on forgetting the start.

    Raises:
        UsageError: A focal length or unit that is not positive.

    Attributes:
        frames: The lifter's; with `scale` the size is that of the whole window that is given, whatever its length.
    """

    def __init__(
        self,
        *,
        lifter: nn.Module | dict[str, Any],
        root: tuple[int, ...] = (0,),
        scale: bool = True,
        focal: float | None = None,
        unit: float = 1.0,
    ) -> None:
        super().__init__()
        if not (unit > 0 and (focal is None or focal > 0)):
            got = f"focal {focal}, unit {unit}"
            raise UsageError("Recentred", expected="positive numbers", got=got, fix="Say focal=None, unit=1.")
        self.lifter: nn.Module = MODELS.build(lifter) if isinstance(lifter, dict) else lifter
        self.joints, self.frames = _sizes(self.lifter)
        self.root, self.scale, self.focal, self.unit = tuple(root), scale, focal, unit

    def forward(self, points: Float[Tensor, "B T J 2"]) -> Float[Tensor, "B T J 3"]:
        """Metres relative to the root.

        Raises:
            UsageError: As `check_points`.
        """
        check_points("Recentred", points, self.joints)
        turning = None
        if self.focal is not None:
            points, turning = self._faced(points, self.focal)
        points = points - points[:, :, list(self.root)].mean(dim=2, keepdim=True)
        if self.scale:
            size = points.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
            points = points / size.clamp_min(_SMALLEST)
        joints = self.unit * self.lifter(points)
        return joints if turning is None else joints @ turning

    def _faced(
        self, points: Float[Tensor, "B T J 2"], focal: float
    ) -> tuple[Float[Tensor, "B T J 2"], Float[Tensor, "B T 3 3"]]:
        """What a camera sees that is turned towards the root, and its rotation: `turned = joints @ rotation.T`."""
        rays = torch.cat([points / focal, torch.ones_like(points[..., :1])], dim=-1)
        ahead = torch.nn.functional.normalize(rays[:, :, list(self.root)].mean(dim=2), dim=-1)
        x, _, z = ahead.unbind(-1)
        level = (x.square() + z.square()).sqrt()  # at least z, which is positive
        zero = torch.zeros_like(x)
        right = torch.stack([z / level, zero, -x / level], dim=-1)
        rotation = torch.stack([right, torch.linalg.cross(ahead, right), ahead], dim=-2)
        turned = rays @ rotation.transpose(-1, -2)
        return turned[..., :2] / turned[..., 2:].clamp_min(_SMALLEST), rotation


def _sizes(lifter: nn.Module) -> tuple[int, int]:
    """J and the receptive field of a lifter.

    Raises:
        UsageError: It is none.
    """
    joints, frames = getattr(lifter, "joints", None), getattr(lifter, "frames", None)
    if not isinstance(joints, int) or not isinstance(frames, int):
        raise UsageError(
            "Recentred lifter", expected="a lifter, with `joints` and `frames`", got=type(lifter).__name__,
            fix="Wrap a foreign module in ForeignLifter first.",
        )  # fmt: skip
    return joints, frames
