"""Decision-level fusion (DLF): the answers of two branches become one."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape.codecs import local_soft_argmax, soft_argmax
from cape.registry import MODELS
from cape.structures import Match

Rule = Literal["gate", "mean", "confidence", "pool"]


@MODELS.register_module()
class Decision(nn.Module):
    """How much each branch counts, keypoint by keypoint (specification §4.2, §4.4).

    The paper says that the branches are combined adaptively, and not how.

        gate        learns the weights from the tokens of both branches and from how peaked and how spread their maps
                    are; starts as the mean.
        mean        equal weights. Where the branches disagree the mean lies between them, where nothing is.
        confidence  weights go as the peak of the map, without parameters.
        pool        multiplies the two maps, each to a learned power, and asks for the place that both find likely: a
                    second best of one that the other confirms is found, as no average of two points finds it. Equal
                    weights then average what the decoders make of that place.

    Args:
        width: D.
        rule: See above.
        temperature: Of "confidence": weights go as peak^(1 / temperature). Towards 0 the more certain branch decides.
        tokens: The gate reads the tokens, not the similarity maps alone.
        powers: Start of the powers of "pool", for the visual and the text branch.
    """

    def __init__(
        self,
        *,
        width: int = 256,
        rule: Rule = "gate",
        temperature: float = 0.5,
        tokens: bool = True,
        powers: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        super().__init__()
        self.rule, self.temperature, self.tokens = rule, temperature, tokens
        self.gate = nn.Linear(2 * (width * tokens + 2), 1) if rule == "gate" else None
        if self.gate is not None:
            nn.init.zeros_(self.gate.weight)
            nn.init.zeros_(self.gate.bias)
        self.log_powers = nn.Parameter(torch.tensor(powers).log()) if rule == "pool" else None

    def forward(self, matches: Sequence[Match], present: Bool[Tensor, "B V K"]) -> tuple[Match, Float[Tensor, "B V K"]]:
        """One match out of several, and the weights: they sum to 1 over the branches that have a token for a keypoint.

        A keypoint that one branch alone has a token for is that branch's affair. One that neither has gets equal
        weights: its place means nothing, but lies inside the crop.

        Args:
            matches: Of both branches.
            present: Which keypoints each branch has a token for.
        """
        weights = self._weights(matches, present)
        match = _mixed(matches, weights)
        if self.log_powers is None:
            return match, weights
        log = torch.stack([each.similarity.flatten(-2).log_softmax(dim=-1) for each in matches], dim=1)
        asked = present | ~present.any(dim=1, keepdim=True)  # what neither has a token for is for both to guess
        power = torch.where(present.all(dim=1, keepdim=True), self.log_powers.exp()[:, None], 1.0) * asked
        pooled = (power[..., None] * log).sum(dim=1).view_as(match.similarity)
        return match._replace(
            similarity=pooled, expected=soft_argmax(pooled), proposals=local_soft_argmax(pooled)
        ), weights

    def _weights(self, matches: Sequence[Match], present: Bool[Tensor, "B V K"]) -> Float[Tensor, "B V K"]:
        logits = torch.zeros_like(present, dtype=matches[0].tokens.dtype)
        if self.rule == "confidence":
            logits = torch.stack([_certainty(match)[..., 0] for match in matches], dim=1) / self.temperature
        if self.gate is not None:
            seen = [_certainty(match) for match in matches] + [match.tokens for match in matches if self.tokens]
            towards_second = self.gate(torch.cat(seen, dim=-1))[..., 0]  # [B, K]
            logits = torch.stack([torch.zeros_like(towards_second), towards_second], dim=1)
        known = present.any(dim=1, keepdim=True)
        return torch.where(known, logits.masked_fill(~present & known, float("-inf")), 0.0).softmax(dim=1)


def _certainty(match: Match) -> Float[Tensor, "B K 2"]:
    """Logarithm of the peak of a similarity map, and minus its entropy: both 0 at best, about -log HW at worst."""
    log = match.similarity.flatten(-2).log_softmax(dim=-1)
    return torch.stack([log.amax(dim=-1), (log.exp() * log).sum(dim=-1)], dim=-1)


def _mixed(matches: Sequence[Match], weights: Float[Tensor, "B V K"]) -> Match:
    """The weighted average; the picture counts by the mean weight of its keypoints."""
    keypoints = weights.transpose(0, 1)[..., None]  # [V, B, K, 1]
    share = weights.sum(dim=-1)
    share = (share / share.sum(dim=1, keepdim=True).clamp_min(1e-6)).T[..., None, None]  # [V, B, 1, 1]
    feature, _, tokens, similarity, expected, proposals = map(_stacked, zip(*matches, strict=True))
    return Match(
        feature=(share * feature).sum(dim=0),
        position=matches[0].position,
        tokens=(keypoints * tokens).sum(dim=0),
        similarity=(keypoints[..., None] * similarity).sum(dim=0),
        expected=(keypoints * expected).sum(dim=0),
        proposals=(keypoints * proposals).sum(dim=0),
    )


def _stacked(each: tuple[Tensor, ...]) -> Tensor:
    return torch.stack(each)
