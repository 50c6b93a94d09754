"""Whether one more accepted picture, shown to the model, makes it better.

Accepted pictures that it is not shown are asked, each with the prompt as it is and as it would be.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cape.annotator.assistance import Asked, Assistance
from cape.annotator.planning import Plan, clicks_of, plan_of
from cape.annotator.schema import Instance, Picture

MOST_ASKED = 8
"""Pictures that are asked: each costs two looks."""


class Verdict(NamedTuple):
    """What the pictures said; errors are mean distances in longest sides of the object."""

    pictures: int
    before: float | None
    after: float | None

    @property
    def helps(self) -> bool:
        """Also where there is nobody to ask."""
        return self.before is None or self.after is None or self.after < self.before

    @property
    def words(self) -> str:
        """For people."""
        if self.before is None or self.after is None:
            return "There is no other accepted picture to ask: the model is shown it."
        told = f"mean error on {self.pictures} other pictures {self.before:.3f} without it, {self.after:.3f} with it"
        return f"It helps: {told}." if self.helps else f"It does not help: {told}."


def check_shot(
    assistance: Assistance, plan: Plan, candidate: Instance, others: Sequence[tuple[Instance, Picture]]
) -> Verdict:
    """Ask accepted pictures about one more shot; in the worker's thread only.

    Args:
        assistance: Has the model.
        plan: Of the prompt as it is.
        candidate: That may become a shot.
        others: Accepted instances with their pictures; shots among them are left out.
    """
    shown = {each.id for each in (*plan.shots, candidate)}
    asked = [each for each in others if each[0].id not in shown and each[1].id != candidate.picture_id][-MOST_ASKED:]
    if not asked or not plan.shots:
        return Verdict(0, None, None)
    longer = plan_of(plan.category, (*plan.shots, candidate))
    before, after = (_error(assistance, each, asked) for each in (plan, longer))
    return Verdict(len(asked), before, after)


def _error(assistance: Assistance, plan: Plan, asked: Sequence[tuple[Instance, Picture]]) -> float:
    looks = [
        Asked(picture, each.box and (each.box.x, each.box.y, max(each.box.width, 1.0), max(each.box.height, 1.0)))
        for each, picture in asked
    ]
    found = assistance.found(assistance.compiled(plan), looks)
    errors = []
    for prediction, (instance, _) in zip(found, asked, strict=True):
        clicks = [each or (np.nan, np.nan) for each in clicks_of(instance, plan.category)]
        truth = np.asarray(clicks, dtype=float)
        there = np.isfinite(truth[:, 0])
        side = max(float(np.ptp(truth[there], axis=0).max()), 1.0) if there.any() else 1.0
        away = np.linalg.norm(np.asarray(prediction.points)[there] - truth[there], axis=1) / side
        errors.append(float(away.mean()) if there.any() else 0.0)
    return float(np.mean(errors))
