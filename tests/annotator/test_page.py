"""The annotator's page, used as a person uses it: in the system's chromium, with the real server and the real model."""

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from browsing import EDGES, ROCKET, Hand, browsing, draw_rocket, find_chromium, serving
from pycocotools.coco import COCO

pytest.importorskip("playwright")
PICTURES = 12
NEAR = 0.01
"""Pixels."""


@pytest.fixture(scope="module")
def chromium() -> str:
    """The system's browser."""
    return find_chromium()


@pytest.fixture
def screenshots() -> Path | None:
    """Where to keep screenshots: CAPE_SCREENSHOTS."""
    folder = os.environ.get("CAPE_SCREENSHOTS")
    return Path(folder) if folder else None


def make_category(hand: Hand) -> None:
    """Eight points by name, their edges by dragging, their sides by confirming."""
    hand.page.get_by_role("button", name="Make a category").click()
    hand.page.get_by_placeholder("Name of the category").fill("rocket")
    for number, name in enumerate(ROCKET, start=1):
        field = hand.page.get_by_label(f"Name of point {number}", exact=True)
        field.fill(name)
        if number < len(ROCKET):
            field.press("Enter")
    hand.page.get_by_role("button", name="Confirm all 3").wait_for()
    hand.shoot("category_names")
    hand.page.get_by_role("button", name="Confirm all 3").click()
    dots = hand.page.locator("[data-knot] .dot")
    for a, b in EDGES:
        one, other = dots.nth(a).bounding_box(), dots.nth(b).bounding_box()
        hand.page.mouse.move(one["x"] + 5, one["y"] + 5)
        hand.page.mouse.down()
        hand.page.mouse.move(other["x"] + 5, other["y"] + 5, steps=3)
        hand.page.mouse.up()
    assert hand.page.locator(".diagram line.edge").count() == len(EDGES)
    hand.shoot("category_edges")
    hand.page.get_by_role("button", name="Make the category").click()


def export_coco(hand: Hand, folder: Path) -> Path:
    """The COCO file of the archive that the page downloads."""
    hand.page.get_by_role("button", name="Export").click()
    hand.shoot("export")
    with hand.page.expect_download() as download:
        hand.page.get_by_role("button", name="Download the archive").click()
    archive = folder / "export.zip"
    download.value.save_as(archive)
    hand.page.keyboard.press("Escape")
    with zipfile.ZipFile(archive) as inside:
        name = next(each for each in inside.namelist() if each.endswith(".json") and "coco" in each)
        return Path(inside.extract(name, folder))


def test_a_new_project_from_pictures_to_export(chromium: str, screenshots: Path | None, tmp_path: Path) -> None:
    """Issue 9, the first line of "done when"."""
    drawn = {f"rocket_{number:02d}.png": draw_rocket(number) for number in range(1, PICTURES + 1)}
    for name, (picture, _) in drawn.items():
        picture.save(tmp_path / name)
    truth = [places for _, places in drawn.values()]
    project = tmp_path / "project"
    with browsing(chromium, screenshots=screenshots) as open_window:
        with serving(project) as server:
            hand = open_window(server.address)
            hand.page.get_by_text("Drop pictures or a folder here").wait_for()
            hand.shoot("new_project")
            hand.page.locator("input[type=file]").first.set_input_files([tmp_path / name for name in drawn])
            hand.page.get_by_text(f"{PICTURES} in the project.").wait_for()
            make_category(hand)
            annotate_one(hand, truth[0])
            correct_two(hand, truth)
            reject_one(hand)
            accept_rest(hand)
            assert hand.errors == []
            hand.page.close()
        with serving(project) as server:
            hand = open_window(server.address)
            hand.counted(PICTURES, 0)
            hand.shoot("reopened")
            shown = read_all(hand, list(drawn))
            found = export_coco(hand, tmp_path)
            assert hand.errors == []
    compare(COCO(str(found)), shown)


def annotate_one(hand: Hand, truth: Any) -> None:
    """All eight points by clicks; the others are then proposed."""
    hand.page.locator(".prompt .next", has_text="nose").wait_for()
    hand.shoot("placing")
    clicked = []
    for name, place in zip(ROCKET, truth, strict=True):
        hand.page.locator(".prompt .next", has_text=name).wait_for()
        hand.click(place)
        clicked.append(place)
    hand.page.get_by_text("All points are placed").wait_for()
    hand.shoot("placed")
    for index, place in enumerate(clicked):
        assert hand.points()[index] == pytest.approx(tuple(place), abs=NEAR)
    hand.page.keyboard.press("Enter")
    hand.counted(1, PICTURES - 1)


def correct_two(hand: Hand, truth: list[Any]) -> None:
    """On the next two pictures the worst point is dragged; the others follow."""
    for number in (1, 2):
        hand.page.get_by_role("button", name="Suggestion").wait_for()
        hand.shoot(f"proposed_{number}")
        before = hand.points()
        worst = max(before, key=lambda index: abs(before[index][0] - truth[number][index][0]) +
                    abs(before[index][1] - truth[number][index][1]))  # fmt: skip
        hand.drag(worst, truth[number][worst])
        hand.page.get_by_role("button", name="Object 1").wait_for()
        hand.page.wait_for_function(
            "([index, x]) => [...document.querySelectorAll('.active [data-point]')]"
            ".some(e => +e.dataset.point !== index && Math.abs(+e.dataset.x - x[e.dataset.point]) > 1e-6)",
            arg=[worst, {str(index): place[0] for index, place in before.items()}],
        )
        assert hand.points()[worst] == pytest.approx(tuple(truth[number][worst]), abs=NEAR)
        hand.shoot(f"corrected_{number}")
        hand.page.keyboard.press("Enter")
        hand.counted(number + 1, PICTURES - number - 1)


def reject_one(hand: Hand) -> None:
    """What is put aside stays so when one comes back to it, until the model is asked again."""
    hand.page.get_by_role("button", name="Suggestion").wait_for()
    picture = hand.page.evaluate("location.hash")
    hand.page.keyboard.press("r")
    hand.page.get_by_text("No object yet").wait_for()
    hand.saved()
    hand.page.keyboard.press("PageDown")
    hand.page.get_by_role("button", name="Suggestion").wait_for()
    hand.page.keyboard.press("PageUp")
    hand.page.wait_for_function("hash => location.hash === hash", arg=picture)
    hand.page.get_by_text("No object yet").wait_for()
    hand.page.wait_for_timeout(500)  # a suggestion would be there by now
    assert hand.points() == {}
    hand.page.keyboard.press("g")
    hand.page.get_by_role("button", name="Suggestion").wait_for()
    hand.saved()


def accept_rest(hand: Hand) -> None:
    """All others at once, taken back, and again."""
    hand.page.get_by_role("button", name="Review").click()
    hand.page.get_by_role("button", name="Accept all above").click()
    hand.page.get_by_role("slider", name="Pictures whose pose").fill("0")
    rest = PICTURES - 3
    hand.page.get_by_role("button", name=f"Accept {rest} pictures").wait_for()
    hand.shoot("accept_all")
    hand.page.get_by_role("button", name=f"Accept {rest} pictures").click()
    hand.counted(PICTURES, 0)
    hand.page.get_by_role("dialog").wait_for(state="detached")  # it keeps keys to itself
    hand.saved()
    hand.shoot("all_done")
    hand.page.keyboard.press("Control+z")
    hand.counted(3, rest)
    hand.saved()
    hand.shoot("undone")
    hand.page.keyboard.press("Control+Shift+z")
    hand.counted(PICTURES, 0)
    hand.saved()


def read_all(hand: Hand, names: list[str]) -> dict[str, dict[int, tuple[float, float]]]:
    """What the page shows, picture by picture."""
    hand.page.get_by_role("button", name="All", exact=True).click()
    shown = {}
    for name in names:
        hand.page.get_by_role("button", name=name).click()
        hand.page.locator(f'.stage canvas[aria-label$="{name}"]').wait_for()
        hand.page.get_by_text("Accepted", exact=False).first.wait_for()
        hand.page.wait_for_function("() => document.querySelectorAll('.active [data-point]').length > 0")
        shown[name] = hand.points()
    return shown


def compare(coco: Any, shown: dict[str, dict[int, tuple[float, float]]]) -> None:
    """The exported coordinates are those on the screen."""
    names = {each["id"]: Path(each["file_name"]).name for each in coco.loadImgs(coco.getImgIds())}
    annotations = coco.loadAnns(coco.getAnnIds())
    assert sorted(names[each["image_id"]] for each in annotations) == sorted(shown)
    assert coco.loadCats(coco.getCatIds())[0]["keypoints"] == list(ROCKET)
    for each in annotations:
        places = shown[names[each["image_id"]]]
        for index in range(len(ROCKET)):
            x, y, visibility = each["keypoints"][3 * index : 3 * index + 3]
            assert (visibility > 0) == (index in places)
            if visibility:
                assert (x, y) == pytest.approx(places[index], abs=NEAR)
