"""What a SimCC model's answer tells of itself: the embeddings that the bins are read off, and the bins."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from cape.codecs import simcc_points
from cape.errors import DataError
from cape.registry import MODELS
from cape.structures import Evidence, Reading, SimCC


@MODELS.register_module()
class WholeBodyReader(nn.Module):
    """Reads `WholeBodyPose`, CIGPose and RTMPose: tokens are what its head reads.

    Cues: the raw score, the highest probability of the bins, their spread along x and y in shares of the input, how
    confounded the keypoint is, and whether the intervention replaced it.
    """

    cues = 6

    def __init__(self) -> None:
        super().__init__()

    def forward(self, network: Any, inputs: Tensor, data_samples: Sequence[Any]) -> Reading:
        """One batch of crops, as mmpose packs it."""
        looked = network.look(inputs)
        points, score = simcc_points(looked.logits, split_ratio=network.split_ratio)
        points = points / points.new_tensor(network.size)
        told = self.cues_of(looked.logits, score, looked.confounders, looked.replaced, beta=network.beta)
        nothing, mask = inputs.new_zeros(len(inputs), 0, 1, 1), torch.ones_like(looked.replaced)
        evidence = [Evidence(tokens, nothing, points, told, mask) for tokens in looked.tokens]
        mirror = network.mirror if evidence[1:] else None
        evidence[1:] = [mirrored(each, network.mirror) for each in evidence[1:]]
        answer = network.answer(looked, data_samples)
        return Reading(answer, tuple(evidence), *truth_of(answer, like=points), mirror=mirror)

    @staticmethod
    def cues_of(
        logits: SimCC, score: Float[Tensor, "B K"], confounders: Tensor, replaced: Tensor, *, beta: float
    ) -> Float[Tensor, "B K E"]:
        """See the class."""
        told = [score]
        shares = [(beta * axis).softmax(dim=-1) for axis in logits]
        told.append(torch.minimum(*(share.amax(dim=-1) for share in shares)))
        for share in shares:
            bins = torch.linspace(0, 1, share.shape[-1], device=share.device)
            told.append((share @ bins.square() - (share @ bins).square()).clamp_min(1e-8).sqrt())
        return torch.stack([*told, confounders, replaced.to(score.dtype)], dim=-1)

    @staticmethod
    def width_of(network: Any) -> int:
        """D."""
        return network.embedding.project.out_features

    @staticmethod
    def channels_of(network: Any) -> int:
        """Its map is not read."""
        del network
        return 0

    @staticmethod
    def keypoints_of(network: Any) -> int:
        """K of its skeleton."""
        return len(network.skeleton)


def mirrored(evidence: Evidence, mirror: Int64[Tensor, "K"]) -> Evidence:
    """What is known of keypoints, in the order of the mirror image, and where they are there; the feature as it is."""
    tokens, feature, points, cues, mask = evidence
    there = torch.stack([1 - points[..., 0], points[..., 1]], dim=-1)
    return Evidence(*(each if each is feature else each[:, mirror] for each in (tokens, feature, there, cues, mask)))


def truth_of(
    samples: Sequence[Any], *, like: Tensor
) -> tuple[
    Float[Tensor, "B K 2"],
    Float[Tensor, "B K 2"],
    Float[Tensor, "B"],
    Bool[Tensor, "B K"],
    Bool[Tensor, "B K"],
    Int64[Tensor, "B"],
    Int64[Tensor, "B"],
]:
    """The fields of a `Reading` after its evidence, out of mmpose's samples: pixels of the pictures.

    What annotators did not label, the crop is taken not to show; people are one category.

    Args:
        samples: With `pred_instances`, and with the truth of people who were annotated.
        like: Gives dtype and device.

    Raises:
        DataError: They do not hold the truth, or that of another skeleton.
    """
    found, truth, labelled, area, ids = [], [], [], [], []
    try:
        for sample in samples:
            found.append(np.asarray(sample.pred_instances.keypoints)[0])
            truth.append(np.asarray(sample.gt_instances.keypoints)[0])
            labelled.append(np.asarray(sample.gt_instances.keypoints_visible)[0].reshape(len(truth[-1]), -1)[:, 0] > 0)
            area.append(float(np.asarray(sample.metainfo["area"])))
            ids.append(int(np.asarray(sample.metainfo["id"])))
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise DataError(
            "samples", expected="keypoints and area of annotated people", got=f"{type(error).__name__}: {error}",
            fix="Take annotated boxes, not detections.",
        ) from error  # fmt: skip
    points, places = (torch.as_tensor(np.stack(each), dtype=like.dtype, device=like.device) for each in (found, truth))
    if points.shape != places.shape:
        raise DataError(
            "samples", expected=f"{points.shape[1]} keypoints, as the network finds", got=str(places.shape[1]),
            fix="Take people of the network's skeleton.",
        )  # fmt: skip
    size = torch.as_tensor(np.sqrt(np.maximum(area, 1.0)), dtype=like.dtype, device=like.device)
    shown, rows = (torch.as_tensor(np.stack(each), device=like.device) for each in (labelled, ids))
    return points, places, size, shown, torch.ones_like(shown), torch.zeros_like(rows), rows
