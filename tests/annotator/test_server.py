"""`cape.annotator.server`: the real process, killed while it saves, and ended."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import annotating as an
import httpx
import pytest
from annotator_process import Server, first_things

from cape.annotator.server import listen, token_of
from cape.errors import UsageError

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    an.fill(tmp_path / "project", 3)
    running = Server(tmp_path / "project")
    yield running
    if running.process.poll() is None:
        running.end()


class Saver(threading.Thread):
    """A page with an outbox: it sends an edit until it is acknowledged, then the next one."""

    def __init__(self, server: Server, made: dict[str, Any], picture: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.server, self.draft = server, an.instance(picture, made)
        self.acknowledged: list[str] = []
        self.repeated = 0
        self.enough = threading.Event()

    def run(self) -> None:
        client = self.server.client()
        while not self.enough.is_set():
            number = len(self.acknowledged)
            change = an.put_instance(self.draft | {"score": number % 100 / 100}, number)
            body = {"id": f"op-{number}", "client": "me", "label": "", "changes": [change]}
            while not self.enough.is_set():
                try:
                    answer = client.post("/api/operations", json=body)
                except (httpx.TransportError, OSError):
                    time.sleep(0.02)
                    continue
                assert answer.status_code == 200, answer.text
                self.repeated += answer.json()["repeated"]
                self.acknowledged.append(body["id"])
                break
        client.close()


def killed(server: Server, times: int) -> Saver:
    with server.client() as client:
        made, picture = first_things(client)
    saver = Saver(server, made, picture)
    saver.start()
    for number in range(times):
        time.sleep(0.25 + 0.037 * (number % 7))
        server.kill()
        server.start()
    time.sleep(0.2)
    saver.enough.set()
    saver.join(20)
    return saver


def check_saved(server: Server, saver: Saver) -> None:
    server.end()
    file = sqlite3.connect(server.folder / "project.sqlite")
    try:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        logged = [row[0] for row in file.execute("SELECT id FROM operation WHERE id LIKE 'op-%' ORDER BY seq")]
        (revision,) = file.execute("SELECT revision FROM instance").fetchone()
    finally:
        file.close()
    assert logged[: len(saver.acknowledged)] == saver.acknowledged
    assert len(set(logged)) == len(logged) == revision
    assert len(logged) - len(saver.acknowledged) <= 1  # the one that was on its way


def test_five_kills_lose_nothing_and_repeat_nothing(server: Server) -> None:
    saver = killed(server, 5)
    assert len(saver.acknowledged) > 20
    check_saved(server, saver)


@pytest.mark.soak
def test_two_hundred_kills(server: Server) -> None:
    check_saved(server, killed(server, 200))


def told(lines: Iterator[str], count: int) -> Iterator[tuple[str, Any]]:
    """So many events of a stream: kind and data. A heartbeat comes every 15 s."""
    until = time.monotonic() + 20
    while count:
        assert time.monotonic() < until, "no event"
        kind, _, rest = next(lines).partition(": ")
        if kind == "event":
            yield rest, json.loads(next(lines).removeprefix("data: "))
            count -= 1


def test_it_ends_when_it_is_told_to_even_while_a_page_listens(server: Server) -> None:
    with server.client() as client, client.stream("GET", "/api/events") as events:
        assert next(events.iter_lines()) == "retry: 1000"
        began = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - began < 8


def test_a_second_server_is_kept_out(server: Server, refused: Any) -> None:
    from cape.annotator.store import Store

    with refused(UsageError, "already"):
        Store(server.folder)


def test_a_page_hears_of_other_pages_and_of_what_it_missed(server: Server) -> None:
    with server.client() as client:
        first_things(client)
        with client.stream("GET", "/api/events", headers={"Last-Event-ID": "0"}) as events:
            lines = events.iter_lines()
            kinds, news = zip(*told(lines, 3), strict=True)
            with server.client() as other:
                answer = other.post("/api/undo", json={"id": "u1", "client": "me"})
            (live,) = told(lines, 1)
    assert kinds == ("model", "pictures", "operation")
    assert news[2]["kind"] == "edit"
    assert live[0] == "operation" and live[1]["seq"] == answer.json()["seq"]


def test_a_page_hears_on_listening_how_things_stand(server: Server) -> None:
    """Else one that asked before the model was there, and listened after that was told, would wait for ever."""
    with server.client() as client, client.stream("GET", "/api/events") as events:
        (_, model), (_, pictures) = told(events.iter_lines(), 2)
        assert model == client.get("/api/project", params={"client": "me"}).json()["model"]
    assert pictures.keys() == {"added", "scanning", "total"} and pictures["added"] == []


def test_the_token_is_kept_and_is_nobody_elses(server: Server) -> None:
    path = server.folder / "token"
    assert path.stat().st_mode & 0o777 == 0o600
    assert token_of(server.folder) == path.read_text()
    assert token_of(server.folder.parent / "other") != path.read_text()


def test_a_slow_body_and_a_lying_length(server: Server) -> None:
    import socket

    token = token_of(server.folder)
    head = f"POST /api/undo HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {token}\r\n"
    for more, code in (
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"4"),
        ("Content-Length: -5\r\n\r\n", b"400"),
        ("Content-Length: 99999999999\r\n\r\n", b"413"),
        ("X: " + "a" * 70_000 + "\r\n\r\n", b"4"),
        ("X: y\r\n" * 20_000 + "\r\n", b"4"),
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
            try:
                raw.sendall((head + more).encode())
                answer = raw.recv(200)
            except ConnectionError:
                answer = b""
            assert not answer or answer.split(b" ")[1].startswith(code), (more[:40], answer)
    with server.client() as client:
        assert client.get("/api/health").status_code == 200


def test_who_comes_before_the_server_is_up_waits_and_is_not_refused() -> None:
    import socket

    with listen(0) as found, socket.create_connection(found.getsockname(), timeout=5) as early:
        assert early.getpeername() == found.getsockname()
