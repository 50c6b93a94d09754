"""SimCC head: a coordinate is a class, one bin of many along each axis."""

from jaxtyping import Float
from torch import Tensor, nn

from cape.registry import MODELS
from cape.structures import SimCC


@MODELS.register_module()
class SimCCHead(nn.Module):
    """Two linear layers, to the bins of x and to those of y (SimCC; RTMPose; specification §2.4).

    Args:
        width: D.
        bins: How many bins x and y have: the input's width and height, times the split ratio.
        bias: CIGPose's heads have one, RTMPose's none.
    """

    def __init__(self, *, width: int = 256, bins: tuple[int, int] = (384, 512), bias: bool = True) -> None:
        super().__init__()
        self.x, self.y = nn.Linear(width, bins[0], bias=bias), nn.Linear(width, bins[1], bias=bias)

    def forward(self, tokens: Float[Tensor, "B K D"]) -> SimCC:
        """Logits."""
        return SimCC(self.x(tokens), self.y(tokens))
