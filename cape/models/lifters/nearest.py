"""The nearest-neighbour lifter: a baseline without learning."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cape.errors import UsageError
from cape.models.lifters.windows import check_points
from cape.registry import MODELS

Comparison = Literal["screen", "root", "shape"]


@MODELS.register_module()
class NearestPose(nn.Module):
    """Answers the 3D of the known pose whose 2D is closest: what a lifter must beat to have learned anything.

    Empty until `remember` gives it poses, which its state dict does not hold.

    Args:
        joints: J.
        root: The joint, or joints, that 2D is made relative to.
        comparison: "screen": distances between keypoints as they are; "root": relative to the root; "shape": relative
            to the root and divided by their root mean square, so that the distance from the camera does not matter.
        chunk: How many poses are compared with all known ones at a time; memory grows with it.
    """

    frames = 1

    def __init__(
        self,
        *,
        joints: int = 17,
        root: tuple[int, ...] = (0,),
        comparison: Comparison = "shape",
        chunk: int = 512,
    ) -> None:
        super().__init__()
        self.joints, self.root, self.chunk = joints, root, chunk
        self.comparison: Comparison = comparison
        self.register_buffer("keys", torch.empty(0, 2 * joints), persistent=False)
        self.register_buffer("poses", torch.empty(0, joints, 3), persistent=False)
        self.keys: Tensor
        self.poses: Tensor

    def remember(self, points: Float[Tensor, "N J 2"], joints: Float[Tensor, "_ J 3"]) -> None:
        """Know these poses, and no others.

        Args:
            points: Screen coordinates.
            joints: Metres relative to the root.

        Raises:
            UsageError: As `check_points`; or there are not as many 3D as 2D poses.
        """
        check_points("NearestPose", points[None], self.joints)
        if len(points) != len(joints):
            raise UsageError(
                "NearestPose", expected=f"{len(points)} poses in 3D, as in 2D", got=str(len(joints)), fix="Give pairs."
            )
        self.keys, self.poses = self._key(points), joints

    def forward(self, points: Float[Tensor, "B T J 2"]) -> Float[Tensor, "B T J 3"]:
        """Metres relative to the root, each frame for itself.

        Raises:
            UsageError: As `check_points`; or nothing was remembered.
        """
        check_points("NearestPose", points, self.joints)
        if len(self.keys) == 0:
            raise UsageError("NearestPose", expected="known poses", got="none", fix="Call remember() first.")
        asked = self._key(points.flatten(0, 1))
        # |a - b|² = |a|² - 2 a·b + |b|², of which the first does not choose
        half = (self.keys**2).sum(dim=1) / 2
        chosen = torch.cat([(half - part @ self.keys.T).argmin(dim=1) for part in asked.split(self.chunk)])
        return self.poses[chosen].unflatten(0, points.shape[:2])

    def _key(self, points: Float[Tensor, "N J 2"]) -> Float[Tensor, "N _"]:
        if self.comparison != "screen":
            points = points - points[:, list(self.root)].mean(dim=1, keepdim=True)
        flat = points.flatten(1)
        if self.comparison == "shape":
            flat = flat / flat.pow(2).mean(dim=1, keepdim=True).sqrt().clamp_min(1e-8)
        return flat
