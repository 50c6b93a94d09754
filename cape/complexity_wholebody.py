"""What a whole-body model weighs and costs, part by part, in two conventions (CIGPose; specification §7).

*True.* The parameters that are there, and the multiply-accumulates (MACs) of all products: torch's FLOP counter,
halved.

*Paper.* What the tables of "CIGPose: Causal Intervention Graph Neural Network for Whole-Body Pose Estimation" count,
which is what the official code holds and does:

- Its head inherits RTMPose's, whose norm, linear layer and bins it keeps without using them: L d + 1 + d (W + H)
  parameters more, and nothing to compute.
- It has the predictors of the confounder score, which only two of our four scores need, and they run.
- Its EdgeConv multiplies once an edge, by a matrix of 2 d x d; ours twice a keypoint (or group), by d x d.
- Its "GFLOPs" are MACs by mmengine's counter, which adds 2 for each number that a batch norm makes and 1 for each
  that an average pooling takes. With these the published 2.3, 4.6, 10.7 and 18.7 come out, without them not all do.

RTMPose, which is this page without intervention and graph, has none of the first three.

All is counted for one person in one view. The backbone and the embeddings run on the meta device, without values. A
skeleton's list of edges is a value: what comes after the embeddings runs on the CPU, with zeros for weights.
"""

import copy
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cape.counting import measure, require_meta
from cape.models.graphs.hierarchical import EdgeConv
from cape.models.wholebody import WholeBodyPose

PARTS = ("backbone", "embedding", "intervention", "initial", "graph", "head")
"""The page's children, in the order of their work."""
UNUSED = "unused"
"""The row of what the official head keeps of RTMPose's."""


class WholeBodyPart(NamedTuple):
    """One part of a model; sums of them are parts too."""

    name: str
    parameters: int = 0
    frozen: int = 0
    """Those of the parameters that are not trained."""
    macs: int = 0
    paper_parameters: int = 0
    paper_macs: int = 0
    """The products of the official code."""
    paper_flops: int = 0
    """With what mmengine's counter adds."""


class WholeBodyComplexity(NamedTuple):
    """Parameters and MACs of a model for one person in one view."""

    parts: tuple[WholeBodyPart, ...]
    keypoints: int
    size: tuple[int, ...]
    """Width and height of the input."""
    views: int
    """2 where the mirrored picture is evaluated, too: everything runs twice then."""

    def total(self) -> WholeBodyPart:
        """Sum over the parts."""
        figures: list[tuple[int, ...]] = [part[1:] for part in self.parts]
        return WholeBodyPart("total", *(sum(column) for column in zip(*figures, strict=True)))


def describe_whole_body(model: nn.Module) -> WholeBodyComplexity:
    """Parameters and MACs of every part: backbone, embedding, intervention, initial, graph and head.

    Args:
        model: Built under `torch.device("meta")`.

    Raises:
        UsageError: Another kind of model, or one on a real device.
    """
    model = require_meta(model, WholeBodyPose)
    model.eval()
    work, official = _work(model), _official(model)
    parts = []
    for name in (*PARTS, UNUSED):
        module, extra = getattr(model, name, None), official.get(name, WholeBodyPart(name))
        weights = [] if module is None else list(module.parameters())
        count = sum(each.numel() for each in weights)
        macs, products, flops = work.get(name, (0, 0, 0))
        part = WholeBodyPart(
            name,
            parameters=count,
            frozen=sum(each.numel() for each in weights if not each.requires_grad),
            macs=macs,
            paper_parameters=count + extra.paper_parameters,
            paper_macs=products + extra.paper_macs,
            paper_flops=flops + extra.paper_flops,
        )
        parts += [part] if any(part[1:]) else []
    return WholeBodyComplexity(tuple(parts), len(model.skeleton), model.size, 1 + model.flip_test)


def _official(model: WholeBodyPose) -> dict[str, WholeBodyPart]:
    """What the official code has besides."""
    cells, width = model.embedding.project.in_features, model.embedding.project.out_features
    bins = model.head.x.out_features + model.head.y.out_features
    found = {}
    if model.intervention is not None:
        count = 0 if model.initial is not None else width * bins + bins
        macs = len(model.skeleton) * width * bins
        found["initial"] = WholeBodyPart("initial", paper_parameters=count, paper_macs=macs, paper_flops=macs)
    if model.intervention is not None or model.graph is not None:
        found[UNUSED] = WholeBodyPart(UNUSED, paper_parameters=cells * width + 1 + width * bins)
    return found


def _work(model: WholeBodyPose) -> dict[str, tuple[int, int, int]]:
    """Of each part: true MACs, the official code's where it has the part and runs it, and those with additions."""
    rules = (_official_products, _additions)
    with torch.device("meta"):
        image = torch.zeros(1, 3, *reversed(model.size))
        _, seen = measure(model, _parts(model), lambda: model.embed(image), rules)
    rest = _after_embedding(model)
    tokens = torch.zeros(1, len(model.skeleton), model.embedding.project.out_features)
    _, placed = measure(rest, _parts(rest), lambda: rest.place(tokens), rules)
    found = {
        name: (true, true + products, true + products + more)
        for name, (true, (products, more)) in [*seen.items(), *placed.items()]  # no part runs in both
    }
    if model.intervention is not None:
        # The score "head" runs graph and head once more; the official predictors stand in `_official`
        _, scored = measure(rest, _parts(rest), lambda: rest.confounders(tokens))
        for name, work in scored.items():
            macs, products, flops = found.get(name, (0, 0, 0))
            found[name] = (macs + work.true, products, flops)
    return found


def _parts(model: WholeBodyPose) -> dict[str, nn.Module]:
    return {name: module for name, module in model.named_children() if name in PARTS}


def _after_embedding(model: WholeBodyPose) -> WholeBodyPose:
    """The page from F on, on the CPU: zeros for weights, and its skeleton."""
    rest = copy.deepcopy(model)
    del rest.backbone, rest.embedding
    rest.to_empty(device="cpu")
    with torch.no_grad():
        for each in chain(rest.parameters(), rest.buffers()):
            each.zero_()
    rest.adjacency.copy_(torch.from_numpy(model.skeleton.adjacency()))
    rest.groups.copy_(torch.from_numpy(model.skeleton.membership()))
    return rest


def _official_products(module: nn.Module, given: tuple, output: Any) -> int:
    """What the official code multiplies more than is multiplied here."""
    if not isinstance(module, EdgeConv):
        return 0
    (_, edges), width = given, output.shape[1]
    return 2 * width**2 * (edges.shape[1] - len(output))


def _additions(module: nn.Module, given: tuple, output: Any) -> int:
    """What mmengine's counter books besides products."""
    if isinstance(module, _BatchNorm):
        return (2 if module.affine else 1) * output.numel()
    return given[0].numel() if isinstance(module, nn.AdaptiveAvgPool2d) else 0
