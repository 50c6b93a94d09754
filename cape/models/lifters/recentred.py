"""A lifter that sees people where they stand, not where the picture has them."""

from typing import Any

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
    stands, which few cameras teach wrongly. What is lost is the direction that the person is seen from.

    Args:
        lifter: The lifter, or its config.
        root: The joint, or joints, that the keypoints become relative to.
        scale: Divide by the root mean square of the keypoints in the window, too.

    Attributes:
        frames: The lifter's; with `scale` the size is that of the whole window that is given, whatever its length.
    """

    def __init__(self, *, lifter: nn.Module | dict[str, Any], root: tuple[int, ...] = (0,), scale: bool = True) -> None:
        super().__init__()
        self.lifter: nn.Module = MODELS.build(lifter) if isinstance(lifter, dict) else lifter
        self.joints, self.frames = _sizes(self.lifter)
        self.root, self.scale = tuple(root), scale

    def forward(self, points: Float[Tensor, "B T J 2"]) -> Float[Tensor, "B T J 3"]:
        """Metres relative to the root.

        Raises:
            UsageError: As `check_points`.
        """
        check_points("Recentred", points, self.joints)
        points = points - points[:, :, list(self.root)].mean(dim=2, keepdim=True)
        if self.scale:
            size = points.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
            points = points / size.clamp_min(_SMALLEST)
        return self.lifter(points)


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
