"""Joints of lifters out of keypoints: known names, mixtures, what is not there, what stands between its neighbours."""

import numpy as np
import pytest

from cape.data.joints import MIDDLES, MIXTURES, JointMap, Mapped, filled
from cape.data.skeletons import read_skeleton
from cape.errors import UsageError
from cape.skeleton import Skeleton

COCO = read_skeleton("coco")


def standing() -> np.ndarray:
    """A person who stands upright, COCO's order: ears 10 above the shoulders, hips 40 below them."""
    heights = {"nose": 10, "eye": 12, "ear": 10, "shoulder": 0, "elbow": -15, "wrist": -30, "hip": -40, "knee": -65}
    points = np.zeros((17, 2))
    for place, name in enumerate(COCO.names):
        side, _, part = name.rpartition("_")
        points[place] = {"left": 10, "right": -10}.get(side, 0), -heights.get(part, -90)
    return points


@pytest.mark.parametrize("target", ["human36m", "human36m_16", "cmu17", "mpi_inf_3dhp", "coco", "h3wb"])
def test_which_joints_coco_has(target: str, refused) -> None:
    """All of the lifters of bodies; hands and feet of the whole body are no mixture."""
    if target == "h3wb":
        with refused(UsageError, "left_big_toe", "17: nose"):
            JointMap(source=COCO, target=read_skeleton(target))
        return
    skeleton = read_skeleton(target)
    joints = JointMap(source=COCO, target=skeleton)(standing()[None], np.ones((1, 17), dtype=bool))
    assert joints.found.all() and joints.points.shape == (1, len(skeleton), 2)
    for place, name in enumerate(skeleton.names):
        if name in COCO.names:
            assert (joints.points[0, place] == standing()[COCO.names.index(name)]).all()


def test_whole_body_keypoints_have_the_names_of_coco() -> None:
    body = read_skeleton("coco_wholebody")
    points = np.zeros((2, 133, 2))
    points[:, :17] = standing()
    found = JointMap(source=body, target=read_skeleton("cmu17"))(points, np.ones((2, 133), dtype=bool))
    plain = JointMap(source=COCO, target=read_skeleton("cmu17"))(points[:, :17], np.ones((2, 17), dtype=bool))
    assert (found.points == plain.points).all()


def test_mixtures_by_hand() -> None:
    """Heights above the shoulders: hips -40, ears 10."""
    expected = {
        "human36m": {"pelvis": -40, "spine": -18.8, "thorax": 4, "head": 14, "nose": 10},
        "cmu17": {"pelvis": -30, "spine": -18, "thorax": -6.4, "neck": 8.5, "head": 14},
        "mpi_inf_3dhp": {"pelvis": -40, "neck": 2, "head": 7.5, "head_top": 17},
    }
    for target, heights in expected.items():
        skeleton = read_skeleton(target)
        points = JointMap(source=COCO, target=skeleton)(standing()[None], np.ones((1, 17), dtype=bool)).points[0]
        for name, height in heights.items():
            assert points[skeleton.names.index(name)] == pytest.approx((0, -height)), (target, name)


def test_weights_sum_to_one() -> None:
    """Or a joint would move with the corner of the picture."""
    for ways in MIDDLES.values():
        assert all(sum(way.values()) == pytest.approx(1) for way in ways)
    for mixtures in MIXTURES.values():
        assert all(sum(weights.values()) == pytest.approx(1) for weights in mixtures.values())


def test_a_hidden_ear_is_replaced_and_a_hidden_hip_is_not() -> None:
    skeleton = read_skeleton("human36m")
    known = np.ones((3, 17), dtype=bool)
    known[1, COCO.names.index("left_ear")] = False
    known[2, COCO.names.index("left_hip")] = False
    points = np.repeat(standing()[None], 3, axis=0)
    points[1, COCO.names.index("nose")] = 5, -20
    points[~known] = 1e6  # what is not known is not looked at
    found = JointMap(source=COCO, target=skeleton)(points, known)
    head = skeleton.names.index("head")
    assert found.points[1, head] == pytest.approx((1.4 * 5, -1.4 * 20))
    assert found.found[1].all()
    lacking = [skeleton.names[joint] for joint in np.flatnonzero(~found.found[2])]
    assert lacking == ["pelvis", "left_hip", "spine", "thorax"]
    assert (found.points[2][~found.found[2]] == 0).all()


def test_names_as_people_write_them(refused) -> None:
    """A prompt's; two keypoints of one name are neither."""
    named = Skeleton(tuple(name.replace("_", " ").title() for name in COCO.names), (), (), {})
    skeleton = read_skeleton("human36m_16")
    points = np.random.default_rng(0).normal(size=(4, 17, 2))
    known = np.ones((4, 17), dtype=bool)
    one, other = (JointMap(source=source, target=skeleton)(points, known) for source in (named, COCO))
    assert (one.points == other.points).all()
    twice = Skeleton((*COCO.names[:-1], "Left Ankle"), (), (), {})
    with refused(UsageError, "right_ankle, left_ankle cannot"):
        JointMap(source=twice, target=skeleton)


def test_joints_between_neighbours_in_time() -> None:
    points, found = np.zeros((6, 1, 2)), np.zeros((6, 1), dtype=bool)
    points[1], points[4] = 3, 9
    found[[1, 4]] = True
    points[[0, 2, 3, 5]] = 77  # not looked at
    whole = filled(Mapped(points, found))
    assert whole is not None and whole[:, 0, 0] == pytest.approx([3, 3, 5, 7, 9, 9])
    found[:] = False
    assert filled(Mapped(points, found)) is None
