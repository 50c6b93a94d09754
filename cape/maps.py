"""Where a few-shot model looks: similarity and cross-attention maps of its branches on a query picture (Fig. 8)."""

from contextlib import ExitStack
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from cape.models.fewshot import FewShotPose
from cape.models.heads.keypoint_decoder import recorded_attention
from cape.structures import Episode, Found, View


class BranchMaps(NamedTuple):
    """What one branch makes of a query picture. Each map sums to 1 over its cells."""

    name: str
    """What it knows: "picture", "text", or "picture + text"."""
    similarity: Float[Tensor, "B K H W"]
    """Softmax of the similarity of matching, as its soft-argmax reads it."""
    attention: Float[Tensor, "L B K H W"]
    """Cross-attention of each decoder layer, mean over heads. Branches that share a decoder have the same."""
    points: Float[Tensor, "B K 2"]
    """What the branch alone says, crop frame."""


def branch_maps(model: FewShotPose, episode: Episode) -> tuple[Found, list[BranchMaps]]:
    """Run a model on a batch of episodes and keep its maps.

    Args:
        model: In evaluation mode, or it is put there.
        episode: Collated.

    Returns:
        What the model finds, the same as without recording, and the maps of its branches.
    """
    model.eval()
    device = next(model.parameters()).device
    support, query = (View(*(field.to(device) for field in view)) for view in (episode.support, episode.query))
    decoders = [model.decoder, model.text_decoder or model.decoder][: 1 if model.decision is None else 2]
    with torch.inference_mode(), ExitStack() as stack:
        recorded = [stack.enter_context(recorded_attention(decoder)) for decoder in decoders]
        tokens = model.prompt(support, episode.names, episode.mask.to(device), episode.mirror.to(device))
        found = model.locate(model.visual(query.image), tokens, episode.adjacency.to(device), episode.parts.to(device))
    known = [name for name, part in (("picture", model.support), ("text", model.text)) if part is not None]
    names = known if model.decision is not None else [" + ".join(known)]
    maps = []
    for name, branch, decoder, weights in zip(names, found.branches, decoders, recorded, strict=True):
        logits = branch.match.similarity
        similarity = logits.flatten(-2).softmax(dim=-1).view_as(logits)
        own = weights[: len(decoder.layers)]  # with pooled maps a second pass follows, from the common proposal
        attention = torch.stack(own).unflatten(-1, logits.shape[-2:])
        maps.append(BranchMaps(name, similarity, attention, branch.points[-1]))
    return found, maps
