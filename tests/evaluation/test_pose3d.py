"""Errors of 3D poses: the numbers of the specification (§11), invariances, and what is minimal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cape.evaluation.pose3d import (
    auc,
    joint_errors,
    mpjpe,
    n_mpjpe,
    p_mpjpe,
    pck,
    pose_scores,
    procrustes,
    relative,
    whole_body_errors,
)

seeds = st.integers(0, 2**32 - 1)


def poses(seed: int, *, frames: int = 3, joints: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(frames, joints, 3))
    return target + 0.3 * rng.normal(size=target.shape), target


def rotation(rng: np.random.Generator) -> np.ndarray:
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return turn * np.sign(np.linalg.det(turn))


def test_auc_and_pck_are_those_of_the_specification() -> None:
    errors = np.full((2, 17), 0.075)
    assert pck(errors) == pytest.approx([100, 100])
    assert auc(errors) == pytest.approx([100 * 15 / 31] * 2)
    assert auc(errors)[0] == pytest.approx(48.387, abs=5e-4)
    assert auc(np.zeros((1, 17)))[0] == pytest.approx(96.774, abs=5e-4)
    assert auc(np.ones((1, 17)))[0] == 0
    assert pck(np.full((1, 17), 0.150))[0] == 0


@given(seeds)
def test_auc_is_the_mean_of_pck(seed: int) -> None:
    errors = np.random.default_rng(seed).uniform(0, 0.2, (4, 9))
    assert auc(errors) == pytest.approx(np.mean([pck(errors, step * 0.005) for step in range(31)], axis=0))


@given(seeds, st.floats(0.1, 10))
def test_p_mpjpe_does_not_see_a_similarity_of_the_prediction(seed: int, scale: float) -> None:
    predicted, target = poses(seed)
    rng = np.random.default_rng(seed)
    moved = scale * predicted @ rotation(rng) + rng.normal(size=3)
    assert p_mpjpe(moved, target) == pytest.approx(p_mpjpe(predicted, target), abs=1e-9)
    assert p_mpjpe(scale * target @ rotation(rng) + 1, target) == pytest.approx(np.zeros(3), abs=1e-9)


@given(seeds)
def test_procrustes_minimises_the_mean_square(seed: int) -> None:
    """And so the plain error of a frame may grow: that is not asserted."""
    predicted, target = poses(seed)
    aligned = procrustes(predicted, target)
    before, after = (np.square(each - target).sum(axis=(1, 2)) for each in (predicted, aligned))
    assert (after <= before + 1e-9).all()
    rng = np.random.default_rng(seed)
    for _ in range(5):  # no other similarity near it is better
        angle = 0.05 * rng.normal(size=3)
        turn = np.eye(3) + np.cross(np.eye(3), angle)
        other = (1 + 0.05 * rng.normal()) * aligned @ np.linalg.qr(turn)[0] + 0.05 * rng.normal(size=3)
        assert (np.square(other - target).sum(axis=(1, 2)) >= after - 1e-9).all()


def test_a_mirror_image_is_not_aligned_away() -> None:
    _, target = poses(0)
    assert (p_mpjpe(target * [-1, 1, 1], target) > 0.1).all()


def test_a_prediction_of_one_point_becomes_the_middle() -> None:
    _, target = poses(1)
    assert procrustes(np.ones_like(target), target) == pytest.approx(
        np.broadcast_to(target.mean(axis=1, keepdims=True), target.shape)
    )
    assert np.isfinite(n_mpjpe(np.zeros_like(target), target)).all()


@given(seeds, st.floats(0.1, 10))
def test_n_mpjpe_does_not_see_scale_alone(seed: int, scale: float) -> None:
    predicted, target = poses(seed)
    assert n_mpjpe(scale * predicted, target) == pytest.approx(n_mpjpe(predicted, target))
    assert n_mpjpe(predicted + 1, target) != pytest.approx(n_mpjpe(predicted, target))


def test_scores_are_in_millimetres_and_relative_to_the_root() -> None:
    _, target = poses(2, joints=17)
    predicted = target + np.array([0.5, 0, 0])
    predicted[:, 3] += [0, 0.017, 0]
    scores = {name: values.mean() for name, values in pose_scores(predicted, target).items()}
    assert scores["MPJPE"] == pytest.approx(1)
    assert scores["PCK@150"] == 100
    assert pose_scores(predicted, target, root=None)["PCK@150"].mean() == 0
    assert mpjpe(predicted, target) == pytest.approx(joint_errors(predicted, target).mean(axis=1))


def test_relative_to_the_mean_of_several_joints() -> None:
    _, target = poses(3)
    assert relative(target, (1, 2))[:, [1, 2]].mean(axis=1) == pytest.approx(np.zeros((3, 3)), abs=1e-12)
    assert not relative(target, 4)[:, 4].any()


def test_whole_body_alignments() -> None:
    """H3WB's protocol: what is moved rigidly with its own root costs nothing once it is aligned to it."""
    _, target = poses(4, joints=133)
    predicted = target + 5.0
    assert max(each.max() for each in whole_body_errors(predicted, target)) == pytest.approx(0, abs=1e-9)
    predicted[:, 91:112] += [0.1, 0, 0]
    predicted[:, [0, *range(23, 91)]] += [0, 0.2, 0]
    errors = whole_body_errors(predicted, target)
    assert errors.face == pytest.approx([0.2] * 3)
    assert errors.face_aligned == pytest.approx([0] * 3, abs=1e-9)
    assert errors.hands == pytest.approx([0.05] * 3)
    assert errors.hands_aligned == pytest.approx([0] * 3, abs=1e-9)
    assert errors.body == pytest.approx([0.2 / 23] * 3)
    assert errors.whole == pytest.approx([(69 * 0.2 + 21 * 0.1) / 133] * 3)
    predicted[:, 11] += [0, 0, 0.4]
    assert whole_body_errors(predicted, target).hands[0] > 0.2
