"""How far a predictor's answers can be trusted: by its calibrated head, and by what somebody has checked since."""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cape.data.inputs import as_place
from cape.errors import UsageError
from cape.evaluation.recalibration import Isotonic, fit_isotonic
from cape.models.calibration import CalibratedPose
from cape.models.fewshot import FewShotPose
from cape.prediction import Prediction, told
from cape.structures import Found, Tokens

NEAR = 0.2
"""What counts as found, in longest sides of the box: PCK's usual threshold."""
FOLDS = 5
"""Of the corrections, to see whether what is fitted to some of them holds for the others."""


class Judge:
    """Gives a few-shot model's answers their scores.

    Args:
        page: The model with its calibrated head; None: scores are read off the similarity maps.

    Attributes:
        curve: What `fit` made of the scores; None: they are the page's.
    """

    def __init__(self, page: CalibratedPose | None) -> None:
        self.page = page
        self.curve: Isotonic | None = None

    @property
    def fingerprint(self) -> str:
        """16 hex digits that tell this head and curve from others; "" without a head."""
        if self.page is None:
            return ""
        found = hashlib.sha256(repr(self.curve).encode())
        for name, value in sorted({**self.page.head.state_dict(), "knots": self.page.knots}.items()):
            found.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()[:16]

    def told(
        self, model: FewShotPose, found: Found, tokens: Tokens, feature: Float[Tensor, "B C H W"],
        drafts: Sequence[Prediction],
    ) -> list[Prediction]:  # fmt: skip
        """What a model found, in pixels, with its scores.

        Args:
            model: Which found it.
            found: Of a batch.
            tokens: What it was asked.
            feature: Of the pictures.
            drafts: As `prediction.draft_of` makes them, one a row.
        """
        prior, verdict = model.matching.log_prior, None
        if self.page is not None:
            with torch.inference_mode():
                verdict = self.page.judge((self.page.reader.evidence(model, found, tokens, feature),))
        scale = None if prior is None else float(prior.detach().exp())
        answers = told(found, drafts, near=NEAR, scale=scale, verdict=verdict)
        if self.curve is None:
            return answers
        return [each._replace(scores=self.curve.apply(each.scores) * each.asked) for each in answers]

    def fit(self, predictions: Sequence[Prediction], truth: Sequence[Any]) -> "Refit":
        """See `Predictor.recalibrate`."""
        scores, right = checked(predictions, truth)
        curve = fit_isotonic(scores, right)
        fold = np.random.default_rng(0).permutation(len(scores)) % FOLDS
        held = np.empty_like(scores)
        for each in range(FOLDS):
            rest = fit_isotonic(scores[fold != each], right[fold != each], minimum=1)
            held[fold == each] = rest.apply(scores[fold == each])
        before, after = (float(np.square(told - right).mean()) for told in (scores, held))
        self.curve = curve if after < before else None
        return Refit(len(scores), before, after)


class Refit(NamedTuple):
    """What corrections made of the scores."""

    keypoints: int
    """How many were checked."""
    before: float
    """Brier score of the model's own scores: mean squared distance from what is true."""
    after: float
    """That of refitted ones, each fitted to other keypoints. Only where it is lower, the scores are the refitted."""


def checked(
    predictions: Sequence[Prediction], truth: Sequence[Any]
) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N"]]:
    """The model's own scores of keypoints, and whether they were right, of those that the truth has.

    Args:
        predictions: As they were, before anything was corrected.
        truth: The right places in pixels, K a prediction, None where the picture does not show a keypoint.

    Raises:
        UsageError: Not one truth a prediction, or not one place a keypoint.
    """
    if len(truth) != len(predictions):
        raise UsageError(
            "truth", expected=f"{len(predictions)} poses, one a prediction", got=str(len(truth)), fix="Give as many."
        )
    scores, right = [np.zeros(0)], [np.zeros(0)]
    for each, places in zip(predictions, truth, strict=True):
        known = [None if place is None else as_place(place) for place in places]
        if len(known) != len(each.points):
            raise UsageError(
                "truth", expected=f"{len(each.points)} places", got=str(len(known)), fix="Give one a keypoint, or None."
            )
        there = np.array([place is not None and np.isfinite(place).all() for place in known]) & each.asked
        goal = np.array([place if shown else (0, 0) for place, shown in zip(known, there, strict=True)])
        away = np.linalg.norm(each.points - goal, axis=1)
        scores.append(each.seen.scores[there])
        right.append((away < NEAR * each.seen.side)[there].astype(np.float64))
    return np.concatenate(scores), np.concatenate(right)
