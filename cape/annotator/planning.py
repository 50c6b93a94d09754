"""What a prompt is made of, and predictions as the page gets them."""

import hashlib
import json
from typing import Any, NamedTuple

import numpy as np

from cape.annotator import replies, schema
from cape.annotator.review import reasons_for
from cape.annotator.schema import Category, Instance, Picture


class Plan(NamedTuple):
    """What a prompt is made of."""

    category: Category
    shots: tuple[Instance, ...]
    key: str

    @property
    def prompted(self) -> replies.Prompted:
        """By what."""
        named = any(each.name for each in self.category.keypoints)
        if self.shots:
            return "both" if named else "pictures"
        return "names" if named else "none"


def plan_of(category: Category, shots: tuple[Instance, ...]) -> Plan:
    """A plan with the key of what it is made of."""
    about = category.model_dump(include={"keypoints", "edges", "swap", "parts"})
    told = json.dumps([category.id, about, [(each.id, each.revision) for each in shots]], sort_keys=True)
    return Plan(category, shots, hashlib.sha256(told.encode()).hexdigest()[:16])


def clicks_of(instance: Instance, category: Category) -> list[list[float] | None]:
    """Places of the category's keypoints in its order; None where there is none."""
    known = {each.keypoint: each for each in instance.points if each.visibility}
    points = (known.get(each.id) for each in category.keypoints)
    return [None if each is None or each.x is None or each.y is None else [each.x, each.y] for each in points]


def reply_of(prediction: Any, picture: Picture, plan: Plan) -> replies.Prediction:
    """A prediction of the library as the page gets it."""
    x, y, width, height = map(float, prediction.box)
    points = [
        replies.PredictedPoint(
            keypoint=each.id,
            x=float(prediction.points[index][0]),
            y=float(prediction.points[index][1]),
            score=float(prediction.scores[index]),
            presence=float(prediction.presence[index]),
            covariance=np.asarray(prediction.covariance[index], dtype=float).tolist(),
            branches=np.asarray(prediction.branches)[:, index].astype(float).tolist(),
            asked=bool(prediction.asked[index]),
            fixed=index in prediction.fixed,
        )
        for index, each in enumerate(plan.category.keypoints)
    ]
    return replies.Prediction(
        picture_id=picture.id, category_id=plan.category.id, category_revision=plan.category.revision,
        prompted=plan.prompted, shots=len(plan.shots), points=points, confidence=float(prediction.confidence),
        box=schema.Box(x=x, y=y, width=max(width, 0.0), height=max(height, 0.0)),
        reasons=reasons_for(points, plan.category, picture),
    )  # fmt: skip
