"""Several annotators at one server: nothing is overwritten unseen, and saves stay fast while others ask the model."""

import copy
import os
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import annotating as an
import pytest
from annotator_process import Server, first_things

pytestmark = pytest.mark.enable_socket


class Other(threading.Thread):
    """A client that moves one keypoint by a pixel, again and again, on top of what the server has."""

    def __init__(self, server: Server, stored: dict[str, Any], keypoint: int, edits: int) -> None:
        super().__init__()
        self.server, self.stored, self.keypoint, self.edits = server, copy.deepcopy(stored), keypoint, edits
        self.refused = 0

    def run(self) -> None:
        done = 0
        with self.server.client() as client:
            while done < self.edits:
                draft = an.draft_of(self.stored)
                draft["points"][self.keypoint]["x"] += 1
                change = an.put_instance(draft, self.stored["revision"])
                body = {"id": an.new_id(), "client": f"c{self.keypoint}", "label": "", "changes": [change]}
                answer = client.post("/api/operations", json=body)
                if answer.status_code == 200:
                    (self.stored,) = answer.json()["changed"]["instances"]
                    done += 1
                else:
                    assert answer.status_code == 409, answer.text
                    self.stored = answer.json()["conflicts"][0]["current"]
                    self.refused += 1


@pytest.mark.parametrize("edits", [40, pytest.param(200, marks=pytest.mark.soak)])
def test_two_clients_at_once_lose_no_edit(tmp_path: Path, edits: int) -> None:
    """Each moves a keypoint of its own of one object: both arrive where both wanted."""
    an.fill(tmp_path / "project", 1)
    server = Server(tmp_path / "project")
    try:
        with server.client() as client:
            made, picture = first_things(client)
            put = an.put_instance(an.instance(picture, made))
            body = {"id": an.new_id(), "client": "me", "label": "", "changes": [put]}
            (stored,) = client.post("/api/operations", json=body).json()["changed"]["instances"]
            others = [Other(server, stored, keypoint, edits) for keypoint in (0, 1)]
            for each in others:
                each.start()
            for each in others:
                each.join()
            (found,) = client.get(f"/api/pictures/{picture['id']}").json()["instances"]
    finally:
        server.end()
    moved = [now["x"] - before["x"] for now, before in zip(found["points"], stored["points"], strict=True)]
    assert moved == pytest.approx([edits, edits, *[0] * (len(moved) - 2)])
    assert found["revision"] == stored["revision"] + 2 * edits
    assert any(each.refused for each in others), "they did not meet"


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
