"""Cross-modal alignment attention (CMAA): one token per keypoint out of a visual and a textual one."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape.registry import MODELS

Matrices = Literal["learned", "none"]
Pairing = Literal["bias", "hard", "none"]
Norm = Literal["affine", "plain", "none"]
Lead = Literal["visual", "text", "both"]


@MODELS.register_module()
class CMAA(nn.Module):
    """The paper's Eq. 1 to 4: `LN(a + γ softmax(a W_q (b W_k)ᵀ / √D) b W_v)`, a leading and b supporting.

    Attention treats the b tokens as a set: permuting the texts among the keypoints leaves the output as it is, so the
    literal formula throws the one-to-one correspondence away (specification §4.1). The pairing bias β·I on the logits
    restores it with one scalar: β = 0 is the literal form, β → ∞ is "hard", paired addition.

    The equations are (learned, none, affine); the parameter count of the paper's Table 5 implies (none, none, plain);
    our default is (learned, bias, affine). Keys are always masked: the paper does not, and padding swamps its softmax.

    Args:
        width: D.
        matrices: W_q, W_k, W_v "learned" (no biases) or "none".
        pairing: "bias" (learnable β), "hard" (each keypoint sees its own partner alone) or "none".
        norm: Layer norm "affine", "plain" (no parameters) or "none": then γ = 0 returns `a` bit for bit.
        lead: "visual" (Eq. 4), "text", or "both" (the mean of the two directions, sharing the matrices).
        gamma: Start of γ; 0 for plugging into a frozen visual model.
        beta: Start of β, about ln K + 3: from 0 it can learn "everyone but me", which breaks under bad supports.
    """

    def __init__(
        self,
        *,
        width: int = 256,
        matrices: Matrices = "learned",
        pairing: Pairing = "bias",
        norm: Norm = "affine",
        lead: Lead = "visual",
        gamma: float = 0.1,
        beta: float = 6.0,
    ) -> None:
        super().__init__()
        self.pairing, self.lead, self.scale = pairing, lead, width**-0.5
        maps = [nn.Linear(width, width, bias=False) if matrices == "learned" else nn.Identity() for _ in range(3)]
        self.query, self.key, self.value = maps
        self.gamma = nn.Parameter(torch.tensor(gamma))
        self.beta = nn.Parameter(torch.tensor(beta)) if pairing == "bias" else None
        self.norm = nn.Identity() if norm == "none" else nn.LayerNorm(width, elementwise_affine=norm == "affine")

    def forward(
        self,
        visual: Float[Tensor, "B K D"],
        text: Float[Tensor, "B K D"],
        visual_mask: Bool[Tensor, "B K"],
        text_mask: Bool[Tensor, "B K"],
    ) -> Float[Tensor, "B K D"]:
        """Aligned tokens. A keypoint without the leading modality keeps its other token."""
        if self.lead == "both":
            towards_visual = self._align(visual, text, visual_mask, text_mask)
            return (towards_visual + self._align(text, visual, text_mask, visual_mask)) / 2
        if self.lead == "visual":
            return self._align(visual, text, visual_mask, text_mask)
        return self._align(text, visual, text_mask, visual_mask)

    def _align(
        self,
        lead: Float[Tensor, "B K D"],
        other: Float[Tensor, "B K D"],
        lead_mask: Bool[Tensor, "B K"],
        other_mask: Bool[Tensor, "B K"],
    ) -> Float[Tensor, "B K D"]:
        # Logits between keypoints, with the pairing of Eq. 1's missing correspondence
        logits = self.query(lead) @ self.key(other).transpose(1, 2) * self.scale  # [B, K, K]
        own = torch.eye(lead.shape[1], dtype=torch.bool, device=lead.device)
        if self.beta is not None:
            logits = logits + self.beta * own
        closed = ~other_mask[:, None] | (~own if self.pairing == "hard" else torch.zeros_like(own))

        # A row without an open key attends to nothing instead of to everything
        weight = logits.masked_fill(closed, float("-inf")).softmax(dim=-1)
        weight = weight.masked_fill(closed.all(dim=-1, keepdim=True), 0.0)

        aligned = lead + self.gamma * (weight @ self.value(other))
        alone = (other_mask & ~lead_mask)[..., None]
        return self.norm(torch.where(alone, other, aligned))
