"""`cape.annotator.checks`: odd poses among like ones, whatever their size and turn."""

import numpy as np

from cape.annotator.checks import find_checks
from cape.annotator.schema import Category, Instance, Keypoint, Picture, Point

NAMES = ("nose", "left-ear", "right-ear", "left-foot", "right-foot", "tail")
SHAPE = np.array([[0, -10], [-4, -6], [4, -6], [-5, 8], [5, 8], [1, 12]], dtype=float)
CATEGORY = Category(
    id="c", name="cat", keypoints=[Keypoint(id=name, name=name) for name in NAMES],
    swap=[["left-ear", "right-ear"], ["left-foot", "right-foot"]], retired=[], revision=1, deleted=False,
)  # fmt: skip
PICTURES = {
    f"{number:020d}": Picture(id=f"{number:020d}", file=f"{number}", width=1000, height=1000, state="done", revision=1)
    for number in range(12)
}


def herd() -> list[np.ndarray]:
    """Twelve like poses, each turned, scaled and moved, with a little noise."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(12):
        angle, size = rng.uniform(-1, 1), rng.uniform(5, 20)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        found.append(size * (SHAPE + rng.normal(0, 0.2, SHAPE.shape)) @ turn.T + 500)
    return found


def instances(poses: list[np.ndarray], left_out: dict[int, set[str]] | None = None) -> list[Instance]:
    return [
        Instance(
            id=f"i{number}", picture_id=f"{number:020d}", category_id="c", state="accepted", revision=1, deleted=False,
            updated="", points=[
                Point(keypoint=name, x=float(x), y=float(y), visibility=2)
                for name, (x, y) in zip(NAMES, pose, strict=True) if name not in (left_out or {}).get(number, set())
            ],
        )
        for number, pose in enumerate(poses)
    ]  # fmt: skip


def kinds(poses: list[np.ndarray], **more: dict) -> set[tuple[str, str, tuple[str, ...]]]:
    found = find_checks(CATEGORY, instances(poses, **more), PICTURES)
    assert [each.severity for each in found] == sorted((each.severity for each in found), reverse=True)
    return {(each.kind, each.instance_id, tuple(each.keypoints)) for each in found}


def test_nothing_is_said_of_like_poses() -> None:
    assert kinds(herd()) == set()


def test_sides_that_were_exchanged() -> None:
    poses = herd()
    poses[4][[1, 2]] = poses[4][[2, 1]]
    poses[4][[3, 4]] = poses[4][[4, 3]]
    assert {("swapped", "i4", ("left-ear", "right-ear")), ("swapped", "i4", ("left-foot", "right-foot"))} <= kinds(
        poses
    )


def test_a_point_far_from_where_it_is() -> None:
    poses = herd()
    poses[7][5] += 60
    found = kinds(poses)
    assert ("outlier", "i7", ("tail",)) in found
    assert {each[1] for each in found} == {"i7"}


def test_two_points_at_one_place_one_outside_and_one_missing() -> None:
    poses = herd()
    poses[0][1] = poses[0][2]
    poses[1][0] = (-30, 500)
    found = kinds(poses, left_out={2: {"tail"}})
    assert ("duplicate", "i0", ("left-ear", "right-ear")) in found
    assert ("outside", "i1", ("nose",)) in found
    assert ("missing", "i2", ("tail",)) in found


def test_few_or_strange_instances_do_no_harm() -> None:
    assert kinds(herd()[:2]) == set()
    assert find_checks(CATEGORY, [], {}) == []
    flat = [np.zeros((6, 2)) + 5 for _ in range(6)]
    assert {each[0] for each in kinds(flat)} <= {"duplicate", "outlier", "swapped"}
    everything_gone = {number: set(NAMES) for number in range(12)}
    assert {each[0] for each in kinds(herd(), left_out=everything_gone)} == {"missing"}
