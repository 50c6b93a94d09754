"""OKS against pycocotools, PCK by hand, and names that borrow a sigma."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.cocoeval import COCOeval

from cape.data.skeletons import read_sigmas, read_skeleton
from cape.errors import DataError, SkeletonError, UsageError
from cape.evaluation.targets import (
    Similarity,
    SoftlyWithin,
    Within,
    head_size,
    mean_of_labelled,
    person_similarity,
    reach,
    sigmas_by_name,
)

SIGMAS = read_sigmas("coco")


def by_pycocotools(found, truth, labelled, area):
    """Its `computeOks` on one person and one prediction."""
    evaluation = COCOeval(iouType="keypoints")
    numbers = np.column_stack([truth, 2.0 * labelled])
    box = [*truth.min(axis=0), *np.ptp(truth, axis=0)]
    person = {"keypoints": numbers.ravel().tolist(), "bbox": box, "area": area}
    prediction = {"keypoints": np.column_stack([found, np.ones(17)]).ravel().tolist(), "score": 1.0}
    evaluation._gts[1, 1], evaluation._dts[1, 1] = [person], [prediction]
    return evaluation.computeOks(1, 1).item()


def test_similarity_equals_pycocotools():
    rng = np.random.default_rng(0)
    for _ in range(200):
        side = np.exp(rng.normal(4.5, 1))
        truth = rng.uniform(0, side, (17, 2)) + rng.uniform(0, 300, 2)
        found = truth + rng.normal(0, 0.1 * side, (17, 2))
        labelled, area = rng.random(17) < 0.7, float(rng.uniform(0.1, 1) * side**2)
        labelled[0] = True
        mine = person_similarity(found[None], truth[None], labelled[None], np.array([area]), SIGMAS)
        assert mine.item() == pytest.approx(by_pycocotools(found, truth, labelled, area), abs=1e-9)


def test_similarity_of_each_person_by_hand():
    truth = np.zeros((3, 2, 2))
    found = truth + np.array([[3.0, 4.0], [0.0, 0.0]])
    labelled = np.array([[True, True], [False, True], [False, False]])
    alike = person_similarity(found, truth, labelled, np.full(3, 100.0), np.array([0.5, 0.1]))
    assert alike[:2] == pytest.approx([(1 + np.exp(-25 / (2 * 100.0))) / 2, 1.0]) and np.isnan(alike[2])
    # the fall-off's variance is (2 sigma)², times the area (Eq. 7)
    assert reach(np.array([100.0]), np.array([0.5, 0.1])).tolist() == [[10.0, 2.0]]
    one = Similarity(sigmas=0.5)(found, truth, np.full(3, 10.0))
    assert one[0] == pytest.approx([np.exp(-25 / 200.0), 1.0])


def test_shares_of_the_size_by_hand():
    truth = np.zeros((2, 3, 2))
    found = np.array([[[2.0, 0.0], [1.9, 0.0], [2.1, 0.0]]] * 2)
    size = np.array([10.0, 20.0])
    assert Within(threshold=0.2)(found, truth, size).tolist() == [[0, 1, 0], [1, 1, 1]]
    assert Within(threshold=0.2, inclusive=True)(found, truth, size).tolist() == [[1, 1, 0], [1, 1, 1]]
    soft = SoftlyWithin(threshold=0.2)(found, truth, size)
    assert soft[0] == pytest.approx([0.5, 1 / (1 + np.exp(-0.5)), 1 / (1 + np.exp(0.5))])
    steep = SoftlyWithin(threshold=0.2, softness=1e-6)(found, truth, size)
    assert steep[0] == pytest.approx([0.5, 1, 0])
    assert head_size(np.array([[10.0, 10.0, 40.0, 50.0]])).tolist() == [30.0]


@given(
    st.floats(0, 100),
    st.floats(0.1, 100),
    st.sampled_from([Similarity(sigmas=0.1), Within(threshold=0.2), SoftlyWithin(threshold=0.2)]),
)
def test_every_target_falls_with_the_error_and_knows_no_unit(error, size, target):
    def value(moved, side):
        return target(np.array([[[moved, 0.0]]]), np.zeros((1, 1, 2)), np.array([side])).item()

    assert 0 <= value(error + 1, size) <= value(error, size) <= 1
    assert value(4 * error, 4 * size) == pytest.approx(value(error, size), abs=1e-9)


def test_what_is_not_finite_is_a_miss():
    found, truth = np.zeros((1, 3, 2)), np.zeros((1, 3, 2))
    found[0, 0, 1], truth[0, 1, 0] = np.nan, np.inf
    for target in (Similarity(sigmas=0.1), Within(threshold=0.2), SoftlyWithin(threshold=0.2, softness=1e-3)):
        assert target(found, truth, np.array([10.0]))[0] == pytest.approx([0, 0, 1])
    assert mean_of_labelled(np.array([[np.nan, 0.5]]), np.array([[False, True]])).tolist() == [0.5]


def test_the_names_of_mpii_borrow_from_coco():
    known = dict(zip(read_skeleton("coco").names, SIGMAS.tolist(), strict=True))
    names = ["right_ankle", "Pelvis", "thorax", "upper neck", "head_top", "left elbow"]
    expected = [known[name] for name in ("right_ankle", "left_hip", "left_shoulder", "nose", "nose", "left_elbow")]
    assert sigmas_by_name(names, known).tolist() == expected == [0.089, 0.107, 0.079, 0.026, 0.026, 0.072]


def test_bad_sizes_sigmas_and_names(refused):
    found = np.zeros((1, 2, 2))
    for bad in (0.0, -1.0, np.nan):
        with refused(DataError, "size"):
            Within(threshold=0.2)(found, found, np.array([bad]))
        with refused(DataError, "area"):
            person_similarity(found, found, np.ones((1, 2), bool), np.array([bad]), np.ones(2))
        with refused(DataError, "sigmas"):
            Similarity(sigmas=bad)
        with refused(DataError, "threshold"):
            Within(threshold=bad)
        with refused(DataError, "softness"):
            SoftlyWithin(threshold=0.2, softness=bad)
    with refused(UsageError, "2 keypoints", "3"):
        Similarity(sigmas=np.ones(3))(found, found, np.ones(1))
    with refused(DataError, "head"):
        head_size(np.zeros((1, 4)))
    with refused(SkeletonError, "'tail'"):
        sigmas_by_name(["nose", "tail"], {"nose": 0.026})
