"""Routes of assistance: predictions, corrections that the others follow, shots, checks and counters."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from cape.annotator import schema
from cape.annotator.documents import CategoryId, OpenDesk
from cape.annotator.replies import (
    AcceptDraft,
    Check,
    PredictDraft,
    Prediction,
    PrefetchDraft,
    Progress,
    SearchDraft,
    ShotCheck,
    ShotDraft,
)
from cape.annotator.schema import Operation

routes = APIRouter()
Whose = Annotated[schema.Id | None, Query()]


@routes.post("/predict")
async def predict(desk: OpenDesk, request: Request, draft: PredictDraft) -> Prediction:
    """Find a category's keypoints in a picture; with `fixed` points the others follow.

    Hanging up cancels it. 409 no_prompt: the category has neither names nor an accepted instance. 503: the queue is
    full, or the model is still loading; come again after Retry-After seconds.
    """
    return await desk.assistance.predict(draft, request.is_disconnected)


@routes.post("/search")
async def search(desk: OpenDesk, request: Request, draft: SearchDraft) -> list[Prediction]:
    """Find several objects of a category in a picture, the surest first. Errors as of /predict."""
    return await desk.assistance.search(draft, request.is_disconnected)


@routes.post("/prefetch", status_code=202)
def prefetch(desk: OpenDesk, draft: PrefetchDraft) -> dict[str, int]:
    """Predict on these pictures when nothing else is to be done; `prediction` events tell when each is there."""
    return {"waiting": desk.assistance.prefetch(draft)}


@routes.post("/accept")
def accept(desk: OpenDesk, draft: AcceptDraft) -> Operation:
    """Accept all predictions that are sure enough, as one operation: their pictures are done. 409 if there is none."""
    return desk.done(desk.accept(draft))


@routes.post("/categories/{category_id}/shots")
async def grow(desk: OpenDesk, category_id: CategoryId, draft: ShotDraft) -> ShotCheck:
    """Show the model one more accepted instance, if leaving one out says that it helps, or if forced."""
    return await desk.grow(category_id, draft)


@routes.get("/checks")
def checks(desk: OpenDesk, category_id: Whose = None) -> list[Check]:
    """What looks odd in accepted instances: outliers, swapped sides, duplicate, missing and outside points."""
    return desk.checks(category_id)


@routes.get("/progress")
def progress(desk: OpenDesk, category_id: Whose = None) -> Progress:
    """Done and left, corrections per picture, time per picture and left."""
    return desk.progress(category_id)
