"""Routes of labels in and out: import, export as one archive, and the prompt as a file."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse

from cape.annotator import schema
from cape.annotator.documents import BYTES, CategoryId, Client, OpenDesk
from cape.annotator.replies import Format, Imported

routes = APIRouter()
ARCHIVE: dict[int | str, dict[str, Any]] = {200: {"description": "A zip archive", "content": {"application/zip": {}}}}
PROMPT: dict[int | str, dict[str, Any]] = {
    200: {"description": "A .prompt file", "content": {"application/octet-stream": {}}}
}


@routes.post("/import", openapi_extra=BYTES)
async def bring_in(
    desk: OpenDesk,
    request: Request,
    id: Annotated[schema.Id, Query()],
    client: Client,
    format: Annotated[Format, Query()],
    *,
    dry_run: bool = False,
) -> Imported:
    """Labels into the project, as one operation; the body is the file, or a zip of the folder (YOLO, Label Studio).

    Pictures are matched by their relative file name, then by their bare name where that is unique. With `dry_run` it
    only says what it would do.
    """
    return await desk.transfer.bring_in(request.stream(), id, client, format, dry_run=dry_run)


@routes.get("/export", response_class=FileResponse, responses=ARCHIVE)
async def take_out(
    desk: OpenDesk,
    formats: Annotated[list[Format], Query(min_length=1, max_length=6)],
    *,
    drafts: bool = False,
    prompts: bool = True,
) -> FileResponse:
    """One archive with the accepted instances in each format, the prompts, and a text that says what a format lost."""
    return await desk.transfer.take_out(formats, drafts=drafts, prompts=prompts)


@routes.get("/categories/{category_id}/prompt", response_class=FileResponse, responses=PROMPT)
async def prompt_file(desk: OpenDesk, category_id: CategoryId) -> FileResponse:
    """The category's prompt, compiled, for `cape predict`. 409 no_prompt: there is nothing to compile."""
    return await desk.transfer.prompt_file(category_id)
