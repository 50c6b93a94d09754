"""What mmpose's top-down networks have in common: where to listen to them, and how their answers become a reading."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cape.errors import UsageError
from cape.models.readers.wholebody import mirrored, truth_of
from cape.structures import Evidence, Reading


class Heard(NamedTuple):
    """What went through a network's last layer for one view."""

    inputs: Tensor
    outputs: Tensor


class Seen(NamedTuple):
    """What one view tells, in its own order of keypoints: of a mirror image, left for right."""

    feature: Float[Tensor, "B C H W"]
    cues: Float[Tensor, "B K E"]
    """Without the network's own score, which comes from all views."""


def listen(
    network: Any, layer: nn.Module, inputs: Tensor, samples: Sequence[Any]
) -> tuple[Sequence[Any], tuple[Heard, ...]]:
    """A network's own answer, and what went through one of its layers meanwhile: once, or twice with the flip test.

    The network computes what it always does; the hook is gone afterwards, also after an error.
    """
    heard: list[Heard] = []

    def note(_: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> None:
        heard.append(Heard(given[0].detach(), found.detach().clone()))  # mmpose goes on to write into what comes out

    handle = layer.register_forward_hook(note)
    try:
        answer = network(inputs, samples, mode="predict")
    finally:
        handle.remove()
    return answer, tuple(heard)


def head_of(network: Any, *kinds: str) -> Any:
    """A network's head.

    Raises:
        UsageError: It is of none of these kinds, or tells of some of its keypoints alone.
    """
    head = getattr(network, "head", None)
    names = {each.__name__ for each in type(head).__mro__}
    if not names & set(kinds):
        raise UsageError(
            "network", expected=f"a network of mmpose with {' or '.join(kinds)}", got=type(head or network).__name__,
            fix="Choose the reader of its family, see `models.readers`.",
        )  # fmt: skip
    if network.test_cfg.get("output_keypoint_indices"):
        raise UsageError(
            "network", expected="all its keypoints in its answer", got="output_keypoint_indices",
            fix="Leave them out of test_cfg.",
        )  # fmt: skip
    return head


def convolution_of(layer: Any) -> nn.Module:
    """The last layer of a head of maps.

    Raises:
        UsageError: There is none, so that nothing lies before the heatmaps.
    """
    if not hasattr(layer, "in_channels"):
        raise UsageError(
            "network", expected="a head with a last convolution", got=type(layer).__name__,
            fix="Leave `final_layer` of the head as it is.",
        )  # fmt: skip
    return layer


def reading_of(network: Any, answer: Sequence[Any], seen: Sequence[Seen]) -> Reading:
    """What there is to judge an answer by.

    Args:
        network: Whose it is.
        answer: Its samples, with the truth.
        seen: Of the picture, and with the flip test of its mirror image.

    Raises:
        DataError: Samples without the truth.
    """
    like = seen[0].cues
    fields = truth_of(answer, like=like)
    score = np.stack([np.asarray(sample.pred_instances.keypoint_scores)[0] for sample in answer])
    score = torch.as_tensor(score, dtype=like.dtype, device=like.device)
    points = _in_crop(network, answer, fields[0])
    mirror = torch.as_tensor(np.asarray(answer[0].metainfo["flip_indices"]), device=like.device) if seen[1:] else None
    nothing, mask = like.new_zeros(*score.shape, 0), torch.ones_like(score, dtype=torch.bool)
    evidence = []
    for feature, cues in seen:
        known = Evidence(nothing, feature, points, score[..., None], mask)
        if evidence and mirror is not None:
            known = mirrored(known, mirror)
        evidence.append(known._replace(cues=torch.cat([known.cues, cues], dim=-1)))
    return Reading(answer, tuple(evidence), *fields, mirror=mirror)


def _in_crop(network: Any, answer: Sequence[Any], points: Float[Tensor, "B K 2"]) -> Float[Tensor, "B K 2"]:
    """Pixels of the pictures to the crop frame; where heatmaps were read, cells lie where ours do."""
    rows = [[np.asarray(sample.metainfo[f"input_{name}"]) for name in ("center", "scale")] for sample in answer]
    centre, scale = (torch.as_tensor(np.stack(each)).to(points)[:, None] for each in zip(*rows, strict=True))
    share = (points - centre + scale / 2) / scale
    head = network.head
    size = getattr(head.decoder, "heatmap_size", getattr(head, "heatmap_size", None))
    if size is None:
        return share
    # UDP has the first and the last cell on the borders of the input, the others cell i of n at i / n
    cells = points.new_tensor(size)
    steps = cells - 1 if type(head.decoder).__name__ == "UDPHeatmap" else cells
    return (share * steps + 0.5) / cells


def crop_size(answer: Sequence[Any], *, like: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
    """Logarithm of a crop's side in pixels of the picture, that of a square of its area."""
    scale = np.stack([np.asarray(sample.metainfo["input_scale"], dtype=np.float64) for sample in answer])
    size = np.log(np.maximum(scale, 1.0)).mean(axis=1)
    return torch.as_tensor(size, dtype=like.dtype, device=like.device)[:, None].expand_as(like)
