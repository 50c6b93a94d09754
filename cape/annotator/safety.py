"""The guard before everything: who may ask, from where, how much, and what a browser may do with the answer.

Any page of any site can send requests to a server on this machine, and a name that resolves to 127.0.0.1 makes them
same-origin. So, as Jupyter does: the Host must be a name of loopback with our port, an Origin must be ours, another
site's request is refused whatever it asks, and nothing is answered without the project's token, once in the address and
from then on in a cookie that only our own pages send (SameSite=Strict), or in the Authorization header of a program.
"""

import asyncio
import hmac
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException

from cape.annotator.schema import Problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

METHODS = {"GET", "HEAD", "POST"}
BODIES = {"/api/pictures": 50 * 2**20, "/api/import": 200 * 2**20}
BODY = 4 * 2**20
"""Bytes of a request that is not listed in `BODIES`."""
STALL, SLOWEST = 20.0, 300.0
"""Seconds that a body may take for its next bytes, and in all."""
MOST_WRONG, MINUTE = 100, 60.0
"""Wrong tokens a minute, after which wrong ones are answered 429."""
HEADERS = (
    (b"content-security-policy",
     b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
     b"font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)  # fmt: skip
_HOST = re.compile(r"(?i)(?:127\.0\.0\.1|localhost|\[::1\])(?::(\d{1,5}))?")
DOOR = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>cape annotator</title>
<h1>This project needs its token</h1>
<p>Open the address that <code>cape annotate</code> printed in its terminal, or paste the token from there:</p>
<form method="get" action="/"><label>Token <input name="token" autocomplete="off" autofocus></label>
<button>Open</button></form></html>"""


class Guard:
    """ASGI middleware, outermost, for HTTP and web sockets alike (of which there are none).

    Args:
        app: What is guarded.
        token: Of the project.
        port: That the server listens on.
    """

    def __init__(self, app: App, *, token: str, port: int) -> None:
        self._app, self._token, self._port = app, token, port
        self.cookie = f"cape-annotator-{port}"  # cookies do not know ports: two projects must not share one
        self._wrong: deque[float] = deque(maxlen=MOST_WRONG)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = _headers(scope)
        guarded = _with_headers(send, scope["path"])
        refusal = self._foreign(scope, headers) or self._unproven(scope, headers) or _unfit(scope, headers)
        if refusal is not None:
            await _refuse(scope, guarded, *refusal)
        elif scope["path"] == "/" and "token" in _query(scope):
            await self._enter(guarded)
        else:
            await self._app(scope, _limited(receive, BODIES.get(scope["path"], BODY)), guarded)

    def _foreign(self, scope: Scope, headers: dict[str, list[str]]) -> tuple[int, str] | None:
        """Why a request is none of our own pages' or programs'."""
        hosts, origins = headers.get("host", []), headers.get("origin", [])
        if len(hosts) != 1:
            return 400, "exactly one Host header"
        host = _HOST.fullmatch(hosts[0])
        if host is None or (host[1] is not None and int(host[1]) != self._port):
            return 421, f"127.0.0.1:{self._port} or localhost:{self._port} as Host"
        if len(origins) > 1 or (origins and origins[0].lower() != f"http://{hosts[0]}".lower()):
            return 403, "our own Origin"
        if set(headers.get("sec-fetch-site", [])) - {"same-origin", "none"}:
            navigating = headers.get("sec-fetch-mode") == ["navigate"] and headers.get("sec-fetch-dest") == ["document"]
            # A link to the start page may stand anywhere: our cookie does not come with it.
            if not (navigating and scope["path"] == "/" and scope["method"] == "GET"):
                return 403, "a request of our own page"
        return None

    def _unproven(self, scope: Scope, headers: dict[str, list[str]]) -> tuple[int, str] | None:
        """Why somebody may not ask."""
        given = _authorization(headers)
        cookies = [] if given is not None else _cookies(headers, self.cookie)
        if given is None and scope["path"] == "/" and scope["method"] == "GET":
            given = _query(scope).get("token")
        shown = [given] if given is not None else cookies
        if any(hmac.compare_digest(each.encode(), self._token.encode()) for each in shown):
            by_cookie, unsafe = given is None, scope["method"] not in ("GET", "HEAD")
            ours = "origin" in headers or headers.get("sec-fetch-site") == ["same-origin"]
            return (403, "an Origin with what a page sends") if by_cookie and unsafe and not ours else None
        now = time.monotonic()
        often = len(self._wrong) == MOST_WRONG and now - self._wrong[0] < MINUTE
        if shown:
            self._wrong.append(now)
        return (429, "fewer wrong tokens") if often and shown else (401, "the project's token")

    async def _enter(self, send: Send) -> None:
        """The token goes from the address into a cookie, so that it is not in the history or on the screen."""
        cookie = f"{self.cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
        headers = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _unfit(scope: Scope, headers: dict[str, list[str]]) -> tuple[int, str] | None:
    """Why a request cannot be read."""
    if scope["method"] not in METHODS:
        return 405, "GET, HEAD or POST"
    if set(headers.get("content-encoding", [])) - {"identity"}:
        return 415, "a body that is not compressed"
    length = headers.get("content-length", ["0"])[-1]
    if not (length.isascii() and length.isdigit()):
        return 400, "a length that is a number"
    most = BODIES.get(scope["path"], BODY)
    if int(length[:20]) > most:
        return 413, f"at most {most} bytes"
    return None


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in scope["headers"]:
        found.setdefault(key.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _query(scope: Scope) -> dict[str, str]:
    try:
        return dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), max_num_fields=100))
    except ValueError:
        return {}


def _authorization(headers: dict[str, list[str]]) -> str | None:
    values = headers.get("authorization")
    if values is None:
        return None
    kind, _, given = values[0].partition(" ")
    return given.strip() if kind.lower() in ("bearer", "token") else ""


def _cookies(headers: dict[str, list[str]], name: str) -> list[str]:
    pairs = (pair.strip().partition("=") for line in headers.get("cookie", []) for pair in line.split(";"))
    return [value for key, _, value in pairs if key == name]


def _limited(receive: Receive, most: int) -> Receive:
    """Receive that ends a body which is too large or too slow, whatever its head promised."""
    taken, began, whole = 0, time.monotonic(), False

    async def limited() -> MutableMapping[str, Any]:
        nonlocal taken, whole
        if whole:  # after the body it only waits for the client to hang up
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), STALL)
        except TimeoutError:
            raise HTTPException(408) from None
        taken += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if taken > most:
            raise HTTPException(413)
        if not whole and time.monotonic() - began > SLOWEST:
            raise HTTPException(408)
        return message

    return limited


def _with_headers(send: Send, path: str) -> Send:
    async def guarded(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            listed = list(message.get("headers", []))
            if path.startswith("/api") and not any(key.lower() == b"cache-control" for key, _ in listed):
                listed.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*listed, *HEADERS]}
        await send(message)

    return guarded


async def _refuse(scope: Scope, send: Send, status: int, expected: str) -> None:
    page = status == 401 and scope["path"] == "/" and scope["method"] == "GET"
    problem = Problem(code=_CODES[status], message=f"request: expected {expected}, got another. Mend the request.")
    body = DOOR if page else problem.model_dump_json().encode()
    kind = b"text/html; charset=utf-8" if page else b"application/json"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD, POST"))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == 429:
        headers.append((b"retry-after", b"60"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


_CODES = {
    400: "malformed", 401: "no_token", 403: "forbidden", 405: "refused", 413: "too_large", 415: "unreadable",
    421: "forbidden", 429: "too_many",
}  # fmt: skip
