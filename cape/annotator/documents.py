"""Routes of what is stored: the project, its categories and pictures, operations, undo and redo, events."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import FileResponse, StreamingResponse

from cape.annotator import schema
from cape.annotator.desk import Desk
from cape.annotator.replies import (
    CategoryPreview,
    Operations,
    PictureDetail,
    Pictures,
    Project,
    Queue,
    SuggestedName,
    SwapDraft,
    SwapPairs,
    Uploaded,
)
from cape.annotator.schema import Category, CategoryDraft, HistoryStep, Operation, OperationDraft, PictureState

routes = APIRouter()


def desk_of(request: Request) -> Desk:
    """The open project."""
    return request.app.state.desk


OpenDesk = Annotated[Desk, Depends(desk_of)]
CategoryId = Annotated[schema.Id, Path()]
PictureId = Annotated[schema.PictureId, Path()]
Client = Annotated[schema.Id, Query()]
Sequence = Annotated[int, Query(ge=0, le=2**53)]
BYTES = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string",
         "format": "binary"}}}}}  # fmt: skip
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture, upright", "content": {"image/jpeg": {}, "image/png": {}}}
}
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-sent events", "content": {"text/event-stream": {}}}
}


@routes.get("/health")
def health(desk: OpenDesk) -> dict[str, str]:
    """Whether the server serves."""
    return {"status": "ok", "project": desk.name}


@routes.get("/project")
def project(desk: OpenDesk, client: Client) -> Project:
    """What the page asks first: categories, the model's state, limits, the client's history."""
    return desk.project(client)


@routes.get("/categories")
def categories(desk: OpenDesk, *, deleted: bool = False) -> list[Category]:
    """All categories; with `deleted=true` also those that were taken away."""
    return desk.store.categories(deleted=deleted)


@routes.post("/categories/{category_id}/preview")
def preview(desk: OpenDesk, category_id: CategoryId, draft: CategoryDraft) -> CategoryPreview:
    """What a change of a category would do to what is annotated; nothing is done."""
    return desk.preview(category_id, draft)


@routes.get("/suggest/names")
def suggest_names(
    desk: OpenDesk,
    text: Annotated[schema.Text, Query()],
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> list[SuggestedName]:
    """Keypoint names of the text packs that go on from a text."""
    return desk.suggest_names(text, limit)


@routes.post("/suggest/swap")
def suggest_swap(desk: OpenDesk, draft: SwapDraft) -> SwapPairs:
    """Left and right pairs, inferred from the names."""
    return desk.suggest_swap(draft.keypoints)


@routes.get("/pictures")
def pictures(
    desk: OpenDesk,
    offset: Sequence = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    state: PictureState | None = None,
    text: Annotated[schema.Text, Query()] = "",
) -> Pictures:
    """A stretch of the list in the order of the file names; of one state, or whose name contains a text."""
    return desk.store.pictures(offset=offset, limit=limit, state=state, text=text)


@routes.post("/pictures", openapi_extra=BYTES)
async def upload(desk: OpenDesk, request: Request, name: Annotated[schema.Name, Query()]) -> Uploaded:
    """Add one picture: the body is the file, JPEG, PNG, WebP or 8-bit TIFF; the name is only shown."""
    return await desk.upload(request.stream(), name)


@routes.get("/pictures/{picture_id}")
def picture(desk: OpenDesk, picture_id: PictureId) -> PictureDetail:
    """A picture with its instances and the predictions that are there."""
    return desk.detail(picture_id)


@routes.get("/pictures/{picture_id}/image", response_class=FileResponse, responses=PICTURE)
def image(desk: OpenDesk, picture_id: PictureId) -> FileResponse:
    """The upright picture, without metadata; never changes."""
    return desk.image(picture_id, "shown")


@routes.get("/pictures/{picture_id}/thumbnail", response_class=FileResponse, responses=PICTURE)
def thumbnail(desk: OpenDesk, picture_id: PictureId) -> FileResponse:
    """At most 256 px a side."""
    return desk.image(picture_id, "thumbnails")


@routes.post("/operations")
def operate(desk: OpenDesk, draft: OperationDraft) -> Operation:
    """Do an operation; answered once it is on disk. 409 with both versions where a revision is not the newest."""
    return desk.done(desk.operations.edit(draft))


@routes.get("/operations")
def operations(desk: OpenDesk, after: Sequence = 0, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> Operations:
    """The log after an operation."""
    return desk.operations.log(after=after, limit=limit)


@routes.post("/undo")
def undo(desk: OpenDesk, step: HistoryStep) -> Operation:
    """Undo the client's last operation that is not undone; 409 where others changed what it wrote."""
    return desk.done(desk.operations.undo(step))


@routes.post("/redo")
def redo(desk: OpenDesk, step: HistoryStep) -> Operation:
    """Do again what the client undid last."""
    return desk.done(desk.operations.redo(step))


@routes.get("/queue")
def queue(
    desk: OpenDesk, category_id: Annotated[schema.Id, Query()], limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> Queue:
    """Open pictures in the order in which looking at them pays: uncertainty x diversity, with the reasons in words."""
    return desk.queue(category_id, limit)


@routes.get("/events", response_class=StreamingResponse, responses=EVENTS)
async def events(desk: OpenDesk, request: Request, after: Sequence | None = None) -> StreamingResponse:
    """Server-sent events, each with a JSON object as its data.

    `operation` (id: its seq; data: Operation without history), `prediction` (picture_id, category_id, confidence),
    `pictures` (added, total, scanning), `model` (ModelState). The last two come at once, too, for how things stand.
    Reconnecting with Last-Event-ID, or `after`, sends the operations that were missed. `resync` (seq) comes instead
    where more than 500 were missed, and of an operation that wrote more than 500 documents: load everything again.
    """
    last = request.headers.get("last-event-id", "")
    since = int(last) if last.isascii() and last.isdigit() and len(last) < 16 else after
    return StreamingResponse(
        desk.events.stream(since, desk.operations, desk.standing),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store"},
    )
