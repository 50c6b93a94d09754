"""The API, all below /api; /api/openapi.json describes it, and a copy lies in web/ for the page's typed client.

    GET  /health                        whether the server serves
    GET  /project?client=               what the page asks first
    GET  /categories                    all categories
    POST /categories/{id}/preview       what a change would do to what is annotated; nothing is done
    POST /categories/{id}/shots         show the model one more accepted instance, if a leave-one-out check agrees
    GET  /categories/{id}/prompt        the compiled prompt as a file
    GET  /suggest/names?text=           names of the text packs
    POST /suggest/swap                  left and right pairs, told by the names
    GET  /pictures                      the list, in stretches
    POST /pictures?name=                add one; the body is the file
    GET  /pictures/{id}                 one with its instances and predictions; also /image and /thumbnail
    POST /operations                    every edit: documents with revisions, all or none; 409 with both versions
    GET  /operations?after=             the log
    POST /undo, /redo                   of a client's operations; they are operations, too
    POST /predict, /search, /prefetch   the model: one pose (and what follows from fixed points), several, later ones
    POST /accept                        all predictions above a probability, as one operation
    GET  /queue?category_id=            what to look at next, and why
    GET  /checks, /progress             what looks wrong; how far the work is
    POST /import?format=                labels in; the body is the file
    GET  /export?formats=               labels out, one archive
    GET  /events                        server-sent events

A session begins with GET /?token=..., which sets a cookie; programs send `Authorization: Bearer TOKEN`. Errors are
`schema.Problem`. An edit is queued by the page as it is made and sent in order; revisions go up by one an operation, so
edits that wait can count ahead, and an operation that is sent twice is done once.
"""

import json
import sys
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

import cape
from cape.annotator import documents, helping, sharing
from cape.annotator.refusing import RequestError
from cape.annotator.schema import Fault, Problem
from cape.errors import CapeError, PictureError, PromptError

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "Not JSON, or not HTTP as it should be"},
    401: {"model": Problem, "description": "No token, or another one"},
    403: {"model": Problem, "description": "Asked from another site"},
    404: {"model": Problem, "description": "There is no such thing"},
    408: {"model": Problem, "description": "The body did not come"},
    409: {"model": Problem, "description": "Somebody else was faster, or it does not fit what is there"},
    413: {"model": Problem, "description": "Too large"},
    415: {"model": Problem, "description": "Not of a kind that is read"},
    421: {"model": Problem, "description": "Meant for another host"},
    422: {"model": Problem, "description": "A value that is wrong"},
    429: {"model": Problem, "description": "Too many wrong tokens"},
    503: {"model": Problem, "description": "Busy; come again after Retry-After seconds"},
}
MOST_FAULTS = 20


def make_api() -> FastAPI:
    """The application without a project: routes and errors. `server` puts a desk and the guard to it."""
    app = FastAPI(
        title="cape annotator",
        version=cape.__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    api = APIRouter(prefix="/api", responses=REFUSALS)
    for part in (documents.routes, helping.routes, sharing.routes):
        api.include_router(part)
    api.add_api_route("/openapi.json", app.openapi, include_in_schema=False)
    app.include_router(api)
    app.add_exception_handler(CapeError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(OperationalError, _stuck)
    app.add_exception_handler(OSError, _stuck)
    app.add_exception_handler(Exception, _broken)
    return app


def description() -> str:
    """The OpenAPI description as web/openapi.json has it."""
    return json.dumps(make_api().openapi(), indent=2, ensure_ascii=True) + "\n"


def answer(status: int, problem: Problem, *, retry_after: int | None = None) -> JSONResponse:
    """An error."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return JSONResponse(problem.model_dump(mode="json"), status_code=status, headers=headers)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    del request
    if isinstance(error, RequestError):
        problem = Problem(code=error.code, message=_shown(str(error)), conflicts=error.conflicts)
        return answer(error.status, problem, retry_after=error.retry_after)
    status, code = 422, "invalid"
    if isinstance(error, PictureError):
        status, code = 415, "unreadable"
    if isinstance(error, PromptError):
        status, code = 409, "no_prompt"
    return answer(status, Problem(code=code, message=_shown(str(error))))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Which fields are wrong, without what came: it may be NaN, half a character, or a megabyte."""
    del request
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    faults = [
        Fault(field=_shown(".".join(map(str, each["loc"])))[:200], message=_shown(str(each["msg"]))[:200])
        for each in errors[:MOST_FAULTS]
    ]
    first = f"{faults[0].field}: {faults[0].message}" if faults else "the request"
    return answer(422, Problem(code="invalid", message=f"{first}. Mend the fields named.", fields=faults))


async def _plain(request: Request, error: Exception) -> JSONResponse:
    """Of the framework: no such route, no such method, not JSON."""
    del request
    status = error.status_code if isinstance(error, HTTPException) else 500
    response = answer(status, Problem(code="refused", message=HTTPStatus(status).phrase))
    response.headers.update((error.headers or {}) if isinstance(error, HTTPException) else {})
    return response


async def _stuck(request: Request, error: Exception) -> JSONResponse:
    """The disk is full, or gone: nothing was saved, and what was is whole."""
    del request
    words = _shown(str(getattr(error, "orig", None) or error))[:200]
    message = f"project: expected a disk that can be written, got {words}. Make room, and send it again."
    return answer(503, Problem(code="disk", message=message), retry_after=5)


async def _broken(request: Request, error: Exception) -> JSONResponse:
    """A fault of ours: no trace goes out."""
    del request, error
    return answer(500, Problem(code="internal", message="The server failed; its terminal says more."))


def _shown(text: str) -> str:
    """Whole characters only: what came may hold half of one."""
    return text.encode("utf-8", "replace").decode("utf-8")


if __name__ == "__main__":
    sys.stdout.write(description())
