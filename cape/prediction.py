"""Predictions: where the prompted keypoints are, in pixels of the original picture."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from cape.codecs import cell_centres
from cape.data.inputs import Look, as_place
from cape.data.transforms import apply, crop_matrix, invert
from cape.errors import UsageError
from cape.evaluation.aggregation import aggregate
from cape.models.calibration import Verdict
from cape.prompting import Prompt
from cape.skeleton import Skeleton
from cape.structures import Found

if TYPE_CHECKING:
    import supervision as sv

VISIBLE = 2


class Seen(NamedTuple):
    """What stays of the query, so that a correction need not look at the picture again."""

    feature: Float[Tensor, "C H W"]
    """As the backbone gives it."""
    to_pixels: Float[np.ndarray, "2 3"]
    """Affine map from the crop frame to pixels of the original picture."""
    side: float
    """Longest side of the box that was looked at, pixels."""
    scores: Float[np.ndarray, "K"]
    """As the model told them, before `Predictor.recalibrate`."""
    sure: float
    """Mean of what the similarity maps tell of the keypoints asked for, see `read_off`: which of several looks at one
    picture is the best. Calibrated scores, made to be compared between pictures, choose no better."""


class Prediction(NamedTuple):
    """One pose in one picture. Points are pixels of the upright original, the centre of the first pixel is 0."""

    points: Float[np.ndarray, "K 2"]
    scores: Float[np.ndarray, "K"]
    """Probability that the keypoint lies within 0.2 of the box's longest side; of a model without a calibrated head a
    number from 0 to 1 that only ranks, see `read_off`, like those of `whole_body`, see `human.Bodies`."""
    presence: Float[np.ndarray, "K"]
    """Probability that the picture shows the keypoint; 1 without a calibrated head."""
    covariance: Float[np.ndarray, "K 2 2"]
    """Of the similarity map around the point, square pixels."""
    asked: Bool[np.ndarray, "K"]
    """Keypoints that the prompt has a click or a name for; the points of the others mean nothing."""
    branches: Float[np.ndarray, "V K 2"]
    """What each branch of a model with decision-level fusion says; where they disagree, something is doubtful."""
    prompt: Prompt
    box: Float[np.ndarray, "4"]
    """x, y, width, height in pixels: the box that was given or proposed, else the whole picture."""
    size: tuple[int, int]
    """Width and height of the picture."""
    source: str
    """File, or file and frame of a video; "" for an array."""
    fixed: frozenset[int]
    """Keypoints that were corrected by hand."""
    seen: Seen
    whole_body: Bool[np.ndarray, "K"]
    """Keypoints that a whole-body model found; their branches are still the few-shot model's."""

    @property
    def skeleton(self) -> Skeleton:
        """Names, edges and swap pairs of the prompt."""
        return self.prompt.skeleton

    @property
    def confidence(self) -> float:
        """How far the pose can be trusted: mean score of the keypoints asked for, weighed by their presence."""
        if not self.asked.any():
            return 0.0
        return float(aggregate(self.scores[None], self.presence[None], asked=self.asked[None])[0])

    def to_coco(self) -> dict[str, Any]:
        """A COCO keypoint annotation, without ids: keypoints as x, y, v with v = 2 where a keypoint was asked for."""
        shown = np.where(self.asked, VISIBLE, 0)
        keypoints = np.column_stack([self.points * (shown > 0)[:, None], shown])
        return {
            "keypoints": [float(value) for value in keypoints.ravel()],
            "num_keypoints": int((shown > 0).sum()),
            "keypoint_scores": [float(value) for value in self.scores * self.asked],
            "keypoint_presence": [float(value) for value in self.presence * self.asked],
            "score": self.confidence,
            "bbox": [float(value) for value in self.box],
            "area": float(self.box[2] * self.box[3]),
            "iscrowd": 0,
        }

    def to_supervision(self) -> "sv.KeyPoints":
        """For supervision's annotators, with the covariance that its ellipses draw."""
        from cape import compat

        compat.prepare()
        import supervision as sv

        return sv.KeyPoints(
            xy=self.points[None].astype(np.float32),
            keypoint_confidence=self.scores[None].astype(np.float32),
            visible=self.asked[None],
            data={"covariance": self.covariance[None].astype(np.float32)},
        )

    def draw(self, picture: UInt8[np.ndarray, "h w 3"], *, least: float = 0.0) -> UInt8[np.ndarray, "h w 3"]:
        """A copy of the picture with the pose on it.

        Args:
            picture: RGB, the one that was looked at (`data.pictures.read_picture`).
            least: Leave out keypoints of a lower score.

        Raises:
            UsageError: A picture of another size.
        """
        from cape.visualize import draw_pose

        if picture.shape[1::-1] != self.size:
            raise UsageError(
                "draw", expected=f"the picture that was looked at, {self.size[0]} x {self.size[1]}",
                got=f"{picture.shape[1]} x {picture.shape[0]}", fix="Give that one.",
            )  # fmt: skip
        return draw_pose(picture, self.points, self.asked & (self.scores >= least), self.skeleton)


def draft_of(prompt: Prompt, look: Look, feature: Float[Tensor, "C H W"]) -> Prediction:
    """A look's prediction before there is one: everything but the answer."""
    blank = np.zeros((len(prompt.skeleton), 2))
    return Prediction(
        points=blank,
        scores=blank[:, 0],
        presence=prompt.asked.astype(np.float64),
        covariance=np.zeros((len(blank), 2, 2)),
        asked=prompt.asked,
        branches=blank[None],
        prompt=prompt,
        box=look.box,
        size=(look.picture.pixels.shape[1], look.picture.pixels.shape[0]),
        source=look.picture.name,
        fixed=frozenset(),
        seen=Seen(feature.cpu(), invert(crop_matrix(look.square)), float(look.box[2:].max()), blank[:, 0], 0.0),
        whole_body=np.zeros(len(blank), dtype=bool),
    )


def told(
    found: Found, drafts: Sequence[Prediction], *, near: float, scale: float | None, verdict: Verdict | None
) -> list[Prediction]:
    """What a few-shot model found, out of the crop frame, into pixels.

    Args:
        found: Of a batch.
        drafts: As `draft_of` makes them, one a row.
        near: What counts as found, in longest sides of the box.
        scale: See `read_off`.
        verdict: Of a calibrated head; None: scores are read off the similarity maps.
    """
    side = np.array([draft.seen.side for draft in drafts])
    stretch = np.array([np.linalg.norm(draft.seen.to_pixels[:, 0]) for draft in drafts])
    reach = torch.from_numpy(near * side / stretch).float().to(found.points.device)
    with torch.inference_mode():
        raw, covariance = read_off(found, reach=reach, scale=scale)
        scores, presence = (raw, torch.ones_like(raw)) if verdict is None else (verdict.scores, verdict.presence)
        branches = torch.stack([branch.points[-1] for branch in found.branches], dim=1)
    rows = (each.double().cpu().numpy() for each in (found.points[-1], raw, scores, presence, covariance, branches))
    return [
        draft._replace(
            points=apply(draft.seen.to_pixels, points),
            scores=score * draft.asked,
            seen=draft.seen._replace(
                scores=score * draft.asked, sure=float(told[draft.asked].mean()) if draft.asked.any() else 0.0
            ),
            presence=there * draft.asked,
            covariance=draft.seen.to_pixels[:, :2] @ spread @ draft.seen.to_pixels[:, :2].T,
            branches=np.stack([apply(draft.seen.to_pixels, each) for each in several]),
        )
        for points, told, score, there, spread, several, draft in zip(*rows, drafts, strict=True)
    ]


def kept(refined: Prediction, before: Prediction, fixed: Collection[int]) -> Prediction:
    """A refined prediction with what the whole-body model had found, but for the keypoints that are fixed."""
    stay = before.whole_body.copy()
    stay[list(fixed)] = False
    fields = {key: getattr(refined, key).copy() for key in ("points", "scores", "presence", "covariance")}
    for key, values in fields.items():
        values[stay] = getattr(before, key)[stay]
    return refined._replace(whole_body=stay, **fields)


def corrections(fixed: Mapping[Any, Any], count: int) -> dict[int, Float[np.ndarray, "2"]]:
    """Places of corrected keypoints that were given.

    Args:
        fixed: Pixels by keypoint.
        count: Of the keypoints that there are.

    Raises:
        UsageError: A keypoint that does not exist, or a place that is no place.
    """
    found = {}
    for index, place in fixed.items():
        point = as_place(place)
        if index not in range(count) or isinstance(index, bool) or point is None or np.isnan(point).any():
            raise UsageError(
                f"fixed[{index}]", expected=f"x, y for a keypoint from 0 to {count - 1}", got=str(place)[:40],
                fix="Give the place in pixels of the picture.",
            )  # fmt: skip
        found[index] = point
    return found


def read_off(
    found: Found, *, reach: Float[Tensor, "B"], scale: float | None
) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K 2 2"]]:
    """How sure a model is of its last layer's points, read off the similarity maps.

    Args:
        found: What it found.
        reach: How far is near enough, in crop units.
        scale: Logits of a perfect match, for a matching with a prior.

    Returns:
        Scores from 0 to 1, not calibrated: the highest logit as a share of a perfect match's; without `scale` the share
        of the map within reach of the point. And the second moment of that share about the point, to which the
        variance of a cell is added.
    """
    maps = found.match.similarity
    weight = maps.flatten(-2).softmax(dim=-1)
    grid = cell_centres(*maps.shape[-2:], like=maps).flatten(0, 1)
    away = grid - found.points[-1][:, :, None]  # [B, K, HW, 2]
    near = weight * (away.norm(dim=-1) <= reach[:, None, None])
    share = near.sum(dim=-1)
    moment = (near[..., None] * away).transpose(-1, -2) @ away / share.clamp_min(1e-6)[..., None, None]
    cell = away.new_tensor([maps.shape[-1] ** -2 / 12, maps.shape[-2] ** -2 / 12]).diag()
    score = share if scale is None else (maps.flatten(-2).amax(dim=-1) / scale).clamp(0, 1)
    return score, moment + cell
