"""The causal intervention module (CIM): what the picture confuses is replaced by what it is without it."""

import math
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape.errors import UsageError
from cape.registry import MODELS

Score = Literal["random", "supervised", "norm", "head"]


class Intervened(NamedTuple):
    """Keypoints after an intervention."""

    tokens: Float[Tensor, "B K D"]
    """F', Eq. 3."""
    chosen: Bool[Tensor, "B K"]
    """Those that were replaced."""


@MODELS.register_module()
class CausalIntervention(nn.Module):
    """Replaces the most confounded embeddings by canonical ones, do(F) (CIGPose, Eq. 3 and 8; specification §2.3).

    What is replaced passes no gradient back, and its canonical embedding gets all of it (Eq. 9). Who is replaced is
    decided without gradient. Equal scores are decided by the order of the keypoints.

    The page that owns this part makes the confounder score, 1 minus the peak of a distribution over places. Which
    distribution, `score` says, of a whole-body model:

        random      of initial predictors that never learn. The official code's, by omission: no loss reaches them.
        supervised  of initial predictors that learn the places from detached embeddings. The default.
        norm        no distribution: minus the embedding's length, which is what "random" comes down to. A control.
        head        of the final predictors, without an intervention.

    Args:
        width: D.
        keypoints: K of a learned table of canonical embeddings; None: they are given with each call.
        train: How many keypoints an instance are replaced in training; below 1: which share of those that exist.
        test: The same in evaluation. The official networks replace 1, which the paper does not say.
        threshold: Replace instead all whose score is higher (Table 9).
        score: See above.
        temperature: Of the distribution: its logits are multiplied by this (1 officially; the loss has 10).
        weight: λ of Eq. 6, the loss that keeps the keypoints that were not replaced where they were.

    Raises:
        UsageError: More keypoints are to be replaced than there are.
    """

    def __init__(
        self,
        *,
        width: int = 256,
        keypoints: int | None = None,
        train: float | int = 0.1,
        test: float | int = 1,
        threshold: float | None = None,
        score: Score = "supervised",
        temperature: float = 1.0,
        weight: float = 0.1,
    ) -> None:
        super().__init__()
        for name, count in (("train", train), ("test", test)):
            if count < 0 or (keypoints is not None and count > keypoints) or (count > 1 and count != int(count)):
                most = "a share, or a whole number" if keypoints is None else f"a share, or at most {keypoints}"
                raise UsageError(f"CausalIntervention {name}", expected=most, got=f"{count:g}", fix="Replace fewer.")
        self.train_count, self.test_count, self.threshold = train, test, threshold
        self.score: Score = score
        self.temperature, self.weight = temperature, weight
        self.canonical = None if keypoints is None else nn.Embedding(keypoints, width)
        if self.canonical is not None:
            nn.init.normal_(self.canonical.weight, std=0.01)

    def forward(
        self,
        tokens: Float[Tensor, "B K D"],
        score: Float[Tensor, "B K"],
        mask: Bool[Tensor, "B K"],
        canonical: Float[Tensor, "B K D"] | None = None,
    ) -> Intervened:
        """Tokens of which the most confounded are replaced.

        Args:
            tokens: F.
            score: Confounder score.
            mask: Keypoints that exist; no other is replaced.
            canonical: Z; None: the learned table.

        Raises:
            UsageError: No canonical embeddings.
        """
        if canonical is None:
            if self.canonical is None:
                raise UsageError("canonical", expected="embeddings", got="none", fix="Give them, or `keypoints`.")
            canonical = self.canonical.weight.expand_as(tokens)
        chosen = self.choose(score, mask)
        return Intervened(torch.where(chosen[..., None], canonical, tokens), chosen)

    @torch.no_grad()
    def choose(self, score: Float[Tensor, "B K"], mask: Bool[Tensor, "B K"]) -> Bool[Tensor, "B K"]:
        """Who is replaced: the n highest scores of each instance, or all above the threshold."""
        if self.threshold is not None:
            return mask & (score > self.threshold)
        count = self.train_count if self.training else self.test_count
        there = mask.sum(dim=1, keepdim=True)
        wanted = (there * count).ceil() if 0 < count < 1 else torch.full_like(there, int(count))
        order = score.masked_fill(~mask, -math.inf).argsort(dim=1, descending=True, stable=True)
        rank = order.argsort(dim=1)
        return mask & (rank < wanted)


@torch.no_grad()
def confounder_score(*logits: Float[Tensor, "B K _"], temperature: float = 1.0) -> Float[Tensor, "B K"]:
    """Eq. 2: 1 minus the mean of the peaks of the distributions that logits stand for, over the axes given.

    Uniform logits of W and H bins give 1 - (1/W + 1/H) / 2, one certain bin each gives 0.
    """
    peaks = [(temperature * each).softmax(dim=-1).amax(dim=-1) for each in logits]
    return 1 - torch.stack(peaks).mean(dim=0)
