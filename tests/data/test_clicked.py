"""`cape.data.clicked`: clicks choose, exchange and cancel what names mean."""

import json

import numpy as np
import pytest

from cape.data.anatomy import Meant, sense_of
from cape.data.clicked import REACH, Mapped, Settled, settle

NAMES = ("nose", "left_eye", "right_eye", "left_wrist", "right_wrist")
MIRROR = np.array([0, 2, 1, 4, 3])
NONE = (np.nan,) * 5


def told(clicks: dict[str, tuple[float, ...]]) -> tuple[list[str], Settled]:
    """What names mean, with the distances of their clicks from the five keypoints."""
    senses = tuple(sense_of(name.rstrip("*")) for name in clicks)
    candidates = np.array([[sense.text in name and sense.side in name for name in NAMES] for sense in senses])
    keypoint = np.where(candidates.sum(axis=1) == 1, candidates.argmax(axis=1), -1)
    meant = Meant(senses, keypoint, keypoint >= 0, candidates, ("as named",) * len(senses))
    settled = settle(meant, np.array([*clicks.values()]), mirror=MIRROR, names=NAMES)
    return [NAMES[each] if each >= 0 else "" for each in settled.keypoint], settled


def test_without_clicks_names_decide_and_what_they_leave_open_stays_open() -> None:
    found, settled = told({"nose": NONE, "left eye": NONE, "wrist": NONE})
    assert found == ["nose", "left_eye", ""] and not settled.viewer
    assert settled.reasons == ("as named", "as named", "as named, and no click")


def test_a_click_chooses_the_nearest_of_what_is_left_open() -> None:
    found, settled = told({"eye": (0.2, 0.09, 0.02, 0.5, 0.5), "wrist": (0.5, 0.5, 0.5, 0.3, 0.4)})
    assert found == ["right_eye", ""]
    assert "0.02 of the box" in settled.reasons[0] and "no click near one" in settled.reasons[1]


def test_two_of_them_are_told_apart_one_to_one() -> None:
    """Both are nearest to the left one; the named wrist is nobody else's."""
    found, _ = told({"eye": (0.2, 0.01, 0.05, 0.5, 0.5), "eye*": (0.2, 0.03, 0.04, 0.5, 0.5)})
    assert found == ["left_eye", "right_eye"]
    found, _ = told({"left wrist": NONE, "wrist": (0.5, 0.5, 0.5, 0.01, 0.09)})
    assert found == ["left_wrist", "right_wrist"]


@pytest.mark.parametrize(("distance", "there"), [(REACH - 0.01, True), (REACH + 0.01, False), (np.inf, False)])
def test_a_click_far_from_what_its_name_means_cancels_it(distance: float, there: bool) -> None:
    found, settled = told({"nose": (distance, 0.0, 0.0, 0.0, 0.0), "left wrist": (0.5, 0.5, 0.5, 0.01, 0.4)})
    assert found == ["nose" if there else "", "left_wrist"]
    assert ("not on nose" in settled.reasons[0]) != there


def test_a_cancelled_keypoint_is_free_for_another_name() -> None:
    found, _ = told({"left wrist": (0.5, 0.5, 0.5, 0.3, 0.3), "wrist": (0.5, 0.5, 0.5, 0.01, 0.4)})
    assert found == ["", "left_wrist"]


def test_the_viewers_left() -> None:
    """Of all named sides, clicked or not, but not of a name that says whose it is."""
    wrist = (0.5, 0.5, 0.5, 0.4, 0.01)
    found, settled = told({"left wrist": wrist, "right eye": NONE, "nose": NONE, "viewer's right wrist": NONE})
    assert found == ["right_wrist", "left_eye", "nose", "left_wrist"] and settled.viewer


@pytest.mark.parametrize(
    "wrist",
    [
        (0.5, 0.5, 0.5, 0.04, 0.01),  # in profile they are as near
        (0.5, 0.5, 0.5, 0.4, 0.3),  # neither is near
        (0.5, 0.5, 0.5, 0.01, 0.4),
    ],
)
def test_the_persons_left_unless_clicks_say_otherwise(wrist: tuple[float, ...]) -> None:
    found, settled = told({"left wrist": wrist, "right eye": NONE})
    assert found[1] == "right_eye" and not settled.viewer


def test_a_mapping_survives_json_and_prints() -> None:
    human = Mapped("0123", None, ("nose", ""), ("nose", ""), ("similarity 1.00", "no name"), "A person's keypoints.")
    content = json.loads(json.dumps(human._asdict()))
    assert Mapped.read(content, ("nose", "")) == human and human.found == (0,)
    assert str(human).splitlines() == [
        "A person's keypoints.",
        "  nose: nose (similarity 1.00)",
        "  -: few-shot (no name)",
    ]
    assert Mapped.read(json.loads(json.dumps(Mapped("", False)._asdict())), ("a", "b")) == Mapped("", False)
    for damage in ({"keypoints": ["nose"]}, {"reasons": []}, {"wish": "yes"}):
        with pytest.raises(ValueError, match="does not fit"):
            Mapped.read(content | damage, ("nose", ""))
