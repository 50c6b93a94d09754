"""`cape.annotator.server`: the real process, killed while it saves, ended, and under load."""

import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import annotating as an
import httpx
import pytest

from cape.annotator.server import listen, token_of
from cape.errors import UsageError

TESTS = Path(__file__).parents[1]
pytestmark = pytest.mark.enable_socket


class Server:
    """A server process that can be killed and started again at the same address."""

    def __init__(self, folder: Path, *, seconds: float = 0.0) -> None:
        self.folder, self.seconds = folder, seconds
        with listen(0) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
        command = [
            sys.executable,
            str(TESTS / "annotator_server.py"),
            str(self.folder),
            str(self.port),
            str(self.seconds),
        ]
        self.process = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        until = time.monotonic() + 180
        while time.monotonic() < until:
            try:
                with self.client() as client:
                    state = client.get("/api/project", params={"client": "me"}).json()
                if state["model"]["state"] == "ready" and not state["scanning"]:
                    return
            except (httpx.TransportError, OSError):
                pass
            assert self.process.poll() is None, self.process.stderr.read()[-2000:]
            time.sleep(0.05)
        raise AssertionError("the server did not start")

    def client(self, **options: Any) -> httpx.Client:
        token = token_of(self.folder)
        # Without TLS there is nothing to verify; reading the certificates takes longer than a hundred saves
        tokened = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.address, headers=tokened, timeout=20, verify=False, **options)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        self.process.stderr.close()
        return code


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    an.fill(tmp_path / "project", 3)
    running = Server(tmp_path / "project")
    yield running
    if running.process.poll() is None:
        running.end()


def first_things(client: httpx.Client) -> tuple[dict[str, Any], dict[str, Any]]:
    """A category, and the first picture."""
    body = {"id": an.new_id(), "client": "me", "label": "", "changes": [an.put_category(an.category())]}
    made = client.post("/api/operations", json=body).json()["changed"]["categories"][0]
    return made, client.get("/api/pictures").json()["pictures"][0]


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
            head = [next(lines) for _ in range(5)]
    assert head[2:4] == ["id: 1", "event: operation"]
    assert '"kind":"edit"' in head[4]


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


@pytest.mark.soak
def test_load(tmp_path: Path) -> None:
    """20 annotators that save once a second and ask every five seconds, then 40 predictions a second on top."""
    an.fill(tmp_path / "project", 20)
    server = Server(tmp_path / "project", seconds=0.1)
    try:
        load_and_check(server, tmp_path)
    finally:
        server.end()


def load_and_check(server: Server, tmp_path: Path) -> None:
    with server.client() as client:
        made, _ = first_things(client)
        pictures = client.get("/api/pictures").json()["pictures"]
    _Load(server, made, pictures, every=1.0).run(3)  # threads and caches of the server's first moments
    before, cpu = server_seq(server), cpu_seconds(server)
    calm, flood = _Load(server, made, pictures, every=5.0), _Load(server, made, pictures, every=0.5)
    seconds = float(os.environ.get("CAPE_LOAD_SECONDS", "120"))
    calm.run(seconds)
    busy = (cpu_seconds(server) - cpu) / seconds
    flood.run(seconds / 4)
    told = f"calm: {calm.summary()}; the server took {busy:.2f} of a core\nflood: {flood.summary()}\n"
    Path(os.environ.get("CAPE_LOAD_REPORT", tmp_path / "load.txt")).write_text(told)
    assert server_seq(server) == before + len(calm.saves) + len(flood.saves)
    assert not calm.wrong
    assert not flood.wrong
    assert calm.at(calm.saves, 95) < 0.1
    assert flood.at(flood.saves, 95) < 0.25
    assert not flood.refused or flood.at(flood.refused, 95) < 0.25


def cpu_seconds(server: Server) -> float:
    """What the process has used so far; on a machine that others use, times alone say little."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def server_seq(server: Server) -> int:
    """Operations that the log has."""
    with server.client() as client:
        return client.get("/api/operations", params={"after": 0, "limit": 1}).json()["seq"]


class _Load:
    """Annotators at once; times in seconds."""

    def __init__(self, server: Server, made: dict[str, Any], pictures: list[dict[str, Any]], *, every: float) -> None:
        self.server, self.made, self.pictures, self.every = server, made, pictures, every
        self.saves: list[float] = []
        self.predictions: list[float] = []
        self.refused: list[float] = []
        self.wrong: list[str] = []

    def run(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        threads = [
            threading.Thread(target=work, args=(number, until))
            for number in range(20)
            for work in (self.save, self.ask)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def save(self, number: int, until: float) -> None:
        picture = self.pictures[number]
        draft, revision = an.instance(picture, self.made), 0  # each run another instance
        time.sleep(number / 20)
        with self.server.client() as client:
            while time.monotonic() < until:
                body = {
                    "id": an.new_id(),
                    "client": f"c{number}",
                    "label": "",
                    "changes": [an.put_instance(draft, revision)],
                }
                began = time.monotonic()
                answer = client.post("/api/operations", json=body)
                self.saves.append(time.monotonic() - began)
                if answer.status_code != 200:
                    self.wrong.append(answer.text)
                revision += 1
                time.sleep(max(0.0, 1 - (time.monotonic() - began)))

    def ask(self, number: int, until: float) -> None:
        time.sleep(self.every * number / 20)
        box = {"x": 0.0, "y": 0.0, "width": 50.0, "height": 50.0}
        with self.server.client() as client:
            while time.monotonic() < until:
                box["x"] += 0.01  # another question each time
                body = {"picture_id": self.pictures[number]["id"], "category_id": self.made["id"], "box": box}
                began = time.monotonic()
                answer = client.post("/api/predict", json=body)
                took = time.monotonic() - began
                if answer.status_code == 503:
                    self.refused.append(took)
                    assert answer.headers["retry-after"]
                elif answer.status_code == 200:
                    self.predictions.append(took)
                else:
                    self.wrong.append(answer.text)
                time.sleep(max(0.0, self.every - (time.monotonic() - began)))

    @staticmethod
    def at(values: list[float], percent: int) -> float:
        return statistics.quantiles(values, n=100)[percent - 1] if len(values) > 1 else 0.0

    def summary(self) -> str:
        told = {"saves": self.saves, "predictions": self.predictions, "refused": self.refused}
        return ", ".join(
            f"{name} {len(each)} (p50 {self.at(each, 50) * 1000:.0f} ms, p95 {self.at(each, 95) * 1000:.0f} ms)"
            for name, each in told.items()
        )
