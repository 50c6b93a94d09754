"""Human pose with a fixed skeleton: CIGPose, and RTMPose, which it is without its two modules.

    picture ──▶ backbone ──▶ embedding ──▶ F ──▶ intervention ──▶ F' ──▶ graph ──▶ F'' ──▶ head ──▶ bins of x and y
                                           │    (do: canonical       (the same, on F: the observed path)
                                           └▶ initial ──▶ score       vectors)

The paper is "CIGPose: Causal Intervention Graph Neural Network for Whole-Body Pose Estimation". Pictures, samples and
predictions are mmpose's, so that its data sets, transforms and metrics work unchanged.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from cape import compat
from cape.codecs import simcc_points
from cape.data.skeletons import read_skeleton
from cape.errors import DataError, UsageError
from cape.losses import counterfactual_loss, simcc_loss
from cape.losses.simcc import Reduction
from cape.models.graphs.intervention import Intervened, confounder_score
from cape.models.layers import start_normal
from cape.registry import MODELS
from cape.structures import SimCC

Statistics = Literal["train", "kept"]
STRIDE = 32
PIXELS = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "bgr_to_rgb": True}


class Tested(NamedTuple):
    """What an evaluation sees of people."""

    logits: SimCC
    tokens: tuple[Float[Tensor, "B K D"], ...]
    """F'' of the picture, and with the flip test that of its mirror image, left and right exchanged back."""
    replaced: Bool[Tensor, "B K"]
    """By the intervention, in the picture as it is."""
    confounders: Float[Tensor, "B K"]


@MODELS.register_module()
class WholeBodyPose(BaseModel):
    """CIGPose (specification §2 to §4); RTMPose without `intervention` and `graph`.

    Args:
        skeleton: Keypoints, edges and groups: a name in `annotations/skeletons`, or a JSON file like those.
        size: Width and height of the input, multiples of 32.
        split_ratio: Bins a pixel.
        backbone: A network of one feature map at stride 32, mmpose's CSPNeXt with its options.
        embedding: `KeypointEmbedding`; keypoints and cells are filled in.
        intervention: `CausalIntervention`, which gets a table of canonical embeddings; None for none.
        graph: `HierarchicalGraph`, or another graph part; None for none.
        head: `SimCCHead`; the bins are filled in.
        observed_statistics: "train" is the official code's: the observed path has its own batch statistics and puts
            them into the running ones, too. "kept" leaves those to the intervened path.
        beta: Of the loss's softmaxes.
        reduction: Of the loss, see `simcc_loss`.
        flip_test: Evaluate the mirrored picture, too, and average the logits.

    Raises:
        UsageError: A size that is not a multiple of 32, or options that do not fit the skeleton.
        SkeletonError: The skeleton is not one.
    """

    adjacency: Tensor
    groups: Tensor
    mirror: Tensor

    def __init__(
        self,
        *,
        skeleton: str = "coco_wholebody",
        size: tuple[int, int] = (192, 256),
        split_ratio: float = 2.0,
        backbone: dict,
        embedding: dict,
        intervention: dict | None = None,
        graph: dict | None = None,
        head: dict | None = None,
        observed_statistics: Statistics = "train",
        beta: float = 10.0,
        reduction: Reduction = "mmpose",
        flip_test: bool = True,
    ) -> None:
        compat.load_mmpose()
        super().__init__(data_preprocessor={"type": "mmpose.PoseDataPreprocessor", **PIXELS})
        if any(side % STRIDE or side <= 0 for side in size):
            raise UsageError("size", expected=f"multiples of {STRIDE}", got=str(tuple(size)), fix="Say 192, 256.")
        self.size: tuple[int, int] = (size[0], size[1])
        self.split_ratio, self.flip_test = split_ratio, flip_test
        self.beta, self.reduction = beta, reduction
        self.observed_statistics: Statistics = observed_statistics
        self.skeleton = read_skeleton(skeleton)
        self._constant("adjacency", self.skeleton.adjacency()[None])
        self._constant("groups", self.skeleton.membership()[None])
        self._constant("mirror", self.skeleton.mirror())

        # Picture to embeddings
        keypoints, cells = len(self.skeleton), (size[0] // STRIDE, size[1] // STRIDE)
        self.backbone = MODELS.build(backbone)
        self.embedding = MODELS.build(
            {"type": "KeypointEmbedding", **embedding, "keypoints": keypoints, "cells": cells}
        )
        width = self.embedding.project.out_features

        # Embeddings to bins
        bins = {"width": width, "bins": (round(size[0] * split_ratio), round(size[1] * split_ratio))}
        table = {"type": "CausalIntervention", **(intervention or {}), "keypoints": keypoints, "width": width}
        self.intervention = MODELS.build(table) if intervention is not None else None
        self.graph: nn.Module | None = (
            MODELS.build({"type": "HierarchicalGraph", **graph, "width": width}) if graph is not None else None
        )
        self.head = MODELS.build({"type": "SimCCHead", **(head or {}), **bins})
        scored = None if self.intervention is None else self.intervention.score
        self.initial: nn.Module | None = (
            MODELS.build({"type": "SimCCHead", **bins}) if scored in ("random", "supervised") else None
        )
        for part in (self.embedding, self.graph, self.head, self.initial):
            start_normal(part if part is not None else nn.Identity())
        if self.initial is not None and scored == "random":
            self.initial.requires_grad_(False)

    def _constant(self, name: str, value: np.ndarray) -> None:
        self.register_buffer(name, torch.as_tensor(value), persistent=False)

    def forward(self, inputs: Tensor, data_samples: Sequence[Any] | None = None, mode: str = "tensor") -> Any:
        """The three modes of mmengine.

        Args:
            inputs: [B, 3, h, w], RGB, normalised.
            data_samples: mmpose's, with the targets of its SimCC codec for "loss", and the crop's place for "predict".
            mode: "tensor" gives the logits, "loss" a dict of losses, "predict" the samples with `pred_instances`.
        """
        if mode == "loss":
            return self.losses(self.embed(inputs), *_targets(data_samples or ()))
        if mode == "predict":
            return self.predict(inputs, data_samples or ())
        return self.place(self.intervene(self.embed(inputs)).tokens)

    def embed(self, images: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B K D"]:
        """F: what the picture says about each keypoint."""
        (feature,) = self.backbone(images)
        return self.embedding(feature)

    def intervene(self, tokens: Float[Tensor, "B K D"]) -> Intervened:
        """F', and which keypoints were replaced."""
        everywhere = torch.ones_like(tokens[..., 0], dtype=torch.bool)
        if self.intervention is None:
            return Intervened(tokens, ~everywhere)
        return self.intervention(tokens, self.confounders(tokens), everywhere)

    @torch.no_grad()
    def confounders(self, tokens: Float[Tensor, "B K D"]) -> Float[Tensor, "B K"]:
        """How confounded each keypoint is (Eq. 2), by the way that the intervention asks for."""
        if self.intervention is None or self.intervention.score == "norm":
            return -tokens.norm(dim=-1)
        logits = self.observe(tokens) if self.initial is None else self._first(self.initial, tokens)
        return confounder_score(*logits, temperature=self.intervention.temperature)

    def _first(self, initial: nn.Module, tokens: Float[Tensor, "B K D"]) -> SimCC:
        """Logits of the initial predictors.

        Those that learn see embeddings of unit scale. Nothing holds the scale of F, and behind one of 15 a linear layer
        with the others' learning rate swings to and fro.
        """
        learnt = self.intervention is not None and self.intervention.score == "supervised"
        return initial(functional.rms_norm(tokens, tokens.shape[-1:]) if learnt else tokens)

    def place(self, tokens: Float[Tensor, "B K D"]) -> SimCC:
        """F'' and its logits."""
        return self.head(self.refine(tokens))

    def refine(self, tokens: Float[Tensor, "B K D"]) -> Float[Tensor, "B K D"]:
        """F'': what keypoints say to each other."""
        return tokens if self.graph is None else self.graph(tokens, *self._structure(tokens))

    @torch.no_grad()
    def observe(self, tokens: Float[Tensor, "B K D"], statistics: Statistics = "kept") -> SimCC:
        """Logits without an intervention.

        Args:
            tokens: F.
            statistics: Of its batch normalisation, see `observed_statistics`.
        """
        if self.graph is None or statistics == "train":
            return self.place(tokens)
        # Batch normalisation writes into what it is given
        copies = {name: each.clone() for name, each in self.graph.named_buffers()}
        return self.head(functional_call(self.graph, copies, (tokens, *self._structure(tokens))))

    def _structure(self, tokens: Float[Tensor, "B K D"]) -> tuple[Bool[Tensor, "B K K"], Tensor, Tensor]:
        count = len(tokens)
        everywhere = torch.ones_like(tokens[..., 0], dtype=torch.bool)
        return self.adjacency.expand(count, -1, -1), everywhere, self.groups.expand(count, -1, -1)

    def losses(self, tokens: Float[Tensor, "B K D"], target: SimCC, weight: Float[Tensor, "B K"]) -> dict[str, Tensor]:
        """Places after the intervention (Eq. 5), consistency of what it left alone (Eq. 6), and what its score learns.

        Args:
            tokens: F.
            target: Of mmpose's SimCC codec.
            weight: 0 where a keypoint is not labelled.
        """
        options = {"beta": self.beta, "reduction": self.reduction}
        intervened, chosen = self.intervene(tokens)
        logits = self.place(intervened)
        losses = {"loss_keypoint": simcc_loss(logits, target, weight, **options)}
        if self.intervention is not None:
            stable = ~chosen & (weight > 0)
            agreement = counterfactual_loss(logits, self.observe(tokens, self.observed_statistics), stable)
            losses["loss_counterfactual"] = self.intervention.weight * agreement
            if self.initial is not None and self.intervention.score == "supervised":
                losses["loss_initial"] = simcc_loss(
                    self._first(self.initial, tokens.detach()), target, weight, **options
                )
        return losses

    @torch.no_grad()
    def predict(self, images: Float[Tensor, "B 3 h w"], samples: Sequence[Any]) -> Sequence[Any]:
        """Samples with `pred_instances`: points in pixels of their pictures, raw scores, and what was replaced.

        The mirrored picture makes its own interventions; what is kept is the upright one's.
        """
        return self.answer(self.look(images), samples)

    @torch.no_grad()
    def look(self, images: Float[Tensor, "B 3 h w"]) -> Tested:
        """What an evaluation sees; with the flip test logits are the mean of both views'."""
        tokens = self.embed(images)
        intervened, chosen = self.intervene(tokens)
        refined, score = self.refine(intervened), self.confounders(tokens)
        logits = self.head(refined)
        if not self.flip_test:
            return Tested(logits, (refined,), chosen, score)
        # The mirror image, turned back: bins from right to left, left and right exchanged
        mirrored = self.refine(self.intervene(self.embed(images.flip(-1))).tokens)[:, self.mirror]
        x, y = self.head(mirrored)
        both = zip(logits, SimCC(x.flip(-1), y), strict=True)
        return Tested(SimCC(*(torch.stack(pair).mean(dim=0) for pair in both)), (refined, mirrored), chosen, score)

    def answer(self, looked: Tested, samples: Sequence[Any]) -> Sequence[Any]:
        """The samples with what was seen of them; see `predict`."""
        points, scores = simcc_points(looked.logits, split_ratio=self.split_ratio)
        rows = (each.cpu().numpy() for each in (points, scores, looked.replaced, looked.confounders))
        for sample, *row in zip(samples, *rows, strict=True):
            sample.pred_instances = _instances(sample, *row, size=self.size)
        return samples


def _targets(samples: Sequence[Any]) -> tuple[SimCC, Tensor]:
    """The codec's labels of a batch; one person a sample."""
    labels = [sample.gt_instance_labels for sample in samples]
    try:
        x, y = (torch.cat([each[f"keypoint_{axis}_labels"] for each in labels]) for axis in "xy")
        weight = torch.cat([each["keypoint_weights"] for each in labels])
    except (KeyError, AttributeError, RuntimeError) as error:
        fix = "Keep GenerateTarget with SimCCLabel in the pipeline."
        raise DataError("samples", expected="SimCC labels", got=f"{type(error).__name__}: {error}", fix=fix) from error
    return SimCC(x, y), weight


def _instances(
    sample: Any, points: np.ndarray, scores: np.ndarray, chosen: np.ndarray, score: np.ndarray, *, size: tuple[int, ...]
) -> InstanceData:
    """One person, from the crop into the picture."""
    centre, scale = (np.asarray(sample.metainfo[f"input_{name}"]) for name in ("center", "scale"))
    return InstanceData(
        keypoints=(points / np.array(size) * scale + centre - scale / 2)[None],
        keypoint_scores=scores[None],
        keypoints_visible=scores[None],
        keypoints_replaced=chosen[None],
        keypoint_confounders=score[None],
        bboxes=sample.gt_instances.bboxes,
        bbox_scores=sample.gt_instances.bbox_scores,
    )
