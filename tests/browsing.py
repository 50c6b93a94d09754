"""What tests of the annotator's page share: drawn pictures, a real server, a real browser, and a hand."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFilter

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "cape" / "annotator" / "static" / "index.html"
SEEN_WIDTH, SEEN_HEIGHT = 1280, 720
"""Of a laptop with 13 inches."""
PATIENCE = 30_000
"""Milliseconds that something on the page may take on a busy machine."""

ROCKET = {
    "nose": (0, -50),
    "window": (0, -14),
    "left shoulder": (-17, -22),
    "right shoulder": (17, -22),
    "left fin": (-38, 44),
    "right fin": (38, 44),
    "left engine": (-10, 40),
    "right engine": (10, 40),
}
"""A category that cape-lite was not trained on: its points, in hundredths of its size, upright."""
EDGES = ((0, 1), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7))


def draw_rocket(seed: int, side: int = 360) -> tuple[Image.Image, Float[np.ndarray, "K 2"]]:
    """A picture of a rocket and where its points are."""
    random = np.random.default_rng(seed)
    angle, scale = np.deg2rad(random.uniform(-25, 25)), side * random.uniform(0.0055, 0.0075)
    middle = side / 2 + random.uniform(-0.08, 0.08, 2) * side
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def put(points: Any) -> list[tuple[float, float]]:
        placed = np.asarray(points, dtype=float) @ turn.T * scale + middle
        return [(float(x), float(y)) for x, y in placed]

    noise = random.integers(60, 200, (12, 12, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(2))
    canvas = ImageDraw.Draw(picture)
    body, fin = (tuple(int(c) for c in random.integers(120, 250, 3)) for _ in range(2))
    canvas.polygon(put([(-17, -22), (-38, 44), (-10, 40)]), fill=fin)
    canvas.polygon(put([(17, -22), (38, 44), (10, 40)]), fill=fin)
    canvas.polygon(put([(0, -50), (17, -22), (17, 30), (10, 40), (-10, 40), (-17, 30), (-17, -22)]), fill=body)
    canvas.polygon(put([(0, -50), (9, -35), (-9, -35)]), fill=(200, 40, 40))
    window = [(6 * np.cos(t), -14 + 6 * np.sin(t)) for t in np.linspace(0, 6.28, 24)]
    canvas.polygon(put(window), fill=(30, 60, 110), outline=(240, 240, 240))
    return picture, np.array(put(list(ROCKET.values())))


def find_chromium() -> str:
    """The system's chromium; without one the test is skipped, in CI it fails."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        reason = "no chromium: install the system's (Debian: apt-get install chromium)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    if not PAGE.is_file():
        pytest.fail("the page is not built: make web")
    return found


class Server(NamedTuple):
    """A server process of a project."""

    process: "subprocess.Popen[str]"
    address: str
    """With the token."""


@contextmanager
def serving(folder: Path, *, model: str = "cape-lite", seconds: float = 60) -> Iterator[Server]:
    """`cape annotate FOLDER`, ended by Ctrl-C."""
    command = [sys.executable, str(REPOSITORY / "tools" / "annotate.py"), str(folder), "--no-browser", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [*command, "--model", model], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    said: list[str] = []
    assert process.stdout is not None
    try:
        for line in process.stdout:
            said.append(line)
            found = re.search(r"http://\S+token=\S+", line)
            if found:
                yield Server(process, found.group(0))
                return
        pytest.fail(f"the server did not start: {''.join(said)}")
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        process.stdout.close()


class Hand:
    """Somebody who works with the page.

    Args:
        page: Playwright's.
        folder: Where screenshots go; None: nowhere.
    """

    def __init__(self, page: Any, folder: Path | None = None) -> None:
        self.page, self._folder, self._shots = page, folder, 0
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))

    def shoot(self, name: str) -> None:
        """Keep a screenshot."""
        self._shots += 1
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=self._folder / f"{self._shots:02d}_{name}.png")

    def view(self) -> tuple[float, float, float]:
        """Scale of the picture on the screen, and the screen place of its corner."""
        told = self.page.locator(".stage svg > g").get_attribute("transform")
        scale, _, _, _, x, y = map(float, re.findall(r"-?[\d.]+(?:e[-+]?\d+)?", told))
        edge = self.page.locator(".stage").bounding_box()
        return scale, x + edge["x"], y + edge["y"]

    def on_screen(self, point: Any) -> tuple[float, float]:
        """Where a place of the picture is; the centre of its first pixel is 0, 0."""
        scale, x, y = self.view()
        return (float(point[0]) + 0.5) * scale + x, (float(point[1]) + 0.5) * scale + y

    def click(self, point: Any) -> None:
        """On the picture."""
        self.page.mouse.move(*self.on_screen(point))
        self.page.mouse.down()
        self.page.mouse.up()

    def drag(self, index: int, to: Any) -> None:
        """A keypoint to another place."""
        (x, y), (u, v) = self.on_screen(self.points()[index]), self.on_screen(to)
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move((x + u) / 2, (y + v) / 2)
        self.page.mouse.move(u, v)
        self.page.mouse.up()

    def points(self) -> dict[int, tuple[float, float]]:
        """Keypoints that are drawn, by their place in the category."""
        script = "all => all.map(e => [+e.dataset.point, +e.dataset.x, +e.dataset.y])"
        told = self.page.locator(".active [data-point]").evaluate_all(script)
        return {int(index): (x, y) for index, x, y in told}

    def saved(self) -> None:
        """Wait until everything is on the server's disk."""
        self.page.locator('.saved[data-state="saved"]').wait_for()

    def counted(self, done: int, left: int) -> None:
        """Wait for the counters."""
        self.page.get_by_text(re.compile(rf"^{done} done, {left} left$")).wait_for()

    def api(self, path: str, body: Any = None) -> Any:
        """What the server answers to the page."""
        script = """([path, body]) => fetch(path, body === null ? {} : {method: "POST", body: JSON.stringify(body),
            headers: {"Content-Type": "application/json"}}).then(answer => answer.text())"""
        return json.loads(self.page.evaluate(script, [path, body]))

    def operate(self, client: str, *changes: Any) -> Any:
        """An operation of another program."""
        body = {"id": str(uuid.uuid4()), "client": client, "label": "", "changes": changes}
        return self.api("/api/operations", body)


@contextmanager
def browsing(chromium: str, *, screenshots: Path | None = None, **context: Any) -> Iterator[Any]:
    """A browser; gives a function that opens an address in a window of one profile, or of a stranger's."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Root needs --no-sandbox; the pages are our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            size: Any = {"width": SEEN_WIDTH, "height": SEEN_HEIGHT}
            profiles = [browser.new_context(viewport=size, accept_downloads=True, **context)]

            def open_window(address: str, *, stranger: bool = False) -> Hand:
                if stranger:
                    profiles.append(browser.new_context(viewport=size, **context))
                hand = Hand(profiles[-1].new_page(), screenshots)
                hand.page.goto(address)
                return hand

            try:
                yield open_window
            except BaseException as error:
                for number, page in enumerate(page for profile in profiles for page in profile.pages):
                    error.add_note(f"Window {number} says:\n{page.inner_text('body')}")
                    if screenshots is not None:
                        page.screenshot(path=screenshots / f"failed_{number}.png")
                raise
        finally:
            browser.close()
