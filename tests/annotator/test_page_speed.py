"""How fast the annotator's page is: `make soak`, on two cores that have nothing else to do."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import Hand, browsing, find_chromium, serving
from PIL import Image

pytest.importorskip("playwright")
pytestmark = pytest.mark.soak
SIDE, POINTS, COLUMNS = 8000, 133, 14
FRAME = 33.4
"""Milliseconds: two frames of a screen with 60 a second, with the clock's rounding."""
PAINT = 1.5
PICTURES = 5000
RECORD = """() => { window.told = []; let last = performance.now(); const step = () => {
    const now = performance.now(); window.told.push(now - last); last = now; window.loop = requestAnimationFrame(step);
}; window.loop = requestAnimationFrame(step); }"""


def report(told: str) -> None:
    """Add figures to the file that CAPE_SPEED_REPORT names."""
    if "CAPE_SPEED_REPORT" in os.environ:
        with Path(os.environ["CAPE_SPEED_REPORT"]).open("a") as file:
            file.write(f"{told}\n")


def category(count: int) -> dict[str, Any]:
    """A chain of points."""
    keypoints = [{"id": f"k{index}", "name": f"point {index}"} for index in range(count)]
    edges = [[f"k{index}", f"k{index + 1}"] for index in range(count - 1)]
    draft = {"id": "chain", "name": "chain", "keypoints": keypoints, "edges": edges, "swap": [], "parts": []}
    return {"change": "put_category", "base_revision": 0, "category": draft}


def p95(hand: Hand, act: Any) -> float:
    """Of the time between frames while something is done."""
    hand.page.evaluate(RECORD)
    act()
    told = hand.page.evaluate("() => { cancelAnimationFrame(window.loop); return window.told.slice(2); }")
    assert len(told) > 30
    return float(np.percentile(told, 95))


def swing(hand: Hand, x: float, y: float, button: str) -> None:
    """The pointer in curves, with a button held."""
    hand.page.mouse.move(x, y)
    hand.page.mouse.down(button=button)
    for index in range(100):
        hand.page.mouse.move(x + 150 * np.sin(index / 8), y + 100 * np.sin(index / 9))
        hand.page.wait_for_timeout(8)
    hand.page.mouse.up(button=button)


def test_frames_of_a_large_picture_with_many_points(tmp_path: Path) -> None:
    """8,000 px and 133 points: panning, zooming and dragging keep up with the hand."""
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((SIDE, SIDE * 3 // 4)).save(tmp_path / "large.jpg", quality=85)
    with serving(tmp_path, model="none") as server, browsing(find_chromium()) as open_window:
        hand = open_window(server.address)
        hand.page.get_by_text("1 in the project.").wait_for()
        picture = hand.api("/api/pictures")["pictures"][0]["id"]
        points = [
            {"keypoint": f"k{index}", "x": 500.0 + index % COLUMNS * 530, "y": 400.0 + index // COLUMNS * 560,
             "visibility": 2, "source": "model", "score": index % 10 / 10}
            for index in range(POINTS)
        ]  # fmt: skip
        instance = {"id": "one", "picture_id": picture, "category_id": "chain", "points": points, "proposed": True}
        hand.operate("speed", category(POINTS))
        hand.operate("speed", {"change": "put_instance", "base_revision": 0, "instance": instance})
        hand.page.reload()
        hand.page.locator(f'.active [data-point="{POINTS - 1}"]').wait_for()
        hand.page.wait_for_timeout(4000)
        found = {"pan": p95(hand, lambda: swing(hand, 616, 350, "middle"))}

        def zoom() -> None:
            hand.page.mouse.move(616, 350)
            for index in range(80):
                hand.page.mouse.wheel(0, -60 if index < 40 else 60)
                hand.page.wait_for_timeout(12)

        found["zoom"] = p95(hand, zoom)
        hand.page.keyboard.press("f")
        x, y = hand.on_screen(hand.points()[60])
        found["drag"] = p95(hand, lambda: swing(hand, x, y, "left"))
    report(", ".join(f"{name} {each:.1f} ms" for name, each in found.items()))
    assert max(found.values()) <= FRAME, found


def test_first_paint_of_five_thousand_pictures(tmp_path: Path) -> None:
    """The list is there at once, whatever is in it."""
    random = np.random.default_rng(1)
    for index in range(PICTURES):
        small = random.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(small).resize((64, 48)).save(tmp_path / f"{index:05d}.jpg")
    with serving(tmp_path, model="none") as server, browsing(find_chromium()) as open_window:
        hand = open_window(server.address)
        for _ in range(600):
            if not hand.api("/api/project?client=speed")["scanning"]:
                break
            hand.page.wait_for_timeout(1000)
        hand.operate("speed", category(2))
        hand.page.reload()
        hand.page.locator(".picture img").first.wait_for()
        script = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
        found = float(hand.page.evaluate(script))
        rows = hand.page.locator(".picture").count()
    report(f"first paint {found:.2f} s, {rows} rows")
    assert found < PAINT
    assert rows < 40
