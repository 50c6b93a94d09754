"""The annotator's page when things go wrong, by keyboard alone, and for those who cannot see it. Without a model."""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import Hand, Server, browsing, draw_rocket, find_chromium, serving

pytest.importorskip("playwright")
AXE = Path(__file__).parents[2] / "cape" / "annotator" / "web" / "node_modules" / "axe-core" / "axe.min.js"
NAMES = ("nose", "left fin", "right fin")
EDITS = 50


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A project of four pictures."""
    folder = tmp_path_factory.mktemp("project")
    for number in range(4):
        draw_rocket(number, 200)[0].save(folder / f"{number}.png")
    with serving(folder, model="none") as running:
        yield running


@pytest.fixture(scope="module")
def open_window() -> Iterator[Callable[..., Hand]]:
    """Opens a page."""
    with browsing(find_chromium()) as opening:
        yield opening


@pytest.fixture
def hand(server: Server, open_window: Callable[..., Hand]) -> Iterator[Hand]:
    """The page with a category of its own, chosen; a profile of its own, too."""
    first = open_window(server.address, stranger=True)
    first.page.locator(".wordmark").wait_for()
    name = f"rocket {uuid.uuid4().hex[:6]}"
    keypoints = [{"id": f"k{index}", "name": each} for index, each in enumerate(NAMES)]
    category = {"id": str(uuid.uuid4()), "name": name, "keypoints": keypoints}
    category |= {"edges": [["k0", "k1"], ["k0", "k2"]], "swap": [["k1", "k2"]], "parts": []}
    first.operate("maker", {"change": "put_category", "base_revision": 0, "category": category})
    first.page.get_by_label("Category", exact=True).select_option(name)
    first.page.locator(".prompt .next", has_text="nose").wait_for()
    yield first
    first.page.context.close()


def stored(hand: Hand) -> Any:
    """The objects of the chosen category in the open picture, as the server has them."""
    picture = hand.page.evaluate("location.hash.slice(1)")
    category = hand.page.get_by_label("Category", exact=True).input_value()
    every = hand.api(f"/api/pictures/{picture}")["instances"]
    return [each for each in every if each["category_id"] == category]


def place_all(hand: Hand) -> None:
    """Three clicks."""
    for number, name in enumerate(NAMES):
        hand.page.locator(".prompt .next", has_text=name).wait_for()
        hand.click((40 + 50 * number, 60 + 30 * number))
    hand.page.get_by_text("All points are placed").wait_for()
    hand.saved()


@pytest.mark.parametrize("seconds", [0, pytest.param(30, marks=pytest.mark.soak)])
def test_fifty_edits_without_a_server_all_arrive_once(hand: Hand, seconds: int) -> None:
    """Offline: a banner with the count; afterwards all are there, in order, once."""
    place_all(hand)
    before = hand.api("/api/project?client=x")["seq"]
    hand.page.context.set_offline(True)
    hand.page.locator(".pointrow", has_text="nose").click()
    for _ in range(EDITS):
        hand.page.keyboard.press("ArrowRight")
    hand.page.get_by_text(f"{EDITS} edits wait in this browser").wait_for()
    hand.page.wait_for_timeout(seconds * 1000)
    hand.page.context.set_offline(False)
    hand.saved()
    after = hand.api(f"/api/operations?after={before}&limit=500")["operations"]
    assert [each["label"] for each in after] == ["move nose"] * EDITS
    assert len({each["id"] for each in after}) == EDITS
    assert stored(hand)[0]["points"][0]["x"] == pytest.approx(40 + EDITS, abs=0.01)


def test_an_undo_without_a_server_says_that_it_waits(hand: Hand) -> None:
    """Of several edits those that were never sent are taken back at once, the one that was tried when there is one."""
    place_all(hand)
    hand.page.context.set_offline(True)
    hand.page.locator(".pointrow", has_text="nose").click()
    for _ in range(2):
        hand.page.keyboard.press("ArrowRight")
    hand.page.get_by_text("2 edits wait in this browser").wait_for()
    hand.page.keyboard.press("Control+z")
    hand.page.get_by_text("1 edit waits in this browser").wait_for()
    assert hand.points()[0][0] == pytest.approx(41, abs=0.01)
    hand.page.keyboard.press("Control+z")
    hand.page.get_by_text("This is undone as soon as the server is back.").wait_for()
    hand.page.context.set_offline(False)
    hand.saved()
    hand.page.wait_for_function("() => Math.abs(document.querySelector('.active [data-point]')?.dataset.x - 40) < 0.01")
    assert stored(hand)[0]["points"][0]["x"] == pytest.approx(40, abs=0.01)


def test_edits_survive_a_page_that_was_closed_without_a_server(
    hand: Hand, server: Server, open_window: Callable[..., Hand]
) -> None:
    """The outbox is in the browser's database, not in the page."""
    place_all(hand)
    picture = hand.page.evaluate("location.hash.slice(1)")
    category = hand.page.get_by_label("Category", exact=True).input_value()
    hand.page.route("**/api/operations", lambda route: route.abort())
    hand.page.locator(".pointrow", has_text="nose").click()
    hand.page.keyboard.press("ArrowDown")
    hand.page.get_by_text("1 edit waits in this browser").wait_for()
    again = hand.page.context.new_page()
    hand.page.close(run_before_unload=False)
    later = Hand(again)
    again.goto(server.address)
    later.saved()
    again.wait_for_timeout(500)
    later.saved()
    points = [each["points"] for each in later.api(f"/api/pictures/{picture}")["instances"] if
              each["category_id"] == category]  # fmt: skip
    assert points[0][0]["y"] == pytest.approx(61, abs=0.01)


@pytest.mark.parametrize("keep", ["mine", "theirs"])
def test_a_conflict_shows_both_and_keeps_what_is_chosen(
    hand: Hand, server: Server, open_window: Callable[..., Hand], keep: str
) -> None:
    """Another client was faster: nothing is overwritten unseen."""
    place_all(hand)
    stranger = open_window(server.address, stranger=True)
    stranger.page.locator(".wordmark").wait_for()
    hand.page.route("**/api/operations", lambda route: route.abort())
    hand.page.locator(".pointrow", has_text="nose").click()
    for _ in range(3):
        hand.page.keyboard.press("ArrowRight")
    hand.page.get_by_text("3 edits wait").wait_for()
    theirs = stored(hand)[0]
    draft = {key: value for key, value in theirs.items() if key not in {"revision", "deleted", "updated"}}
    draft["points"][0] |= {"x": 150.0, "y": 150.0}
    put = {"change": "put_instance", "base_revision": theirs["revision"], "instance": draft}
    assert "seq" in stranger.operate("stranger", put)
    stranger.page.close()
    hand.page.unroute("**/api/operations")
    hand.page.get_by_text("Somebody else changed this, too").wait_for()
    assert hand.page.get_by_text("Differs in nose.").count() == 2
    hand.shoot("conflict")
    hand.page.get_by_role("button", name="Keep mine" if keep == "mine" else "Take theirs").click()
    hand.saved()
    place = stored(hand)[0]["points"][0]
    assert (place["x"], place["y"]) == pytest.approx((43, 60) if keep == "mine" else (150, 150), abs=0.01)
    hand.page.wait_for_function("x => Math.abs(+document.querySelector('.active [data-point]')?.dataset.x - x) < 0.01",
                                arg=place["x"])  # fmt: skip


def test_what_was_told_before_the_page_listened_is_told_again(hand: Hand) -> None:
    """The model is there between the page's question and its listening: it does not wait for ever."""

    def early(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        route.fulfill(response=answer, json={**body, "model": {**body["model"], "state": "loading"}, "scanning": True})

    hand.page.route("**/api/project?*", early)
    hand.page.reload()
    hand.page.get_by_text("No model", exact=True).wait_for()


def test_everything_by_keyboard(hand: Hand) -> None:
    """Placing with a cursor, absent, occluded, back, nudging, undo, accept: without a pointer."""
    keys = hand.page.keyboard
    keys.press("p")
    keys.press("Shift+ArrowLeft")
    keys.press("p")
    hand.page.locator(".prompt .next", has_text="left fin").wait_for()
    keys.press("a")
    hand.page.locator(".prompt .next", has_text="right fin").wait_for()
    keys.press("Backspace")
    hand.page.locator(".prompt .next", has_text="left fin").wait_for()
    keys.press("o")
    keys.press("ArrowDown")
    keys.press("p")
    keys.press("a")
    hand.page.get_by_text("All points are placed").wait_for()
    hand.saved()
    nose, left, right = stored(hand)[0]["points"]
    assert [nose["visibility"], left["visibility"], right["visibility"]] == [2, 1, 0]
    keys.press("Escape")
    keys.press("e")
    keys.press("Shift+ArrowUp")
    hand.saved()
    assert stored(hand)[0]["points"][0]["y"] == pytest.approx(nose["y"] - 10, abs=0.01)
    keys.press("Control+z")
    hand.page.wait_for_function("y => Math.abs(+document.querySelector('.active [data-point]')?.dataset.y - y) < 0.01",
                                arg=nose["y"])  # fmt: skip
    keys.press("?")
    hand.page.get_by_role("dialog", name="Keys").wait_for()
    keys.press("Escape")
    keys.press("Enter")
    hand.saved()
    assert hand.errors == []


def test_names_are_text_everywhere(hand: Hand) -> None:
    """Markup in names stays what it is: letters."""
    evil = "<img src=x onerror=alert(1)>"
    hand.page.get_by_role("button", name="Edit the category").click()
    hand.page.get_by_label("Name of point 1", exact=True).fill(evil)
    hand.page.get_by_role("button", name="Save the changes").click()
    hand.page.locator(".prompt .next", has_text=evil).wait_for()
    hand.page.locator(".pointrow", has_text=evil).wait_for()
    assert hand.errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(hand: Hand, theme: str) -> None:
    """Labels, roles, contrast: the workspace, the editor and every dialog."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make web")
    place_all(hand)
    if theme == "dark":
        hand.page.get_by_role("button", name="Dark page").click()
    look(hand, "workspace")
    for button in ("Import", "Export", "Keys", "Add pictures", "Accept all above…"):
        hand.page.get_by_role("button", name=button, exact=True).click()
        look(hand, button)
        hand.page.keyboard.press("Escape")
    hand.page.get_by_role("button", name="Edit the category").click()
    hand.page.get_by_label("Name of point 1", exact=True).wait_for()
    look(hand, "editor")


def look(hand: Hand, where: str) -> None:
    """What axe says; through the debugger, as the page's own policy lets no foreign script in."""
    hand.page.evaluate(AXE.read_text())
    hand.page.wait_for_timeout(250)
    found = hand.page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(all => all.violations)")
    told = [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found]
    assert told == [], f"{where}: {json.dumps(told, indent=1)}"


def test_labels_of_others_come_in_by_the_dialog_and_go_by_one_undo(hand: Hand, tmp_path: Path) -> None:
    """A file is read, what it would do is shown, nothing is stored before it is confirmed."""
    name = hand.page.get_by_label("Category", exact=True).locator("option:checked").inner_text()
    picture = {"id": 1, "file_name": "0.png", "width": 200, "height": 200}
    places = [40.0, 50.0, 2, 60.0, 150.0, 1, 0.0, 0.0, 0]
    label = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": places, "num_keypoints": 2, "iscrowd": 0}
    label |= {"bbox": [10.0, 10.0, 100.0, 160.0], "area": 16000.0}
    lost = {"id": 2, "file_name": "elsewhere.png", "width": 200, "height": 200}
    category = {"id": 1, "name": name, "keypoints": list(NAMES), "skeleton": [[1, 2], [1, 3]]}
    content = {"images": [picture, lost], "annotations": [label], "categories": [category]}
    (tmp_path / "labels.json").write_text(json.dumps(content))
    hand.page.get_by_role("button", name="Import").click()
    hand.page.locator("input[type=file].file").set_input_files(tmp_path / "labels.json")
    hand.page.get_by_role("status").get_by_text("1 object in 1 picture").wait_for()
    hand.shoot("import")
    assert stored(hand) == []
    hand.page.get_by_role("dialog").get_by_role("button", name="Import").click()
    hand.page.get_by_role("dialog").wait_for(state="detached")
    hand.page.wait_for_function("() => document.querySelectorAll('.active [data-point]').length === 2")
    (found,) = stored(hand)
    seen = [(each["x"], each["y"], each["visibility"]) for each in found["points"]]
    assert seen == [(40, 50, 2), (60, 150, 1), (None, None, 0)]
    hand.page.keyboard.press("Control+z")
    hand.page.wait_for_function("() => document.querySelectorAll('.active [data-point]').length === 0")
    hand.saved()
    assert all(each["deleted"] for each in stored(hand))
