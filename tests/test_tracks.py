"""People in pictures as sequences: videos, single pictures, who is who, and what is refused."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from cape.cameras import to_pixels
from cape.data.skeletons import read_skeleton
from cape.errors import CapeError, DataError, UsageError
from cape.formats import LabelledPose, Labels, PictureLabels
from cape.skeleton import Skeleton
from cape.tracks import make_tracks

COCO, TARGET = read_skeleton("coco"), read_skeleton("human36m")
SIZE = (200, 100)


def person(x: float = 0.0, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(20, 60, (17, 2)) + np.array([x, 0])


def labels_of(
    frames: dict[str, list[np.ndarray]], *, hidden: dict | None = None, scores: float | None = None
) -> Labels:
    """`hidden`: keypoints by picture that are not visible."""
    pictures, number = [], 0
    for file, people in frames.items():
        poses = []
        for points in people:
            number += 1
            visibility = np.full(17, 2, dtype=np.int8)
            for name in (hidden or {}).get(file, ()):
                visibility[COCO.names.index(name)] = 0
            known = None if scores is None else np.full(17, scores)
            poses.append(LabelledPose(number, "person", points, visibility, scores=known))
        pictures.append(PictureLabels(file, SIZE, tuple(poses)))
    return Labels({"person": COCO}, tuple(pictures))


def test_pictures_stand_for_themselves_and_frames_follow_each_other() -> None:
    frames = {f"a.mp4#{place}": [person(place)] for place in (2, 0, 1, 10)} | {"b.jpg": [person()], "c.jpg": []}
    tracks = make_tracks(labels_of(frames), TARGET).tracks
    assert [track.name for track in tracks] == ["a.mp4", "b.jpg"]
    assert [picture for picture, _ in tracks[0].frames] == ["a.mp4#0", "a.mp4#1", "a.mp4#2", "a.mp4#10"]
    assert tracks[0].points.shape == (4, 17, 2) and tracks[0].found.all()


def test_coordinates_are_the_screens() -> None:
    (track,) = make_tracks(labels_of({"b.jpg": [person()]}), TARGET).tracks
    wrist = TARGET.names.index("left_wrist")
    pixels = to_pixels(torch.from_numpy(track.points), SIZE)[0, wrist].numpy()
    assert pixels == pytest.approx(person()[COCO.names.index("left_wrist")])


def test_all_pictures_as_one_sequence() -> None:
    frames = {f"{name}.jpg": [person(place)] for place, name in enumerate("zax")}
    (track,) = make_tracks(labels_of(frames), TARGET, sequence=True).tracks
    assert [picture for picture, _ in track.frames] == ["z.jpg", "a.jpg", "x.jpg"]


def test_two_people_who_are_listed_in_another_order() -> None:
    """Each keeps the own track; one who goes and comes back begins another."""
    one, other = (lambda t: person(2 * t)), (lambda t: person(100 - 2 * t, seed=1))
    frames = {"v.mp4#0": [one(0), other(0)], "v.mp4#1": [other(1), one(1)], "v.mp4#2": [one(2)]}
    frames |= {"v.mp4#3": [one(3), other(3)]}
    tracks = make_tracks(labels_of(frames), TARGET).tracks
    by_frames = {tuple(number for _, number in track.frames) for track in tracks}
    assert by_frames == {(1, 4, 5, 6), (2, 3), (7,)}
    assert {track.name for track in tracks} == {f"v.mp4, person {number}" for number in (1, 2, 3)}


def test_what_is_not_known_stands_between_its_neighbours() -> None:
    frames = {f"v.mp4#{place}": [person(4 * place)] for place in range(3)}
    (track,) = make_tracks(labels_of(frames, hidden={"v.mp4#1": ["left_wrist"]}), TARGET).tracks
    wrist = TARGET.names.index("left_wrist")
    assert track.found.sum() == 3 * 17 - 1 and not track.found[1, wrist]
    assert track.points[1, wrist] == pytest.approx((track.points[0, wrist] + track.points[2, wrist]) / 2)


def test_a_pose_that_cannot_be_lifted_is_told_and_left_out() -> None:
    hidden = {"b.jpg": ["left_wrist", "right_hip"]}
    found = make_tracks(labels_of({"a.jpg": [person()], "b.jpg": [person()]}, hidden=hidden), TARGET)
    assert [track.name for track in found.tracks] == ["a.jpg"]
    (error,) = found.left
    assert "b.jpg, pose 2" in str(error) and "left_wrist" in str(error) and "pelvis" in str(error)


def test_low_scores_are_not_known() -> None:
    labels = labels_of({"a.jpg": [person()]}, scores=0.4)
    assert not make_tracks(labels, TARGET, least=0.3).left
    assert make_tracks(labels, TARGET, least=0.5).left


def broken(value: float) -> Labels:
    points = person()
    points[3] = value
    return labels_of({"a.jpg": [points]})


def other_names() -> Labels:
    return labels_of({"a.jpg": [person()]})._replace(
        categories={"person": Skeleton(tuple(f"paw {each}" for each in range(17)), (), (), {})}
    )


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: labels_of({"a.jpg": []}), DataError, "an empty sequence"),
        (lambda: Labels({}, ()), DataError, "an empty sequence"),
        (other_names, UsageError, "pelvis"),
    ],
    ids=["no pose", "no picture", "other keypoints"],
)
def test_what_nothing_can_be_made_of(make: Callable[[], Labels], kind: type[CapeError], words: str, refused) -> None:
    with refused(kind, words):
        make_tracks(make(), TARGET)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (broken(float("nan")), "finite"),
        (broken(float("inf")), "finite"),
        (broken(1e6), "half widths"),
        (labels_of({"a.jpg": [np.full((17, 2), 7.0)]}), "all at one"),
    ],
    ids=["nan", "infinite", "exploded", "a point"],
)
def test_broken_poses_are_told(labels: Labels, words: str) -> None:
    found = make_tracks(labels, TARGET)
    assert not found.tracks and words in str(found.left[0]) and "a.jpg, pose 1" in str(found.left[0])
