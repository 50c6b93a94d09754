"""What a lifter and its loss-net weigh and cost: parameters as SEAL-pose counts them (specification §3, §5), and MACs.

Multiply-accumulates are those of one frame, by torch's FLOP counter, halved, on the meta device: of a lifter of
sequences, a window of its receptive field divided by the frames that come out of it. What the loss-net costs is paid in
training alone, unless somebody asks for energies; in a training step it works several times, forward and back.
"""

from typing import NamedTuple

import torch
from torch import nn

from cape.counting import measure, require_meta
from cape.models.lifting import Lifting


class LiftingPart(NamedTuple):
    """The lifter, or the loss-net."""

    name: str
    kind: str
    parameters: int
    macs: int
    """Of one frame."""


class LiftingComplexity(NamedTuple):
    """Parameters and MACs of the page."""

    parts: tuple[LiftingPart, ...]
    joints: int
    frames: int
    """How many frames one output frame looks at."""
    views: int
    """2 where the mirrored points are lifted, too: the lifter runs twice then."""


def describe_lifting(model: nn.Module) -> LiftingComplexity:
    """Parameters and MACs of the lifter, and of the loss-net where there is one.

    Args:
        model: Built under `torch.device("meta")`.

    Raises:
        UsageError: Another kind of model, or one on a real device.
    """
    model = require_meta(model, Lifting)
    model.eval()
    joints, frames = len(model.skeleton), model.lifter.frames
    points = torch.zeros(1, frames, joints, 2, device="meta")
    poses, work = measure(model.lifter, {}, lambda: model.lifter(points))
    parts = [_part("lifter", model.lifter, work[""].true // frames)]
    if (critic := model.critic) is not None:
        _, work = measure(critic, {}, lambda: critic(points[0, :1], poses[0, :1], poses[0, :1]))
        parts.append(_part("loss-net", critic.energy, work[""].true))
    return LiftingComplexity(tuple(parts), joints, frames, 1 + model.flip_test)


def _part(name: str, module: nn.Module, macs: int) -> LiftingPart:
    count = sum(each.numel() for each in module.parameters())
    return LiftingPart(name, type(module).__name__, count, macs)
