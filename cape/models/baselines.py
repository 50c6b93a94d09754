"""Training-free baselines: what any trained model has to beat.

    copy      the support pose, pasted into the query's crop,
    center    the middle of the crop for every keypoint,
    nearest   the arg-max of the cosine similarity of backbone features,
    align     nearest, under a prior at the robust affine fit of all matches (`models.affine`).

Each is a module `forward(support, feature) -> points [B, K, 2]` in the query's crop frame. None sees which keypoints
the query shows. A keypoint that no support shows gets some finite point: it is never scored.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape.codecs import cell_centres
from cape.errors import PromptError
from cape.models.affine import FitSettings, robust_prior


class Support(NamedTuple):
    """The support sets of B pairs."""

    points: Float[Tensor, "B S K 2"]
    """Crop frame."""
    visible: Bool[Tensor, "B S K"]
    feature: Float[Tensor, "B S C H W"] | None
    """Unit-length backbone features (`VisualEncoder(unit_length=True)`); None for the baselines without pictures."""


class Copy(nn.Module):
    """Mean of the normalised support poses, over the shots that show a keypoint."""

    needs_pictures = False

    def forward(self, support: Support, feature: Tensor | None = None) -> Float[Tensor, "B K 2"]:
        """Points of the query; `feature` is not looked at."""
        del feature
        check_support(support)
        return _over_shots(support.points, support.visible)


class Center(nn.Module):
    """The middle of the crop: how far a guess without any information gets."""

    needs_pictures = False

    def forward(self, support: Support, feature: Tensor | None = None) -> Float[Tensor, "B K 2"]:
        """Points of the query; neither argument is looked at."""
        del feature
        check_support(support)
        return torch.full_like(support.points[:, 0], 0.5)


class Nearest(nn.Module):
    """Arg-max of the cosine similarity between each keypoint's support feature and the query's."""

    needs_pictures = True
    maps = 1
    """Similarity maps held at once for each shot and keypoint."""

    def forward(self, support: Support, feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K 2"]:
        """Points of the query."""
        return peak(cosine_similarity(support, feature))


class Align(nn.Module):
    """Nearest, under a prior at the robust affine fit of the support poses.

    Args:
        settings: Numbers of the fit, keyed as in `FitSettings`.
    """

    needs_pictures = True

    def __init__(self, *, settings: dict | None = None) -> None:
        super().__init__()
        self.settings = FitSettings(**(settings or {}))
        self.maps = 2 * self.settings.rotations

    def forward(self, support: Support, feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K 2"]:
        """Points of the query."""
        similarity = cosine_similarity(support, feature)
        return peak(robust_prior(similarity, support.points, support.visible, settings=self.settings))


BASELINES: dict[str, type[Copy | Center | Nearest | Align]] = {
    "copy": Copy,
    "center": Center,
    "nearest": Nearest,
    "align": Align,
}


def check_support(support: Support) -> None:
    """Refuse a support set that shows nothing.

    Raises:
        PromptError: A pair whose supports have no visible keypoint.
    """
    empty = ~support.visible.flatten(1).any(dim=1)
    if empty.any():
        raise PromptError(
            f"support set {int(empty.nonzero()[0])}",
            expected="at least one visible keypoint",
            got="none in any support picture",
            fix="Click a point, or choose another support picture.",
        )


def cosine_similarity(support: Support, feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
    """Similarity of each keypoint, as the support pictures show it, with each cell of the query."""
    check_support(support)
    if support.feature is None:
        raise PromptError(
            "support set", expected="features of the pictures", got="none", fix="Encode the pictures first."
        )
    batch, shots, keypoints, _ = support.points.shape
    place = (2 * support.points - 1).view(batch * shots, keypoints, 1, 2)
    sampled = F.grid_sample(support.feature.flatten(0, 1), place, padding_mode="border", align_corners=False)
    token = _over_shots(sampled[..., 0].transpose(1, 2).unflatten(0, (batch, shots)), support.visible)
    return torch.einsum("bkc,bchw->bkhw", F.normalize(token, dim=-1), feature)


def peak(logits: Float[Tensor, "B K H W"], *, finer: int = 4) -> Float[Tensor, "B K 2"]:
    """Arg-max of a map after bicubic enlargement, so that it is not tied to the cells of the coarse grid."""
    logits = F.interpolate(logits, scale_factor=finer, mode="bicubic", align_corners=False)
    cells = cell_centres(*logits.shape[-2:], like=logits).flatten(0, 1)
    return cells[logits.flatten(-2).argmax(dim=-1)]


def _over_shots(values: Float[Tensor, "B S K D"], visible: Bool[Tensor, "B S K"]) -> Float[Tensor, "B K D"]:
    weight = visible[..., None].to(values.dtype)
    return (values * weight).sum(dim=1) / weight.sum(dim=1).clamp_min(1)
