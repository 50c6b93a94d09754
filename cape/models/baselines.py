"""Training-free baselines: what any trained model has to beat.

    copy      the support pose, pasted into the query's crop,
    center    the middle of the crop for every keypoint,
    nearest   the arg-max of the cosine similarity of backbone features,
    near      nearest, under a Gaussian prior at the copied position,
    align     nearest, under a prior at the robust affine fit of all matches (`models.affine`),
    turned    align, with the features of the support picture turned and mirrored as well (`models.turning`).

Each is a module `forward(support, feature) -> points [B, K, 2]` in the query's crop frame. None sees which keypoints
the query shows, and none reads names (`turned` knows which keypoints are each other's counterparts). A keypoint that no
support shows gets some finite point: it is never scored.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape.codecs import cell_centres
from cape.errors import PromptError
from cape.models.affine import FitSettings, best_start, design, of_start, robust_fit, turns


class Support(NamedTuple):
    """The support sets of B pairs."""

    points: Float[Tensor, "B S K 2"]
    """Crop frame."""
    visible: Bool[Tensor, "B S K"]
    appearance: Float[Tensor, "B S K C"] | None
    """Features at the points, see `appearance_at`; None for the baselines without pictures."""
    doubt: Float[Tensor, "B S"] | None = None
    """For `turned`, whose shots are the turns of all pictures: `turning.doubts`."""


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
    """Similarity maps held at once for each keypoint of a shot."""

    def forward(self, support: Support, feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K 2"]:
        """Points of the query."""
        return peak(cosine_similarity(support, feature))


class Near(nn.Module):
    """Nearest, under a Gaussian prior around where copy puts the keypoint.

    Args:
        sigma: Width of the prior, crop units.
        weight: How many nats a cosine similarity of 1 is worth.
    """

    needs_pictures = True
    maps = 1

    def __init__(self, *, sigma: float = 0.5, weight: float = 8.0) -> None:
        super().__init__()
        self.sigma, self.weight = sigma, weight

    def forward(self, support: Support, feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K 2"]:
        """Points of the query."""
        similarity = cosine_similarity(support, feature)
        copied = _over_shots(support.points, support.visible)[:, :, None, None]
        away = (cell_centres(*similarity.shape[-2:], like=similarity) - copied).square().sum(dim=-1)
        return peak(self.weight * similarity - away / (2 * self.sigma**2))


class Align(nn.Module):
    """Nearest, under a prior at the robust affine fit of the support poses, each also turned and mirrored.

    Args:
        rotations: Starts, evenly spread over the circle; each also as a mirror image.
        settings: Numbers of the fit, keyed as in `FitSettings`.
    """

    needs_pictures = True

    def __init__(self, *, rotations: int = 8, settings: dict | None = None) -> None:
        super().__init__()
        self.rotations, self.settings = rotations, FitSettings(**(settings or {}))
        self.maps = 2 * rotations

    def forward(self, support: Support, feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K 2"]:
        """Points of the query."""
        starts = turns(self.rotations, like=support.points)
        points = (design(support.points)[:, :, None] @ starts.transpose(-1, -2)).flatten(1, 2)  # [B, S·R, K, 2]
        visible = support.visible.repeat_interleave(len(starts), dim=1)
        similarity = cosine_similarity(support, feature)[:, None].expand(-1, points.shape[1], -1, -1, -1)
        fit = robust_fit(similarity, points, visible, settings=self.settings)
        return peak(of_start(fit.logits, best_start(fit.evidence, visible)))


class Turned(nn.Module):
    """Align, where each turn of each support has an appearance of its own.

    Args:
        rotations: As for `turning.turned_views`.
        settings: Numbers of the fit, keyed as in `FitSettings`.
    """

    needs_pictures = True

    def __init__(self, *, rotations: int = 8, settings: dict | None = None) -> None:
        super().__init__()
        self.rotations, self.settings = rotations, FitSettings(**{"weight": 8.0, **(settings or {})})
        self.maps = 2 * rotations

    def forward(self, support: Support, feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K 2"]:
        """Points of the query."""
        appearance, doubt = _known(support), support.doubt
        similarity = torch.einsum("brkc,bchw->brkhw", F.normalize(appearance.to(feature.dtype), dim=-1), feature)
        fit = robust_fit(similarity, support.points, support.visible, settings=self.settings)
        evidence = fit.evidence if doubt is None else fit.evidence - self.settings.weight * doubt
        return peak(of_start(fit.logits, best_start(evidence, support.visible)))


Baseline = Copy | Center | Nearest | Near | Align | Turned
BASELINES: dict[str, type[Baseline]] = {
    "copy": Copy,
    "center": Center,
    "nearest": Nearest,
    "near": Near,
    "align": Align,
    "turned": Turned,
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


def appearance_at(points: Float[Tensor, "M K 2"], feature: Float[Tensor, "M C H W"]) -> Float[Tensor, "M K C"]:
    """Features at points of the crop frame, bilinearly."""
    place = (2 * points - 1)[:, :, None]
    sampled = F.grid_sample(feature, place, padding_mode="border", align_corners=False)
    return sampled[..., 0].transpose(1, 2)


def cosine_similarity(support: Support, feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
    """Similarity of each keypoint, as the support pictures show it, with each cell of the query."""
    token = _over_shots(_known(support), support.visible)
    return torch.einsum("bkc,bchw->bkhw", F.normalize(token, dim=-1), feature)


def _known(support: Support) -> Float[Tensor, "B S K C"]:
    check_support(support)
    if support.appearance is None:
        raise PromptError(
            "support set", expected="features of the pictures", got="none", fix="Encode the pictures first."
        )
    return support.appearance


def peak(logits: Float[Tensor, "B K H W"], *, finer: int = 4) -> Float[Tensor, "B K 2"]:
    """Arg-max of a map after bicubic enlargement, so that it is not tied to the cells of the coarse grid."""
    logits = F.interpolate(logits, scale_factor=finer, mode="bicubic", align_corners=False)
    cells = cell_centres(*logits.shape[-2:], like=logits).flatten(0, 1)
    return cells[logits.flatten(-2).argmax(dim=-1)]


def _over_shots(values: Float[Tensor, "B S K D"], visible: Bool[Tensor, "B S K"]) -> Float[Tensor, "B K D"]:
    weight = visible[..., None].to(values.dtype)
    return (values * weight).sum(dim=1) / weight.sum(dim=1).clamp_min(1)
