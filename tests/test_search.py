"""`cape.search`: squares that leave nothing out, poses that are one object, and several animals in one picture."""

import inspect

import numpy as np
import pytest

import cape
from cape.commands.predict import predict
from cape.data.drawn import Drawn
from cape.data.inputs import Picture
from cape.errors import UsageError
from cape.prediction import Prediction
from cape.predictor import Predictor
from cape.prompting import Prompt
from cape.search import LEAST, boxed, distinct, likeness, looks_over, overlap, squares


@pytest.mark.parametrize(("size", "count"), [((400, 400), 59), ((4000, 400), 11), ((300, 600), 25)])
def test_squares_lie_in_the_picture_and_reach_its_edges(size: tuple[int, int], count: int) -> None:
    found = squares(size)
    assert len(found) == count and found[0].side == max(size)
    for side in {each.side for each in found}:
        same = [each for each in found if each.side == side]
        for axis, length in enumerate(size):
            middles = sorted({each[axis] for each in same})
            if side >= length:
                assert middles == [length / 2]
                continue
            assert middles[0] == side / 2 and middles[-1] == length - side / 2
            assert (np.diff(middles) <= side / 2 + 1e-9).all()


def test_each_square_is_looked_at_as_it_is() -> None:
    looks = looks_over(Picture(np.zeros((50, 100, 3), dtype=np.uint8), "a.jpg"))
    assert all(look.whole and look.box[2] == look.square.side for look in looks)
    assert looks[0].box.tolist() == [0, -25, 100, 100]


class Herd:
    """Three drawn animals beside each other, and where their keypoints are."""

    def __init__(self) -> None:
        drawn = Drawn(seed=7, instances=6, categories=("quadruped",), occlusion=0.0, truncation=0.0, rotation=10.0)
        self.names = next(iter(drawn.categories.values())).texts
        self.first = drawn.picture(0)
        shown = [each.visibility > 0 for each in drawn.instances]
        clicks = zip(drawn.instances[0].points, shown[0], strict=True)
        self.clicks = [list(point) if there else None for point, there in clicks]
        self.picture = np.zeros((192, 576, 3), dtype=np.uint8)
        self.truth, self.shown, self.sides = [], [], []
        for place, number in enumerate((3, 4, 5)):
            self.picture[:, 192 * place : 192 * (place + 1)] = drawn.picture(number)
            self.truth.append(drawn.instances[number].points + np.array([192 * place, 0]))
            self.shown.append(shown[number])
            self.sides.append(max(drawn.instances[number].box[2:]))

    def found(self, poses: list[Prediction]) -> int:
        """How many of the three have a pose with most keypoints near."""
        return sum(
            any((np.linalg.norm(pose.points - truth, axis=1)[shown] < 0.2 * side).mean() > 0.5 for pose in poses)
            for truth, shown, side in zip(self.truth, self.shown, self.sides, strict=True)
        )


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return cape.load("cape-lite", device="cpu")


@pytest.fixture(scope="module")
def herd() -> Herd:
    return Herd()


@pytest.fixture(scope="module")
def prompt(predictor: Predictor, herd: Herd) -> Prompt:
    return predictor.prompt(images=herd.first, points=herd.clicks, names=herd.names)


def test_several_animals_are_found_and_each_once(predictor: Predictor, herd: Herd, prompt: Prompt) -> None:
    (poses,) = predictor.search(prompt, herd.picture)
    assert herd.found(poses) == len(poses) == 3
    assert herd.found(predictor(prompt, herd.picture)) <= 1, "one look finds one at most"
    scores = [pose.seen.sure for pose in poses]
    assert scores == sorted(scores, reverse=True) and min(scores) >= LEAST
    for pose in poses:
        inside = (pose.points[pose.asked] >= pose.box[:2]) & (pose.points[pose.asked] <= pose.box[:2] + pose.box[2:])
        assert inside.all() and pose.box[2] < 300 and pose.size == (576, 192)


def test_no_more_than_are_wanted_and_none_where_none_is_sure(predictor: Predictor, herd: Herd, prompt: Prompt) -> None:
    blank = np.full((96, 300, 3), 128, dtype=np.uint8)
    nothing, (best,) = predictor.search(prompt, [blank, herd.picture], most=1)
    assert nothing == [] and best.seen.sure > LEAST
    assert [*predictor.search(prompt, herd.picture, least=1.0)] == [[]]
    with pytest.raises(UsageError, match="at least 1"):
        next(predictor.search(prompt, herd.picture, most=0))


def test_poses_are_alike_by_their_own_size(predictor: Predictor, herd: Herd, prompt: Prompt) -> None:
    (pose,) = predictor(prompt, herd.picture)
    extent = np.ptp(pose.points[pose.asked], axis=0).max()
    near, far = (pose._replace(points=pose.points + np.array([share * extent, 0])) for share in (0.15, 0.45))
    assert likeness(pose, pose) == likeness(pose, near) == likeness(near, pose) == 1 and likeness(pose, far) == 0
    surer = near._replace(seen=pose.seen._replace(sure=pose.seen.sure + 0.01))
    assert distinct([pose, surer, far], most=5, alike=0.2)[0] is surer
    assert len(distinct([pose, surer, far], most=5, alike=0.2)) == 2
    assert distinct([pose, far], most=1, alike=0.2) == [pose] and not distinct([pose], most=1, alike=0.2, least=1.1)
    small = pose._replace(points=pose.points.mean(axis=0) + (pose.points - pose.points.mean(axis=0)) / 4)
    assert overlap(pose, small) == overlap(small, pose) == pytest.approx(1) and 0.4 < overlap(pose, far) < 0.7
    assert len(distinct([pose, small], most=5, alike=0.5)) == 2
    assert len(distinct([pose, small], most=5, alike=0.5, within=0.6)) == 1
    point = pose._replace(asked=np.arange(len(pose.asked)) == 0)
    assert likeness(point, point._replace(points=point.points + 2)) == 1 and boxed(point).box is point.box
    assert likeness(point, point._replace(points=point.points + 20)) == 0


def test_the_flag_has_the_same_default() -> None:
    assert inspect.signature(predict).parameters["sure"].default == LEAST
