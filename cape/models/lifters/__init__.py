"""Lifters: from two dimensions to three (SEAL-pose's pose-nets, specification §5).

lifter: `forward(points [B, T, J, 2]) -> [B, T, J, 3]`, screen coordinates to metres relative to the root, both as in
    `structures.Lift`. As many frames come out as went in, and T may be any number from 1 on. The attribute
    `frames: int` is the receptive field, how many frames one output frame looks at:

    - `frames == 1` (SimpleBaseline, SemGCN, VideoPose with widths of 1): each frame for itself.
    - a net of temporal convolutions (VideoPose) repeats the first and the last frame (frames - 1) / 2 times each, as
      VideoPose3D does; frame t of the output is what the published net says of the window around t. To train it as
      published, give windows of T = frames and let the mask of `Lift` be True at the centre alone.
    - a net of fixed length (MixSTE) cuts T into windows of `frames`; the last is filled up by repeating its last frame.

    The attribute `joints: int` is J. Points of another J, or of no frame, are a UsageError; that they are finite is
    checked where data are read and not in a forward. No lifter pins the root at 0 unless it says so (SimpleBaseline
    with `root`): metrics and losses subtract it on both sides, or do not, as their own docstrings say.
"""

from cape.models.lifters.foreign import ForeignLifter
from cape.models.lifters.mixste import MixSTE
from cape.models.lifters.nearest import NearestPose
from cape.models.lifters.recentred import Recentred
from cape.models.lifters.semgcn import SemGCN
from cape.models.lifters.simple_baseline import SimpleBaseline
from cape.models.lifters.videopose import VideoPose

__all__ = ["ForeignLifter", "MixSTE", "NearestPose", "Recentred", "SemGCN", "SimpleBaseline", "VideoPose"]
