"""Priors: where a prompt's pictures alone would look for each keypoint, before anything is learnt."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from cape.codecs import cell_centres
from cape.errors import UsageError
from cape.models.affine import FitSettings, best_start, of_start, robust_fit
from cape.models.turning import doubts, turned_views
from cape.registry import MODELS
from cape.structures import Anchors, Tokens, View

CELLS_CPU, CELLS_GPU = 300_000, 50_000_000
"""Cells of all maps that are fitted at once: what fits into a CPU's cache, and into a GPU's memory."""


@MODELS.register_module()
class CosinePrior(nn.Module):
    """Cosine similarity of each keypoint, as the support shows it, with each cell of the query; 0 without a support."""

    turns = False
    """Whether it needs the support's pictures rather than their features."""

    def __init__(self) -> None:
        super().__init__()

    def alternatives(self, support: View, mirror: Int64[Tensor, "B K"]) -> tuple[View, Float[Tensor, "B R"]]:
        """All shots together are the one way to see the prompt."""
        del mirror
        return together(support)

    def forward(
        self, prompt: Tokens, feature: Float[Tensor, "B C H W"], anchors: Anchors | None = None
    ) -> tuple[Tokens, Float[Tensor, "B K H W"]]:
        """The prompt as it is, and the map; what is known of some keypoints says nothing of others here."""
        del anchors
        return prompt, cosine(prompt.appearance, feature)[:, 0]


@MODELS.register_module()
class TurnedFit(nn.Module):
    """In evaluation: of the turned support views the one whose pose fits the query best, with a prior around that fit.

    Matching sees the cosine similarity to the keypoints as the best view shows them, less the squared distance from
    where the fit puts them. In training it is `CosinePrior`.

    Args:
        rotations: Of each support view, evenly spread over the circle; each also mirrored. 1: as they are and mirrored.
        tilt: See `turning.doubts`.
        chirality: See `turning.doubts`.
        settings: Numbers of the fit, keyed as in `FitSettings`.
        sigma: Width of the prior around the fit, crop units.

    Raises:
        UsageError: No rotation.
    """

    turns = True

    def __init__(
        self,
        *,
        rotations: int = 8,
        tilt: float = 0.02,
        chirality: float = 0.08,
        settings: dict | None = None,
        sigma: float = 0.06,
    ) -> None:
        super().__init__()
        if rotations < 1:
            raise UsageError("TurnedFit", expected="at least 1 rotation", got=str(rotations), fix="Raise it.")
        self.rotations, self.tilt, self.chirality, self.sigma = rotations, tilt, chirality, sigma
        self.settings = FitSettings(**{"weight": 8.0, **(settings or {})})

    def alternatives(self, support: View, mirror: Int64[Tensor, "B K"]) -> tuple[View, Float[Tensor, "B R"]]:
        """Every turn of every shot on its own; of feature maps, which cannot be turned, every shot."""
        if self.training:
            return together(support)
        batch, shots = support.image.shape[:2]
        if support.image.shape[2] != 3:
            single = View(*(field[:, :, None] for field in support))
            return single, support.points.new_zeros(batch, shots)
        view = turned_views(support, mirror, rotations=self.rotations)
        doubt = doubts(mirror, rotations=self.rotations, tilt=self.tilt, chirality=self.chirality)
        return View(*(field[:, :, None] for field in view)), doubt.repeat(1, shots)

    def forward(
        self, prompt: Tokens, feature: Float[Tensor, "B C H W"], anchors: Anchors | None = None
    ) -> tuple[Tokens, Float[Tensor, "B K H W"]]:
        """The prompt as the view that fits best shows it, and the map."""
        if self.training:
            return prompt, cosine(prompt.appearance, feature)[:, 0]
        cells = prompt.shown[0].numel() * feature[0, 0].numel()
        count = max(1, (CELLS_CPU if feature.device.type == "cpu" else CELLS_GPU) // cells)
        parts = []
        for start in range(0, len(feature), count):
            some = slice(start, start + count)
            known = None if anchors is None else Anchors(*(field[some] for field in anchors))
            parts.append(self._of_best_fit(Tokens(*(field[some] for field in prompt)), feature[some], known))
        prompts, priors = zip(*parts, strict=True)
        return Tokens(*map(torch.cat, zip(*prompts, strict=True))), torch.cat(priors)

    def _of_best_fit(
        self, prompt: Tokens, feature: Float[Tensor, "B C H W"], anchors: Anchors | None
    ) -> tuple[Tokens, Float[Tensor, "B K H W"]]:
        similarity = cosine(prompt.appearance, feature)  # [B, R, K, H, W]
        fit = robust_fit(similarity, prompt.places, prompt.shown, settings=self.settings, anchors=anchors)
        chosen = best_start(fit.evidence - self.settings.weight * prompt.doubt, prompt.shown)
        far = squared_distance(of_start(fit.places, chosen), similarity) / (2 * self.sigma**2 * self.settings.weight)
        far = far * prompt.shown.any(dim=1)[..., None, None]  # what nobody clicked may lie anywhere
        return seen_as(prompt, chosen), of_start(similarity, chosen) - far


def together(support: View) -> tuple[View, Float[Tensor, "B R"]]:
    """All shots as the one way to see a prompt."""
    return View(*(field[:, None] for field in support)), support.points.new_zeros(len(support.points), 1)


def cosine(appearance: Float[Tensor, "B R K C"], feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B R K H W"]:
    """Cosine similarity of each keypoint's appearance, of unit length, with each cell; 0 where it has none."""
    return (appearance @ F.normalize(feature.flatten(2), dim=1)[:, None]).unflatten(-1, feature.shape[-2:])


def seen_as(prompt: Tokens, chosen: Int64[Tensor, "B K"]) -> Tokens:
    """The prompt with one way left, for each keypoint the chosen one."""
    tokens, present = prompt.tokens.transpose(2, 3), prompt.present.transpose(2, 3)
    return Tokens(
        tokens=of_start(tokens, chosen).transpose(1, 2)[:, None],
        present=of_start(present, chosen).transpose(1, 2)[:, None],
        appearance=of_start(prompt.appearance, chosen)[:, None],
        shown=of_start(prompt.shown, chosen)[:, None],
        places=of_start(prompt.places, chosen)[:, None],
        doubt=prompt.doubt[:, :1],
        canonical=prompt.canonical,
    )


def squared_distance(points: Float[Tensor, "B K 2"], maps: Float[Tensor, "B R K H W"]) -> Float[Tensor, "B K H W"]:
    """Of each point from the centres of the cells of some maps."""
    return (cell_centres(*maps.shape[-2:], like=maps) - points[:, :, None, None]).square().sum(-1)
