"""Robust affine fit: where a whole constellation of points lies in a picture, from noisy matches of each.

A single keypoint's best match is often wrong; that all keypoints move together, up to an affine map and some
articulation, is what a prior can use. The fit is expectation-maximisation, annealed:

    E  place a Gaussian of width sigma around each mapped support point; a keypoint's posterior over the cells is the
       softmax of its similarity in nats plus the log of that prior,
    M  refit the affine map to the posterior means, with weights that forget what lies far off,

with sigma shrinking, from R starts, each a pose with similarity maps of its own; the start of highest evidence wins.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from cape.codecs import cell_centres
from cape.structures import Anchors


class FitSettings(NamedTuple):
    """Numbers of the robust fit, in crop units."""

    sigmas: tuple[float, ...] = (0.12, 0.08, 0.05)
    """Width of the prior in each iteration; the last one also shapes the result."""
    weight: float = 5.0
    """How many nats a cosine similarity of 1 is worth against the prior."""
    reach: float = 0.12
    """Residual at which a match counts half in the refit."""
    ridge: float = 0.3
    """Pull of the fit towards a similarity transform, in units of the points' own spread."""
    bend: float = 0.1
    """How far around such a keypoint others go along with it."""


class Fit(NamedTuple):
    """Where each start led."""

    logits: Float[Tensor, "B R K H W"]
    """Similarity in nats plus the log prior."""
    places: Float[Tensor, "B R K 2"]
    """Centres of the prior: the support points, mapped."""
    evidence: Float[Tensor, "B R"]
    """Mean over the shown keypoints of the log evidence, nats: what the starts are compared by."""


def design(points: Float[Tensor, "*B K 2"]) -> Float[Tensor, "*B K 3"]:
    """Points as rows x, y, 1."""
    return torch.cat([points, torch.ones_like(points[..., :1])], dim=-1)


def fit_affine(
    source: Float[Tensor, "*B K 2"], target: Float[Tensor, "*B K 2"], weight: Float[Tensor, "*B K"], *, ridge: float
) -> Float[Tensor, "*B 2 3"]:
    """Weighted least-squares affine map, regularised towards the best similarity transform.

    Args:
        source: Points in the support.
        target: Where they were seen.
        weight: Non-negative; points of weight 0 are ignored.
        ridge: Strength of the pull, relative to the source's own variance. With two points or collinear ones only the
            similarity is determined, and the pull decides the rest.
    """
    total = weight.sum(-1, keepdim=True).clamp_min(1e-6)
    w = (weight / total)[..., None]
    centre_s, centre_t = (w * source).sum(-2, keepdim=True), (w * target).sum(-2, keepdim=True)
    s, t = source - centre_s, target - centre_t
    # Similarity, which mirrors nothing: as complex numbers t ≈ z s.
    (sx, sy), (tx, ty) = s.unbind(-1), t.unbind(-1)
    spread = (w * s.square()).sum((-2, -1)).clamp_min(1e-8)
    a = (w[..., 0] * (sx * tx + sy * ty)).sum(-1) / spread
    b = (w[..., 0] * (sx * ty - sy * tx)).sum(-1) / spread
    similarity = torch.stack([torch.stack([a, -b], -1), torch.stack([b, a], -1)], -2)
    # Ridge: minimise Σ w |A s - t|² + λ spread |A - similarity|².
    eye = torch.eye(2, dtype=s.dtype, device=s.device)
    pull = (ridge * spread)[..., None, None]
    gram = (w * s).transpose(-1, -2) @ s + pull * eye
    cross = (w * t).transpose(-1, -2) @ s + pull * similarity
    linear = cross @ _inverse(gram)
    shift = centre_t[..., 0, :, None] - linear @ centre_s[..., 0, :, None]
    return torch.cat([linear, shift], dim=-1)


def _inverse(symmetric: Float[Tensor, "*B 2 2"]) -> Float[Tensor, "*B 2 2"]:
    """Of matrices that are far from singular; by hand it takes a tenth of what a solver does."""
    a, b, d = symmetric[..., 0, 0], symmetric[..., 0, 1], symmetric[..., 1, 1]
    return torch.stack([d, -b, -b, a], dim=-1).unflatten(-1, (2, 2)) / (a * d - b * b)[..., None, None]


def turns(rotations: int, *, like: Tensor) -> Float[Tensor, "R 2 3"]:
    """Rotations about the centre of the crop, the identity first, then the same after a mirror (x becomes 1 - x)."""
    angle = torch.arange(rotations, dtype=like.dtype, device=like.device) * 2 * math.pi / rotations
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    mirror = torch.diag(torch.tensor([-1.0, 1.0], dtype=like.dtype, device=like.device))
    linear = torch.cat([turn, turn @ mirror])
    return torch.cat([linear, 0.5 - linear.sum(-1, keepdim=True) * 0.5], dim=-1)


def robust_fit(
    similarity: Float[Tensor, "B R K H W"],
    points: Float[Tensor, "B R K 2"],
    mask: Bool[Tensor, "B R K"],
    *,
    settings: FitSettings = FitSettings(),  # noqa: B008 (a NamedTuple is immutable)
    anchors: Anchors | None = None,
) -> Fit:
    """Fit the pose of each start to its similarity maps.

    Args:
        similarity: Cosine similarity of each keypoint with each cell of the query.
        points: Support points, crop frame: where each start looks first.
        mask: Keypoints that a start shows; it never sees which keypoints the query shows.
        settings: Numbers of the fit.
        anchors: Keypoints whose places in the query are known. They match there and nowhere else, which helps to choose
            a start; and the map bends to meet them, so that what lies near them in the support goes along.
    """
    grid = cell_centres(*similarity.shape[-2:], like=similarity).flatten(0, 1)  # [HW, 2]
    if anchors is not None:
        similarity = pinned(similarity, anchors)
    nats = settings.weight * similarity.flatten(-2)  # [B, R, K, HW]
    shown = mask.to(similarity.dtype)

    mean = points
    for sigma in settings.sigmas:
        posterior = (nats - _squared_distance(mean, grid) / (2 * sigma**2)).softmax(dim=-1)
        seen = posterior @ grid
        residual = (seen - mean).square().sum(-1)
        trust = shown / (1 + residual / settings.reach**2)
        affine = fit_affine(points, seen, trust, ridge=settings.ridge)
        mean = design(points) @ affine.transpose(-1, -2)
    if anchors is not None:
        mean = bent(mean, points, anchors, length=settings.bend)

    logits = nats - _squared_distance(mean, grid) / (2 * settings.sigmas[-1] ** 2)
    # Starts may show different keypoints; the mean over the shown ones makes their evidence comparable.
    evidence = (logits.logsumexp(dim=-1) * shown).sum(-1) / shown.sum(-1).clamp_min(1)
    return Fit(logits.unflatten(-1, similarity.shape[-2:]), mean, evidence)


def pinned(similarity: Float[Tensor, "B R K H W"], anchors: Anchors) -> Float[Tensor, "B R K H W"]:
    """Maps that for known keypoints are 1 at their places, and fall off within half a cell."""
    cells = cell_centres(*similarity.shape[-2:], like=similarity)
    away = (cells - anchors.places[:, :, None, None]).square().sum(-1)  # [B, K, H, W]
    known = torch.exp(-0.5 * away * similarity.shape[-1] ** 2 / 0.5**2)
    return torch.where(anchors.fixed[:, None, :, None, None], known[:, None], similarity)


def bent(
    places: Float[Tensor, "B R K 2"], points: Float[Tensor, "B R K 2"], anchors: Anchors, *, length: float
) -> Float[Tensor, "B R K 2"]:
    """Places moved so that the known ones are met: the mean of a Gaussian process over the support's plane.

    Args:
        places: Where an affine map puts the keypoints.
        points: Where the support has them.
        anchors: The known ones.
        length: Of the squared-exponential kernel.
    """
    kernel = torch.exp(-torch.cdist(points, points).square() / (2 * length**2))
    fixed = anchors.fixed[:, None, :, None].to(kernel.dtype)  # [B, 1, K, 1]
    known = kernel * fixed * fixed.transpose(-1, -2)
    # Those that are not known make an identity of their own, and have nothing to say.
    known = known + torch.diag_embed(1 - fixed[..., 0]) + 1e-4 * torch.eye(places.shape[2], device=places.device)
    missing = (anchors.places[:, None] - places) * fixed
    return places + (kernel * fixed.transpose(-1, -2)) @ torch.linalg.solve(known, missing)


def best_start(evidence: Float[Tensor, "B R"], mask: Bool[Tensor, "B R K"]) -> Int64[Tensor, "B K"]:
    """For each keypoint the start of highest evidence among those that show it; of all, if none does."""
    rank = evidence[..., None].expand_as(mask)
    return torch.where(mask | ~mask.any(dim=1, keepdim=True), rank, -torch.inf).argmax(dim=1)


def of_start(values: Shaped[Tensor, "B R K *E"], chosen: Int64[Tensor, "B K"]) -> Shaped[Tensor, "B K *E"]:
    """The values of the chosen start of each keypoint."""
    batch, keypoints = chosen.shape
    rows, columns = (torch.arange(size, device=chosen.device) for size in (batch, keypoints))
    return values[rows[:, None], chosen, columns]


def _squared_distance(points: Float[Tensor, "*B K 2"], grid: Float[Tensor, "HW 2"]) -> Float[Tensor, "*B K HW"]:
    cross = points @ grid.T
    return points.square().sum(-1, keepdim=True) - 2 * cross + grid.square().sum(-1)
