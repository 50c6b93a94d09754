"""The MLP loss-net."""

from jaxtyping import Float
from torch import Tensor, nn

from cape.models.energies.coupling import WIDTHS, Inputs, LocalTerm, check_poses, inputs_of
from cape.registry import MODELS


@MODELS.register_module()
class MLPEnergy(nn.Module):
    """A flat network of residual stages, without batch norm, which would couple samples (specification §3.2).

    4,287,489 parameters at J = 17 with its defaults, which are the official code's; the paper says 2,048 units and no
    dropout.

    Args:
        joints: J.
        width: Of the hidden layers.
        stages: Residual pairs of layers.
        dropout: After each hidden layer.
        inputs: See the folder.
    """

    def __init__(
        self, *, joints: int = 17, width: int = 1024, stages: int = 2, dropout: float = 0.5, inputs: Inputs = "early"
    ) -> None:
        super().__init__()
        self.joints = joints
        self.inputs: Inputs = inputs
        self.first = nn.ModuleList(_layer(each * joints, width, dropout) for each in WIDTHS[inputs])
        self.stages = nn.ModuleList(
            nn.Sequential(_layer(width, width, dropout), _layer(width, width, dropout)) for _ in range(stages)
        )
        self.last: nn.Module = nn.Bilinear(width, width, 1) if inputs == "bilinear" else nn.Linear(width, 1)
        self.local = LocalTerm(joints=joints, width=min(width, 256)) if inputs == "decomposed" else None

    def forward(self, points: Float[Tensor, "*B J 2"], joints: Float[Tensor, "*B J 3"]) -> Float[Tensor, "*B"]:
        """Energy of every pose.

        Raises:
            UsageError: Poses of another skeleton.
        """
        check_poses(points, joints, count=self.joints)
        axes = joints.shape[:-2]
        points, joints = points.reshape(-1, self.joints, 2), joints.reshape(-1, self.joints, 3)
        seen = inputs_of(self.inputs, points, joints)
        found = [self._descriptor(layer, each) for layer, each in zip(self.first, seen, strict=True)]
        energy = self.last(*found).squeeze(-1)
        if self.local is not None:
            energy = energy + self.local(points, joints)
        return energy.reshape(axes)

    def _descriptor(self, first: nn.Module, seen: Float[Tensor, "B J _"]) -> Float[Tensor, "B D"]:
        features = first(seen.flatten(1))
        for stage in self.stages:
            features = features + stage(features)
        return features


def _layer(before: int, after: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout))
