"""VideoPose3D: dilated temporal convolutions."""

from collections.abc import Sequence
from math import prod

from jaxtyping import Float
from torch import Tensor, nn

from cape.errors import UsageError
from cape.models.lifters.windows import check_points, check_root, insert_root, pad_edges
from cape.registry import MODELS


@MODELS.register_module()
class VideoPose(nn.Module):
    """Pavllo et al., "3D human pose estimation in video with temporal convolutions", CVPR 2019 (specification §5).

    SEAL-pose uses it on single frames: five widths of 1, 8,494,131 parameters at 17 joints. The full net,
    `widths=(3, 3, 3, 3, 3)`, sees 243 frames and has 16,952,371. Not causal.

    A sequence is extended by its first and last frame, (frames - 1) / 2 times at each end, so that T frames give T.

    Args:
        joints: J.
        root: The joint that is not predicted and comes out as 0; None: all are predicted, as the official code does.
        widths: Of the convolutions, each odd; the receptive field is their product.
        channels: Of the hidden layers.
        dropout: Rate after each hidden layer.

    Attributes:
        frames: The receptive field.

    Raises:
        UsageError: No width, or one that is not odd; a root that is no joint.
    """

    def __init__(
        self,
        *,
        joints: int = 17,
        root: int | None = None,
        widths: Sequence[int] = (1, 1, 1, 1, 1),
        channels: int = 1024,
        dropout: float = 0.25,
    ) -> None:
        super().__init__()
        if not widths or not all(width % 2 == 1 and width > 0 for width in widths):
            raise UsageError("VideoPose widths", expected="odd numbers", got=str(list(widths)), fix="Use 1 or 3.")
        check_root("VideoPose", root, joints)
        self.joints, self.root, self.frames = joints, root, prod(widths)
        self.first = _Layer(2 * joints, channels, width=widths[0], dropout=dropout)
        self.blocks = nn.ModuleList(
            _Block(channels, width=width, dilation=prod(widths[:place]), dropout=dropout)
            for place, width in enumerate(widths[1:], start=1)
        )
        self.last = nn.Conv1d(channels, 3 * (joints - (root is not None)), 1)

    def forward(self, points: Float[Tensor, "B T J 2"]) -> Float[Tensor, "B T J 3"]:
        """Metres relative to the root, of every frame.

        Raises:
            UsageError: As `check_points`.
        """
        check_points("VideoPose", points, self.joints)
        reach = self.frames // 2
        hidden = self.first(pad_edges(points, reach, reach).flatten(2).transpose(1, 2))  # [B, channels, T + ...]
        for block in self.blocks:
            hidden = block(hidden)
        joints = self.last(hidden).transpose(1, 2).unflatten(2, (-1, 3))  # [B, T, J or J - 1, 3]
        return joints if self.root is None else insert_root(joints, self.root)


class _Layer(nn.Module):
    def __init__(self, before: int, after: int, *, width: int = 1, dilation: int = 1, dropout: float) -> None:
        super().__init__()
        self.maps = nn.Conv1d(before, after, width, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(after)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Float[Tensor, "B C T"]) -> Float[Tensor, "B E _"]:
        return self.dropout(self.norm(self.maps(hidden)).relu())


class _Block(nn.Module):
    """A dilated convolution and one of width 1, around which the middle of the frames is carried on."""

    def __init__(self, channels: int, *, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.reach = dilation * (width // 2)
        self.wide = _Layer(channels, channels, width=width, dilation=dilation, dropout=dropout)
        self.narrow = _Layer(channels, channels, dropout=dropout)

    def forward(self, hidden: Float[Tensor, "B C T"]) -> Float[Tensor, "B C _"]:
        kept = hidden[..., self.reach : hidden.shape[-1] - self.reach]
        return kept + self.narrow(self.wide(hidden))
