"""SimpleBaseline: a multilayer perceptron on the joints of one frame."""

from jaxtyping import Float
from torch import Tensor, nn

from cape.models.lifters.windows import check_points, check_root, insert_root
from cape.registry import MODELS


@MODELS.register_module()
class SimpleBaseline(nn.Module):
    """Martinez et al., "A simple yet effective baseline for 3d human pose estimation", ICCV 2017 (specification §5).

    As published: 16 joints in, 15 out and a root of zeros, 4,288,557 parameters. SEAL-pose's large variant for
    MPI-INF-3DHP: `joints=17, root=None, width=2048, stages=3`, 25,382,963 parameters.

    Args:
        joints: J.
        root: The joint that is not predicted and comes out as 0; None: all are predicted.
        width: Of the hidden layers.
        stages: Residual blocks of two layers each.
        dropout: Rate after each hidden layer.

    Raises:
        UsageError: A root that is no joint.
    """

    frames = 1

    def __init__(
        self, *, joints: int = 16, root: int | None = 0, width: int = 1024, stages: int = 2, dropout: float = 0.5
    ) -> None:
        super().__init__()
        check_root("SimpleBaseline", root, joints)
        self.joints, self.root = joints, root
        self.first = _Layer(2 * joints, width, dropout)
        self.stages = nn.ModuleList(
            nn.Sequential(_Layer(width, width, dropout), _Layer(width, width, dropout)) for _ in range(stages)
        )
        self.last = nn.Linear(width, 3 * (joints - (root is not None)))
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)

    def forward(self, points: Float[Tensor, "B T J 2"]) -> Float[Tensor, "B T J 3"]:
        """Metres relative to the root, each frame for itself.

        Raises:
            UsageError: As `check_points`.
        """
        check_points("SimpleBaseline", points, self.joints)
        hidden = self.first(points.flatten(0, 1).flatten(1))  # [BT, width]
        for stage in self.stages:
            hidden = hidden + stage(hidden)
        joints = self.last(hidden).unflatten(1, (-1, 3))  # [BT, J or J - 1, 3]
        joints = joints if self.root is None else insert_root(joints, self.root)
        return joints.unflatten(0, points.shape[:2])


class _Layer(nn.Sequential):
    def __init__(self, before: int, after: int, dropout: float) -> None:
        super().__init__(nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU(), nn.Dropout(dropout))
