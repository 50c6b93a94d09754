"""The process: loopback, a port, the token, the page."""

import os
import secrets
import socket
import webbrowser
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from cape.annotator.api import make_api
from cape.annotator.desk import Desk
from cape.annotator.safety import Guard
from cape.errors import UsageError

STATIC = Path(__file__).parent / "static"
"""The built page; `make web` makes it."""
PORT, PORTS = 8127, 20
TOKEN = "token"
CONNECTIONS = 300
UNBUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>cape annotator</title>
<h1>The page is not built</h1>
<p>The server runs, but this checkout has no built page. In its folder run</p><pre>make web</pre>
<p>and load this again. The API is described at <a href="/api/openapi.json">/api/openapi.json</a>.</p></html>"""


def make_app(desk: Desk, *, token: str, port: int, static: Path = STATIC) -> Guard:
    """The guarded application.

    Args:
        desk: The open project.
        token: Of the project.
        port: That it will listen on.
        static: The built page's folder.
    """
    app = make_api()
    app.state.desk = desk
    _add_page(app, static)
    return Guard(app, token=token, port=port)


def token_of(folder: Path) -> str:
    """The project's token: made once, readable by its owner alone; so a page outlives a restart of the server.

    Raises:
        UsageError: It cannot be kept.
    """
    path = folder / TOKEN
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.is_file() and len(path.read_text().strip()) >= 32:
            return path.read_text().strip()
        path.unlink(missing_ok=True)
        made = secrets.token_urlsafe(32)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(made)
    except OSError as error:
        raise UsageError(
            str(path), expected="a file that can be kept", got=str(error), fix="Choose a folder."
        ) from error
    return made


def listen(port: int | None) -> socket.socket:
    """A socket on loopback, and nowhere else.

    Args:
        port: None: the first that is free from `PORT` on, so that the page usually finds its address again.

    Raises:
        UsageError: It is taken.
    """
    fault = ""
    for each in range(PORT, PORT + PORTS) if port is None else [port]:
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", each))
            found.listen()  # who is told the address may come before the server is up: he waits, and is not refused
            return found
        except (OSError, OverflowError) as error:
            fault = str(error)
            found.close()
    raise UsageError("--port", expected="a free port", got=fault, fix="Give another, or 0 for any.")


def serve(
    folder: Path, *, make: Callable[[], Any] | None, model: str, port: int | None, browser: bool,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Serve a project until somebody ends it.

    Args:
        folder: Of the project.
        make: Makes the predictor, in a thread of its own; None: there is no model.
        model: Its name.
        port: See `listen`.
        browser: Open the page.
        say: Told the address.

    Raises:
        UsageError: The folder or the port cannot be used.
    """
    desk = Desk(folder, make=make, model=model)
    try:
        token = token_of(desk.folder)
        with listen(port) as sock:
            number = sock.getsockname()[1]
            config = uvicorn.Config(
                make_app(desk, token=token, port=number), log_level="warning", access_log=False, server_header=False,
                limit_concurrency=CONNECTIONS, timeout_graceful_shutdown=3, timeout_keep_alive=20, http="h11",
                ws="none", lifespan="off", proxy_headers=False,
            )  # fmt: skip
            address = f"http://127.0.0.1:{number}/?token={token}"
            say(f"The project {desk.name} is at\n\n    {address}\n\nCtrl-C ends it; everything is saved as you go.")
            if browser:
                opening = Timer(1.0, webbrowser.open, (address,))
                opening.daemon = True
                opening.start()
            desk.scan()
            _Server(config, desk).run(sockets=[sock])
    finally:
        desk.close()


class _Server(uvicorn.Server):
    """Ends the streams of events first: they would wait for ever."""

    def __init__(self, config: uvicorn.Config, desk: Desk) -> None:
        super().__init__(config)
        self._desk = desk

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Of Ctrl-C and SIGTERM: end in order, and without the signal being raised again; the second time at once."""
        del sig, frame
        self._desk.events.close()
        self.force_exit, self.should_exit = self.should_exit, True


def _add_page(app: FastAPI, static: Path) -> None:
    if (static / "index.html").is_file():
        app.mount("/", StaticFiles(directory=static, html=True))
        return
    app.add_api_route("/", lambda: UNBUILT, response_class=HTMLResponse, include_in_schema=False)
