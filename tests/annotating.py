"""What tests of the annotator share: a predictor that needs no network, drawn pictures, an open project, requests."""

import io
import re
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from starlette.testclient import TestClient

from cape.annotator.desk import Desk
from cape.annotator.server import make_app

TOKEN = "t" * 43
PORT = 8127
ADDRESS = f"http://127.0.0.1:{PORT}"
CORNERS = ((0.2, 0.2), (0.8, 0.25), (0.75, 0.8), (0.25, 0.75))
NAMES = ("left top", "right top", "right bottom", "left bottom")
WIDTH, HEIGHT = 160, 120


class Found(NamedTuple):
    """As `cape.Prediction`, as far as the annotator looks at it."""

    points: np.ndarray
    scores: np.ndarray
    presence: np.ndarray
    covariance: np.ndarray
    asked: np.ndarray
    branches: np.ndarray
    box: np.ndarray
    size: tuple[int, int]
    fixed: frozenset[int]
    confidence: float


class FakePrompt(NamedTuple):
    count: int
    shots: int

    def save(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"prompt")
        return path


def work(seconds: float) -> None:
    """Keep a core busy as a network would: in large products, which let other threads run."""
    square, until = np.ones((256, 256), dtype=np.float32), time.monotonic() + seconds
    while time.monotonic() < until:
        square @ square


class FakePredictor:
    """Puts the points where `CORNERS` says, off by less the more shots it is shown; counts what it is asked."""

    def __init__(self, *, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.batches: list[int] = []
        self.prompts = 0
        self.gate = threading.Event()
        self.gate.set()

    def prompt(
        self, *, names: Sequence[str], images: Sequence[str] = (), points: Any = None, **rest: Any
    ) -> FakePrompt:
        del points, rest
        self.prompts += 1
        return FakePrompt(len(names), len(images))

    def __call__(self, prompt: FakePrompt, images: Sequence[str], boxes: Any = None) -> list[Found]:
        self.gate.wait(20)
        work(self.seconds)
        self.batches.append(len(images))
        return [self._found(prompt, path, box) for path, box in zip(images, boxes, strict=True)]

    def refine(self, prediction: Found, *, fixed: dict[int, Any]) -> Found:
        points, move = prediction.points.copy(), np.zeros(2)
        for index, place in fixed.items():
            move = np.asarray(place) - points[index]
        points = points + move
        return prediction._replace(points=points, fixed=frozenset(fixed))

    def search(self, prompt: FakePrompt, images: Sequence[str], *, most: int) -> Any:
        for path in images:
            yield [self._found(prompt, path, None) for _ in range(min(most, 2))]

    def _found(self, prompt: FakePrompt, path: str, box: Any) -> Found:
        with Image.open(path) as picture:
            size, mean = picture.size, np.asarray(picture.convert("RGB"), dtype=float).mean()
        x, y, width, height = (0, 0, *size) if box is None else box
        off = 0.1 / (1 + prompt.shots)
        corners = np.array([CORNERS[index % 4] for index in range(prompt.count)])
        points = (corners + off) * (width, height) + (x, y)
        scores = np.linspace(0.3, 0.9, prompt.count) if prompt.count > 1 else np.array([0.5])
        ones = np.ones(prompt.count)
        return Found(
            points, scores, ones, np.tile(np.eye(2), (prompt.count, 1, 1)), ones > 0, np.stack([points, points + 1]),
            np.array([x, y, width, height], dtype=float), size, frozenset(), float(0.5 + mean / 1000),
        )  # fmt: skip


def picture_bytes(
    number: int = 0, *, format: str = "PNG", size: tuple[int, int] = (WIDTH, HEIGHT), **save: Any
) -> bytes:
    """A drawn picture, each number another."""
    picture = Image.new("RGB", size, (40 + number * 7 % 200, 90, 120))
    ImageDraw.Draw(picture).rectangle((number, 5, number + 20, 30), fill=(255, number % 256, 0))
    content = io.BytesIO()
    picture.save(content, format, **save)
    return content.getvalue()


def fill(folder: Path, count: int) -> None:
    """Pictures into a project's folder."""
    (folder / "set").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / "set" / f"{number:02d}.png").write_bytes(picture_bytes(number))


class Project:
    """An open project and a client that may ask."""

    def __init__(
        self, folder: Path, *, pictures: int = 0, predictor: Any = None, client: str = "me", **options: Any
    ) -> None:
        fill(folder, pictures)
        self.folder, self.client = folder, client
        self.predictor = predictor or FakePredictor()
        self.desk = Desk(folder, make=lambda: self.predictor, model="fake", **options)
        if pictures:
            self.desk.scan().join(60)
        self.app = make_app(self.desk, token=TOKEN, port=PORT)
        self.http = TestClient(
            self.app, base_url=ADDRESS, headers={"Authorization": f"Bearer {TOKEN}"}, raise_server_exceptions=True
        )
        self.wait_for_model()

    def wait_for_model(self) -> None:
        until = time.monotonic() + 20
        while self.desk.assistance.state.state == "loading" and time.monotonic() < until:
            time.sleep(0.01)

    def close(self) -> None:
        self.http.close()
        self.desk.close()

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        return self._checked(self.http.get(f"/api{path}", params=query), status)

    def post(self, path: str, body: Any = None, status: int = 200, **options: Any) -> Any:
        return self._checked(self.http.post(f"/api{path}", json=body, **options), status)

    def send(self, path: str, content: bytes, status: int = 200, **query: Any) -> Any:
        return self._checked(self.http.post(f"/api{path}", content=content, params=query), status)

    def operate(self, *changes: dict[str, Any], status: int = 200, name: str | None = None, label: str = "") -> Any:
        body = {"id": name or new_id(), "client": self.client, "label": label, "changes": list(changes)}
        return self.post("/operations", body, status)

    def undo(self, status: int = 200) -> Any:
        return self.post("/undo", {"id": new_id(), "client": self.client}, status)

    def redo(self, status: int = 200) -> Any:
        return self.post("/redo", {"id": new_id(), "client": self.client}, status)

    def pictures(self) -> list[dict[str, Any]]:
        return self.get("/pictures")["pictures"]

    def add_category(self, name: str = "tile", names: Sequence[str] = NAMES, **fields: Any) -> dict[str, Any]:
        answer = self.operate(put_category(category(name, names, **fields)))
        return answer["changed"]["categories"][0]

    def accept_one(self, picture: dict[str, Any], made: dict[str, Any], **fields: Any) -> dict[str, Any]:
        drafted = instance(picture, made, state="accepted", **fields)
        return self.operate(put_instance(drafted), set_picture(picture, "done"))["changed"]["instances"][0]

    @staticmethod
    def _checked(answer: Any, status: int) -> Any:
        assert answer.status_code == status, (answer.status_code, answer.text[:500])
        return answer.json() if answer.headers.get("content-type", "").startswith("application/json") else answer


def new_id() -> str:
    return uuid.uuid4().hex


def category(name: str = "tile", names: Sequence[str] = NAMES, **fields: Any) -> dict[str, Any]:
    made = {
        "id": re.sub(r"[^\w-]", "-", f"c-{name}", flags=re.ASCII)[:40],
        "name": name,
        "keypoints": [{"id": f"k{place}", "name": each} for place, each in enumerate(names)],
    }
    return made | fields


def instance(picture: dict[str, Any], made: dict[str, Any], *, move: float = 0.0, **fields: Any) -> dict[str, Any]:
    places = [(x * picture["width"] + move, y * picture["height"] + move) for x, y in CORNERS]
    points = [
        {"keypoint": each["id"], "x": x, "y": y, "visibility": 2, "source": "human"}
        for each, (x, y) in zip(made["keypoints"], places, strict=False)
    ]
    return {
        "id": new_id(), "picture_id": picture["id"], "category_id": made["id"], "points": points, "state": "draft",
    } | fields  # fmt: skip


def put_category(made: dict[str, Any], revision: int = 0) -> dict[str, Any]:
    return {"change": "put_category", "base_revision": revision, "category": made}


def put_instance(made: dict[str, Any], revision: int = 0) -> dict[str, Any]:
    return {"change": "put_instance", "base_revision": revision, "instance": made}


def set_picture(picture: dict[str, Any], state: str) -> dict[str, Any]:
    return {
        "change": "set_picture", "base_revision": picture["revision"], "picture_id": picture["id"], "state": state,
    }  # fmt: skip


def draft_of(stored: dict[str, Any]) -> dict[str, Any]:
    """A stored document as it is sent."""
    return {key: value for key, value in stored.items() if key not in ("revision", "deleted", "updated", "retired")}
