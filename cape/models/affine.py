"""Robust affine fit: where a whole constellation of points lies in a picture, from noisy matches of each.

A single keypoint's best match is often wrong; that all keypoints move together, up to an affine map and some
articulation, is what a prior can use. The fit is expectation-maximisation, annealed:

    E  place a Gaussian of width sigma around each mapped support point; a keypoint's posterior over the cells is the
       softmax of its similarity in nats plus the log of that prior,
    M  refit the affine map to the posterior means, with weights that forget what lies far off,

with sigma shrinking, from several rotations and mirror images as starts; the start of highest evidence wins.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cape.codecs import cell_centres


class FitSettings(NamedTuple):
    """Numbers of the robust fit, in crop units."""

    rotations: int = 8
    """Starts, evenly spread over the circle; each also as a mirror image."""
    sigmas: tuple[float, ...] = (0.12, 0.08, 0.05)
    """Width of the prior in each iteration; the last one also shapes the result."""
    weight: float = 5.0
    """How many nats a cosine similarity of 1 is worth against the prior."""
    reach: float = 0.12
    """Residual at which a match counts half in the refit."""
    ridge: float = 0.3
    """Pull of the fit towards a similarity transform, in units of the points' own spread."""


def design(points: Float[Tensor, "*B K 2"]) -> Float[Tensor, "*B K 3"]:
    """Points as rows x, y, 1."""
    return torch.cat([points, torch.ones_like(points[..., :1])], dim=-1)


def fit_affine(
    source: Float[Tensor, "*B K 2"],
    target: Float[Tensor, "*B K 2"],
    weight: Float[Tensor, "*B K"],
    *,
    mirrored: Bool[Tensor, "*B"],
    ridge: float,
) -> Float[Tensor, "*B 2 3"]:
    """Weighted least-squares affine map, regularised towards the best similarity transform.

    Args:
        source: Points in the support.
        target: Where they were seen.
        weight: Non-negative; points of weight 0 are ignored.
        mirrored: Whether the similarity transform is a reflection.
        ridge: Strength of the pull, relative to the source's own variance. With two points or collinear ones only the
            similarity is determined, and the pull decides the rest.
    """
    total = weight.sum(-1, keepdim=True).clamp_min(1e-6)
    w = (weight / total)[..., None]
    centre_s, centre_t = (w * source).sum(-2, keepdim=True), (w * target).sum(-2, keepdim=True)
    s, t = source - centre_s, target - centre_t
    # Similarity: as complex numbers t ≈ z s, or t ≈ z conj(s) for a reflection.
    sign = torch.where(mirrored, -1.0, 1.0)[..., None].to(s.dtype)
    sx, sy = s[..., 0], s[..., 1] * sign
    spread = (w * s.square()).sum((-2, -1)).clamp_min(1e-8)
    a = (w[..., 0] * (sx * t[..., 0] + sy * t[..., 1])).sum(-1) / spread
    b = (w[..., 0] * (sx * t[..., 1] - sy * t[..., 0])).sum(-1) / spread
    flip = sign[..., 0]
    similarity = torch.stack([torch.stack([a, -b * flip], -1), torch.stack([b, a * flip], -1)], -2)
    # Ridge: minimise Σ w |A s - t|² + λ spread |A - similarity|².
    eye = torch.eye(2, dtype=s.dtype, device=s.device)
    pull = (ridge * spread)[..., None, None]
    gram = (w * s).transpose(-1, -2) @ s + pull * eye
    cross = (w * t).transpose(-1, -2) @ s + pull * similarity
    linear = torch.linalg.solve(gram, cross, left=False)
    shift = centre_t[..., 0, :, None] - linear @ centre_s[..., 0, :, None]
    return torch.cat([linear, shift], dim=-1)


def starts(settings: FitSettings, *, like: Tensor) -> tuple[Float[Tensor, "R 2 3"], Bool[Tensor, "R"]]:
    """Rotations and their mirror images about the centre of the crop, the identity first."""
    angle = torch.arange(settings.rotations, dtype=like.dtype, device=like.device) * 2 * math.pi / settings.rotations
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    mirror = torch.diag(torch.tensor([-1.0, 1.0], dtype=like.dtype, device=like.device))
    linear = torch.cat([turn, turn @ mirror])
    shift = 0.5 - linear.sum(-1, keepdim=True) * 0.5
    mirrored = torch.arange(len(linear), device=like.device) >= settings.rotations
    return torch.cat([linear, shift], dim=-1), mirrored


def robust_prior(
    similarity: Float[Tensor, "B K H W"],
    points: Float[Tensor, "B S K 2"],
    mask: Bool[Tensor, "B S K"],
    *,
    settings: FitSettings = FitSettings(),  # noqa: B008 (a NamedTuple is immutable)
) -> Float[Tensor, "B K H W"]:
    """Similarity in nats plus the log prior of the best robust affine fit.

    Args:
        similarity: Cosine similarity of each keypoint with each cell of the query.
        points: Support points, crop frame; each shot is a shape of its own to start from.
        mask: Keypoints each support shows. The fit never sees which keypoints the query shows.
        settings: Numbers of the fit.
    """
    grid = cell_centres(*similarity.shape[-2:], like=similarity).flatten(0, 1)  # [HW, 2]
    nats = settings.weight * similarity.flatten(-2)[:, None]  # [B, 1, K, HW]
    batch, shots = points.shape[:2]
    affine, mirrored = starts(settings, like=similarity)
    count = len(affine)
    affine, mirrored = affine.repeat(batch, shots, 1, 1), mirrored.repeat(batch, shots)  # [B, S·R, ...]
    source = points.repeat_interleave(count, dim=1)
    shown = mask.repeat_interleave(count, dim=1).to(similarity.dtype)

    for sigma in settings.sigmas:
        mean = design(source) @ affine.transpose(-1, -2)  # [B, S·R, K, 2]
        posterior = (nats - _squared_distance(mean, grid) / (2 * sigma**2)).softmax(dim=-1)
        seen = posterior @ grid
        residual = (seen - mean).square().sum(-1)
        trust = shown / (1 + residual / settings.reach**2)
        affine = fit_affine(source, seen, trust, mirrored=mirrored, ridge=settings.ridge)

    mean = design(source) @ affine.transpose(-1, -2)
    logits = nats - _squared_distance(mean, grid) / (2 * settings.sigmas[-1] ** 2)  # [B, S·R, K, HW]
    # Shots show different keypoints; the mean over the shown ones makes their evidence comparable.
    evidence = (logits.logsumexp(dim=-1) * shown).sum(-1) / shown.sum(-1).clamp_min(1)
    winner = evidence.argmax(dim=-1)
    return logits[torch.arange(batch, device=winner.device), winner].view_as(similarity)


def _squared_distance(points: Float[Tensor, "*B K 2"], grid: Float[Tensor, "HW 2"]) -> Float[Tensor, "*B K HW"]:
    cross = points @ grid.T
    return points.square().sum(-1, keepdim=True) - 2 * cross + grid.square().sum(-1)
