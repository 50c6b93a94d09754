"""Decision-level fusion (DLF): how much the answer of each branch counts."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape.registry import MODELS
from cape.structures import Match

Rule = Literal["gate", "mean", "confidence"]


@MODELS.register_module()
class Decision(nn.Module):
    """Weights of two branches, keypoint by keypoint (specification §4.2, §4.4).

    The paper says that the branches are combined adaptively, and not how. The plain mean lies between two places where
    the branches disagree, and can be worse than the better of them.

    Args:
        width: D.
        rule: "gate" learns the weight from the tokens of both branches and from how peaked and how spread their
            similarity maps are; it starts as the mean. "confidence" weighs by the peaks, without parameters; "mean"
            by nothing.
        temperature: Of "confidence": weights go as peak^(1 / temperature). Towards 0 the more certain branch decides.
        tokens: The gate reads the tokens, not the similarity maps alone.
    """

    def __init__(self, *, width: int = 256, rule: Rule = "gate", temperature: float = 0.5, tokens: bool = True) -> None:
        super().__init__()
        self.rule, self.temperature, self.tokens = rule, temperature, tokens
        self.gate = nn.Linear(2 * (width * tokens + 2), 1) if rule == "gate" else None
        if self.gate is not None:
            nn.init.zeros_(self.gate.weight)
            nn.init.zeros_(self.gate.bias)

    def forward(self, matches: Sequence[Match], present: Bool[Tensor, "B V K"]) -> Float[Tensor, "B V K"]:
        """Weights that sum to 1 over the branches that have a token for a keypoint; 0 where none has.

        Args:
            matches: Of both branches.
            present: Which keypoints each branch has a token for.
        """
        logits = torch.zeros_like(present, dtype=matches[0].tokens.dtype)
        if self.rule == "confidence":
            logits = torch.stack([_certainty(match)[..., 0] for match in matches], dim=1) / self.temperature
        if self.gate is not None:
            seen = [_certainty(match) for match in matches] + [match.tokens for match in matches if self.tokens]
            towards_second = self.gate(torch.cat(seen, dim=-1))[..., 0]  # [B, K]
            logits = torch.stack([torch.zeros_like(towards_second), towards_second], dim=1)

        # A keypoint that no branch knows gets no weight instead of equal ones
        known = present.any(dim=1, keepdim=True)
        return logits.masked_fill(~present & known, float("-inf")).softmax(dim=1) * known


def _certainty(match: Match) -> Float[Tensor, "B K 2"]:
    """Logarithm of the peak of a similarity map, and minus its entropy: both 0 at best, about -log HW at worst."""
    log = match.similarity.flatten(-2).log_softmax(dim=-1)
    return torch.stack([log.amax(dim=-1), (log.exp() * log).sum(dim=-1)], dim=-1)


def mixed(matches: Sequence[Match], weights: Float[Tensor, "B V K"]) -> Match:
    """One match out of several, for a decoder that all branches share; the picture counts by the mean weight."""
    each = torch.stack
    keypoints = weights.transpose(0, 1)[..., None]  # [V, B, K, 1]
    share = weights.sum(dim=-1)
    share = (share / share.sum(dim=1, keepdim=True).clamp_min(1e-6)).T[..., None, None]  # [V, B, 1, 1]
    return Match(
        feature=(share * each([match.feature for match in matches])).sum(dim=0),
        position=matches[0].position,
        tokens=(keypoints * each([match.tokens for match in matches])).sum(dim=0),
        similarity=(keypoints[..., None] * each([match.similarity for match in matches])).sum(dim=0),
        expected=(keypoints * each([match.expected for match in matches])).sum(dim=0),
        proposals=(keypoints * each([match.proposals for match in matches])).sum(dim=0),
    )
