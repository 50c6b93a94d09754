"""Errors of the annotator's API: a message as all of cape's, and the status that goes with it."""

from typing import TYPE_CHECKING

from cape.errors import CapeError

if TYPE_CHECKING:
    from cape.annotator.schema import Conflict


class RequestError(CapeError):
    """A request that cannot be done.

    Args:
        where: The thing at fault.
        status: Of HTTP, 4xx or 503.
        code: For programs, see `schema.Problem`.
        expected: What would have been right.
        got: What came instead.
        fix: What to do about it.
        conflicts: Documents that somebody else changed.
        retry_after: Seconds, for 503 and 429.
    """

    def __init__(
        self,
        where: str,
        *,
        status: int,
        code: str,
        expected: str,
        got: str,
        fix: str,
        conflicts: "list[Conflict] | None" = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(where, expected=expected, got=got, fix=fix)
        self.status, self.code = status, code
        self.conflicts = conflicts or []
        self.retry_after = retry_after


def unknown(what: str, name: str) -> RequestError:
    """404: the project has no such thing."""
    return RequestError(
        what,
        status=404,
        code="unknown",
        expected=f"a {what} of this project",
        got=name[:60],
        fix="Load the list again.",
    )


def invalid(where: str, *, expected: str, got: str, fix: str) -> RequestError:
    """422: well formed, and yet wrong."""
    return RequestError(where, status=422, code="invalid", expected=expected, got=got, fix=fix)


def busy(where: str, *, got: str, retry_after: int = 2) -> RequestError:
    """503: more than can be done; come again."""
    return RequestError(
        where, status=503, code="busy", expected="room in the queue", got=got, fix="Ask again in a moment.",
        retry_after=retry_after,
    )  # fmt: skip
