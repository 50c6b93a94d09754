"""Lengths of limbs and segments: the numbers of the specification (§11), invariances, the authors' variants."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cape.data.skeletons import read_skeleton
from cape.errors import UsageError
from cape.evaluation.structure import (
    HUMAN36M_16_CHAINS,
    HUMAN36M_16_PAIRS,
    binned,
    bsle,
    limb_pairs,
    lse,
    ordering,
    structure_scores,
)
from cape.skeleton import Skeleton

SIXTEEN = read_skeleton("human36m_16")
TWO_ARMS = [((0, 1), (0, 2))]
ARMS = np.array([[[0.0, 0, 0], [1, 0, 0], [-1.1, 0, 0]]])

seeds = st.integers(0, 2**32 - 1)


def body(seed: int, frames: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, 16, 3))


def rigid(seed: int, poses: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return poses @ turn + rng.normal(size=3)


def test_lse_is_that_of_the_specification() -> None:
    assert lse(ARMS, TWO_ARMS) == pytest.approx([9.5238], abs=5e-5)
    assert lse(ARMS, TWO_ARMS, variant="official") == pytest.approx([4.7619], abs=5e-5)
    assert lse(ARMS * [1, 1, 1] * 3, TWO_ARMS) == pytest.approx([9.5238], abs=5e-5)


@given(seeds)
def test_a_symmetric_body_has_no_lse(seed: int) -> None:
    mirror = SIXTEEN.mirror()
    half = body(seed)
    symmetric = (half + half[:, mirror] * [-1, 1, 1]) / 2
    assert lse(rigid(seed, symmetric), limb_pairs(SIXTEEN)) == pytest.approx(np.zeros(3), abs=1e-9)
    assert (lse(half, limb_pairs(SIXTEEN)) > 0).all()


@given(seeds, st.floats(0.1, 10))
def test_what_lse_does_not_see(seed: int, scale: float) -> None:
    poses = body(seed)
    for variant in ("paper", "official", "official_limb"):
        expected = lse(poses, HUMAN36M_16_PAIRS, variant=variant)
        assert lse(scale * rigid(seed, poses), HUMAN36M_16_PAIRS, variant=variant) == pytest.approx(expected)


def test_bsle_is_that_of_the_specification() -> None:
    target = ARMS.copy()
    longer = ARMS * 1.1
    assert bsle(longer, target, [(0, 1)]) == pytest.approx([10])
    assert bsle(longer, target, [(0, 1), (0, 2)], variant="official") == pytest.approx([10])
    assert bsle(rigid(0, target), target, [(0, 1), (0, 2)]) == pytest.approx([0], abs=1e-9)


def test_segments_without_length() -> None:
    target = ARMS.copy()
    target[:, 1] = 0
    assert bsle(ARMS, target, [(0, 1), (0, 2)]) == pytest.approx([0])
    assert math.isnan(bsle(ARMS, target, [(0, 1)])[0])
    assert lse(np.zeros((1, 3, 3)), TWO_ARMS) == pytest.approx([0])


def authors_lse(pose: np.ndarray) -> float:
    """Their "all" mode: the list of violations is made anew in the loop."""
    violations = []
    for left, right in HUMAN36M_16_PAIRS:
        a, b = (np.linalg.norm(pose[each[0]] - pose[each[1]]) for each in (left, right))
        violations = [abs(a - b) / (a + b)]
    return 100 * float(np.mean(violations))


def authors_bsle(pose: np.ndarray, target: np.ndarray) -> float:
    """Both segments of every triplet of joined joints."""
    errors = []
    for middle in range(16):
        ends = [a + b - middle for a, b in SIXTEEN.edges if middle in (a, b)]
        for place, first in enumerate(ends):
            for second in ends[place + 1 :]:
                for end in (first, second):
                    k, t = (np.linalg.norm(each[end] - each[middle]) for each in (pose, target))
                    errors.append(abs(k - t) / t)
    assert len(errors) == 2 * 18
    return 100 * float(np.mean(errors))


@given(seeds)
def test_the_authors_variants_are_what_their_loops_compute(seed: int) -> None:
    poses, target = body(seed), body(seed + 1)
    assert lse(poses, HUMAN36M_16_PAIRS, variant="official") == pytest.approx([authors_lse(each) for each in poses])
    expected = [authors_bsle(pose, wanted) for pose, wanted in zip(poses, target, strict=True)]
    assert bsle(poses, target, SIXTEEN.edges, variant="official") == pytest.approx(expected)


def test_the_authors_limb_mode_compares_arms_and_legs() -> None:
    poses = body(5, frames=1)
    arms, legs = (
        [sum(np.linalg.norm(poses[0, a] - poses[0, b]) for a, b in side) for side in limb]
        for limb in HUMAN36M_16_CHAINS
    )
    expected = 50 * sum(abs(left - right) / (left + right) for left, right in (arms, legs))
    assert lse(poses, HUMAN36M_16_PAIRS, variant="official_limb") == pytest.approx([expected])


def test_pairs_are_those_of_the_specification() -> None:
    def plain(pairs):
        return {frozenset(tuple(sorted(each)) for each in pair) for pair in pairs}

    assert plain(limb_pairs(SIXTEEN)) == plain(HUMAN36M_16_PAIRS)
    assert len(limb_pairs(read_skeleton("human36m"))) == len(limb_pairs(read_skeleton("mpi_inf_3dhp"))) == 6


def test_scores_of_a_longer_left_arm() -> None:
    target = body(6)
    target = (target + target[:, SIXTEEN.mirror()] * [-1, 1, 1]) / 2
    predicted = target.copy()
    predicted[:, 12] += 0.1 * (target[:, 12] - target[:, 11])  # the forearm, whose end no other segment has
    scores = structure_scores(predicted, target, SIXTEEN)
    assert scores["LSE"] == pytest.approx(np.full(3, 9.5238 / 6), abs=1e-4)
    assert scores["LLE"] == pytest.approx(np.full(3, 10 / 12))
    assert scores["BSLE"] == pytest.approx(np.full(3, 10 / 15))


def test_a_skeleton_without_sides_or_edges_is_refused(refused) -> None:
    poses = np.zeros((1, 2, 3))
    with refused(UsageError, "segments"):
        structure_scores(poses, poses, Skeleton(names=("a", "b"), edges=((0, 1),)))
    with refused(UsageError, "segments"):
        bsle(poses, poses, [])


def test_ordering() -> None:
    errors = np.array([1.0, 2, 3, 4])
    found = ordering(np.array([0.1, 0.2, 0.4, 0.3]), {"LSE": errors, "reversed": -errors, "constant": np.ones(4)})
    assert found["LSE"].tau == pytest.approx(4 / 6)
    assert found["LSE"].correct == pytest.approx(100 * 5 / 6)
    assert found["reversed"].tau == pytest.approx(-4 / 6)
    assert math.isnan(found["constant"].tau)


def test_bins() -> None:
    by = np.array([0.0, 5, 10, 19, 20, 25, -1])
    found = binned({"LSE": np.arange(7.0)}, by, [0, 10, 20, 21, 22])
    assert found.counts.tolist() == [2, 2, 1, 0]
    assert found.means["LSE"][:3].tolist() == [0.5, 2.5, 4]
    assert math.isnan(found.means["LSE"][3])
    assert binned({"LSE": np.arange(7.0)}, by, [0, 10, 20]).counts.tolist() == [2, 3], "the last edge is inside"


@pytest.mark.parametrize("edges", [[1], [2, 1], [1, 1, 2]])
def test_bad_edges_are_refused(edges: list, refused) -> None:
    with refused(UsageError, "edges"):
        binned({}, np.zeros(2), edges)


def test_human36m_is_symmetric(shared_data: Path) -> None:
    """Table 4 gives its ground truth an LSE of 0.00."""
    content = json.loads((shared_data / "pose3d_mini" / "h36m_sample.json").read_text())
    poses = np.array(content["samples"]["S"])[..., :3]
    assert lse(poses, limb_pairs(read_skeleton("human36m"))).max() < 0.005
