"""`cape.data.anatomy`: which names are a person's keypoints, and that no animal, face or chair is a person."""

import json

import numpy as np
import pytest

from cape.data.anatomy import Meant, Sense, is_person, meanings, parts_of, sense_of
from cape.data.prompts import TextPack
from cape.data.skeletons import read_skeleton
from cape.models.encoders.text import TextEncoder

SKELETONS = {name: read_skeleton(name) for name in ("coco_wholebody", "coco", "crowdpose")}
WHOLE = SKELETONS["coco_wholebody"]


@pytest.fixture(scope="module")
def embed():
    return TextEncoder(name="minilm").embed


def found(meant: Meant, skeleton=WHOLE) -> list[str]:
    return [skeleton.names[each] if each >= 0 else "" for each in meant.keypoint]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("left_wrist", ("wrist", "left")),
        ("leftWrist", ("wrist", "left")),
        ("L_Wrist", ("wrist", "left")),
        ("wrist (left)", ("wrist", "left")),
        ("the person's left wrist", ("wrist", "left")),
        ("viewer's right wrist", ("wrist", "left", True)),
        ("image-right wrist", ("wrist", "left", True)),
        ("left_thumb2", ("thumb 2", "left")),
        ("left eye, outer corner", ("eye, outer corner", "left")),
        ("between the left and the right hip", ("between and hip", "")),
        ("upright post", ("upright post", "")),
        ("", ("", "")),
    ],
)
def test_a_name_is_its_side_and_the_rest(name: str, expected: tuple) -> None:
    assert sense_of(name) == Sense(*expected)


@pytest.mark.parametrize("name", SKELETONS)
def test_a_skeleton_means_itself(name: str, embed) -> None:
    skeleton = SKELETONS[name]
    meant = meanings([each.replace("_", " ") for each in skeleton.names], skeleton, embed)
    assert meant.keypoint.tolist() == list(range(len(skeleton))) and meant.settled.all()
    assert is_person(meant, skeleton)[0]


def test_sides_of_the_face_are_the_persons() -> None:
    """The text pack's left is the viewer's."""
    for part, mirrored in zip(parts_of(WHOLE.names), np.array(parts_of(WHOLE.names), dtype=object)[WHOLE.mirror()],
                              strict=True):  # fmt: skip
        assert {part.side, mirrored[2]} in ({"left", "right"}, {""})
    parts = dict(zip(WHOLE.names, parts_of(WHOLE.names), strict=True))
    assert parts["face-17"].side == "right" and "eyebrow" in parts["face-17"].phrases[0]


def test_natural_words(embed) -> None:
    said = {
        "right elbow": "right_elbow",
        "tip of the nose": "nose",
        "left big toe": "left_big_toe",
        "left little toe": "left_small_toe",
        "rKnee": "right_knee",
        "ankle joint, left": "left_ankle",
        "right thumb tip": "right_thumb4",
        "left index fingertip": "left_forefinger4",
        "chin": "face-8",
        "viewer's left ear": "right_ear",
        "tail tip": "",
        "racket head": "",
        "left front paw": "",
        "left hand": "",
    }
    assert dict(zip(said, found(meanings([*said], WHOLE, embed)), strict=True)) == said


def test_what_is_left_open_is_refused(embed) -> None:
    names = ["eye", "wrist", "left toe", "nose"]
    meant = meanings(names, WHOLE, embed)
    assert found(meant) == ["", "", "", "nose"] and meant.settled.tolist() == [False, False, False, True]
    open_to = [{WHOLE.names[each] for each in np.flatnonzero(row)} for row in meant.candidates]
    assert open_to[:3] == [{"left_eye", "right_eye"}, {"left_wrist", "right_wrist"}, {"left_big_toe", "left_small_toe"}]
    assert "left_eye, right_eye" in meant.reasons[0]


def test_one_to_one(embed) -> None:
    """The better name gets it; the other says why not."""
    meant = meanings(["left elbow joint", "left elbow", "nose", "nose", ""], WHOLE, embed)
    assert found(meant) == ["", "left_elbow", "nose", "", ""]
    assert "another name" in meant.reasons[0] and "another name" in meant.reasons[3]
    assert meant.reasons[4] == "no name"


def test_what_is_alike_but_for_the_side_never_meets(embed) -> None:
    meant = meanings(["left elbow", "left knee"], read_skeleton("coco"), embed)
    assert all(SKELETONS["coco"].names[each].startswith("left") for each in meant.keypoint)


def test_of_mp100_only_bodies_of_persons_are_persons(embed) -> None:
    """And macaques, whose names are a person's: `human=False` says what names cannot."""
    pack = TextPack.load()
    human = {
        name for (_, name), layout in pack.categories.items()
        if is_person(meanings([text.name for text in pack.layouts[layout]], WHOLE, embed), WHOLE)[0]
    }  # fmt: skip
    assert human == {"person", "macaque"}
    own = [text.name for text in pack.layouts["primate_body"]]
    for skeleton in (WHOLE, SKELETONS["coco"]):
        assert "" not in found(meanings(own, skeleton, embed), skeleton)


def test_of_drawn_categories_only_persons_are_persons(embed) -> None:
    from importlib import resources

    human = set()
    for file in (resources.files("cape.annotations") / "drawn").iterdir():
        if file.name.endswith(".json"):
            names = [each[0] for each in json.loads(file.read_text())["keypoints"]]
            sided = [name.format(side=side) for name in names for side in ("left", "right") if "{side}" in name]
            names = [name for name in names if "{side}" not in name] + sided
            human |= {file.name} if is_person(meanings(names, WHOLE, embed), WHOLE)[0] else set()
    assert human == {"person.json"}


@pytest.mark.parametrize(
    ("names", "person", "why"),
    [
        (["left eye", "right eye", "nose"], False, "an animal may have them all"),
        (["left ear", "nose", "left front paw"], False, "2 of 3"),
        (["left shoulder", "right shoulder", "left elbow", "right elbow", "left knee"], False, "an animal"),
        (["left wrist", "right wrist"], False, "fewer than 3"),
        (["left wrist", "left elbow", "left shoulder"], True, "3 of 3"),
        (["eye", "eye", "nose", "wrist", "wrist", "ball"], True, "5 of 6"),
        (["left wrist", "right wrist", "left ankle", "sail", "mast", "boom"], False, "3 of 6"),
        (["", ""], False, "0 of 0"),
    ],
)
def test_the_rule(names: list[str], person: bool, why: str, embed) -> None:
    answer, said = is_person(meanings(names, WHOLE, embed), WHOLE)
    assert answer == person and why in said
