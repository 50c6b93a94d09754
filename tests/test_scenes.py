"""Pictures and pages of poses in space: what is in them, and that the page needs nothing else."""

import io
import json
import re

import numpy as np
from PIL import Image

from cape.data.skeletons import read_skeleton
from cape.scenes import chosen_frames, pose_page, pose_picture, sides, title_of
from cape.spatial import SpatialTrack
from cape.tracks import Track

SKELETON = read_skeleton("cmu17")


def person(name: str = "v.mp4", frames: int = 3, *, energy: float = 0.5) -> SpatialTrack:
    rng = np.random.default_rng(frames)
    pictures = tuple((f"v.mp4#{frame}", frame + 1) for frame in range(frames))
    found = np.ones((frames, 17), dtype=bool)
    found[0, 4] = False
    track = Track(name, pictures, (100, 100), rng.normal(size=(frames, 17, 2)), found)
    return SpatialTrack(track, 0.4 * rng.normal(size=(frames, 17, 3)), np.full(frames, energy))


def content_of(page: str) -> dict:
    return json.loads(re.search(r'<script id="poses" type="application/json">(.*?)</script>', page, re.DOTALL)[1])


def test_sides_are_in_the_names() -> None:
    assert [sides(SKELETON)[SKELETON.names.index(name)] for name in ("pelvis", "left_knee", "right_knee")] == [0, 1, 2]


def test_a_picture_shows_at_most_six_poses_evenly() -> None:
    people = [person("a", 10), person("b", 20)]
    chosen = chosen_frames(people)
    assert len(chosen) == 6 and chosen[0] == (people[0], 0) and chosen[-1] == (people[1], 19)
    assert len(chosen_frames([person(frames=1)])) == 1
    sizes = []
    for frames in (1, 3, 10):
        with Image.open(io.BytesIO(pose_picture([person(frames=frames)], SKELETON))) as picture:
            sizes.append(picture.size)
            assert np.asarray(picture.convert("L")).std() > 5
    assert sizes[0][1] < sizes[1][1] and sizes[2][0] > 1.8 * sizes[1][0]


def test_titles() -> None:
    assert title_of(person(), 2) == "v.mp4#2   energy 0.500"
    assert title_of(person("v.mp4, person 2", energy=float("nan")), 0) == "v.mp4#0 (person 2)"


def test_the_page_holds_the_poses() -> None:
    found = person()
    content = content_of(pose_page([found, person("x", 1)], SKELETON, title="walk", about="by x"))
    assert content["names"] == list(SKELETON.names) and len(content["edges"]) == 16
    assert [track["name"] for track in content["tracks"]] == ["v.mp4", "x"]
    np.testing.assert_allclose(content["tracks"][0]["joints"], found.joints, atol=1e-4)
    assert content["tracks"][0]["labels"] == ["v.mp4#0", "v.mp4#1", "v.mp4#2"]
    assert content["tracks"][0]["found"][0][4] == 0 and content["tracks"][0]["energy"] == [0.5] * 3


def test_the_page_asks_for_nothing() -> None:
    """No address, no file, no code but its own; its policy forbids the rest."""
    page = pose_page([person()], SKELETON, title="t", about="a")
    assert "default-src 'none'" in page
    assert not re.search(r"https?:|//[a-z]|src=|href=|url\(|import |fetch\(", page)


def test_names_are_text_and_no_code() -> None:
    nasty = "</script><script>alert(1)</script><!--"
    page = pose_page([person(nasty, energy=float("nan"))], SKELETON, title=nasty, about="\u2028 a")
    assert page.count("<script") == 2 and page.count("</script>") == 2
    content = content_of(page)
    assert content["title"] == content["tracks"][0]["name"] == nasty
    assert content["tracks"][0]["energy"] == [None] * 3
