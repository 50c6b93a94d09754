"""The analyses of the interventions: against sums by hand, and at their edges."""

import numpy as np
import pytest

from cape.errors import UsageError
from cape.evaluation.interventions import (
    PARTS_OF,
    TABLE_7,
    auroc,
    auroc_interval,
    enrichment,
    harder,
    intervention_frequency,
    mean_interval,
    principal_axes,
    same_keypoint_auroc,
    select,
    spread,
)


def test_selection_is_the_top_and_ties_go_to_the_first():
    score = np.array([[0.1, 0.9, 0.9, 0.5], [0.0, 0.0, 0.0, 0.0]])
    assert select(score, 2).tolist() == [[False, True, True, False], [True, True, False, False]]
    assert not select(score, 0).any() and select(score, 4).all()
    many = np.random.default_rng(0).integers(0, 3, (20, 133)).astype(float)
    for row, chosen in zip(many, select(many, 60), strict=True):
        assert set(np.flatnonzero(chosen)) == set(
            sorted(range(133), key=lambda index, row=row: (-row[index], index))[:60]
        )


@pytest.mark.parametrize("count", [-1, 5])
def test_no_such_selection(refused, count):
    with refused(UsageError, "count"):
        select(np.zeros((2, 4)), count)


def test_enrichment_by_hand():
    score = np.array([[4.0, 3.0, 2.0, 1.0]] * 4)
    error = np.array([[10.0, 6.0, 2.0, 1.0], [10.0, np.nan, 2.0, 1.0], [np.nan] * 2 + [1.0, 2.0], [5.0, 5.0, 1.0, 1.0]])
    visible = ~np.isnan(error)
    visible[3, 2:] = False
    found = enrichment(score, error, visible, 2)
    # (10 + 6)/2 - (2 + 1)/2; the invisible one of T does not count; nothing of T visible; nothing else visible
    np.testing.assert_allclose(found[:2], [6.5, 8.5])
    assert np.isnan(found[2:]).all()


def test_enrichment_equals_a_loop():
    rng = np.random.default_rng(0)
    score, error, visible = rng.random((50, 17)), rng.random((50, 17)), rng.random((50, 17)) < 0.7
    found = enrichment(score, error, visible, 3)
    for row in range(50):
        top = set(np.argsort(-score[row])[:3])
        seen = set(np.flatnonzero(visible[row]))
        if top & seen and seen - top:
            expected = error[row, list(top & seen)].mean() - error[row, list(seen - top)].mean()
            assert found[row] == pytest.approx(expected)
        else:
            assert np.isnan(found[row])


def test_dropping_the_easiest():
    error = np.array([[4.0, 99.0], [1.0, 99.0], [3.0, 99.0], [2.0, 99.0], [99.0, 99.0]])
    visible = np.array([[True, False]] * 4 + [[False, False]])
    assert harder(error, visible, dropped=0.0).tolist() == [True] * 4 + [False]
    assert harder(error, visible, dropped=0.5).tolist() == [True, False, True, False, False]
    with pytest.raises(UsageError):
        harder(error, visible, dropped=1.0)


def test_intervals_hold_the_mean_and_shrink_with_the_number_of_people():
    rng = np.random.default_rng(0)
    few, many = (mean_interval(rng.normal(3, 1, size)) for size in (30, 3000))
    for each in (few, many):
        assert each.low < each.mean < each.high
    assert many.high - many.low == pytest.approx(2 * 1.96 / np.sqrt(3000), rel=0.15)
    assert few.high - few.low > 5 * (many.high - many.low)
    values = np.array([1.0, np.nan, 2.0])
    assert mean_interval(values) == mean_interval(values) and mean_interval(values).mean == 1.5
    assert np.isnan(mean_interval(np.array([np.nan])).mean)


def test_frequencies_times_sizes_sum_to_the_number_of_interventions():
    assert sorted(index for members in TABLE_7.values() for index in members) == list(range(133))
    assert [len(members) for members in TABLE_7.values()] == [73, 4, 4, 42, 4, 6]
    # Table 7 of the paper: one intervention for each person, in per cent
    paper = {"face": 0.67, "torso": 0.16, "arms": 0.24, "hands": 0.90, "legs": 0.89, "feet": 1.36}
    assert sum(paper[part] * len(members) for part, members in TABLE_7.items()) == pytest.approx(100, abs=0.5)
    score = np.random.default_rng(0).random((200, 133))
    for count in (1, 13, 133):
        found = intervention_frequency(select(score, count))
        assert sum(found[part] * len(members) for part, members in TABLE_7.items()) == pytest.approx(count)


def test_frequencies_of_given_parts():
    chosen = np.array([[True, False, False], [True, True, False]])
    assert intervention_frequency(chosen, {"a": [0], "b": [1, 2]}) == {"a": 1.0, "b": 0.25}


@pytest.mark.parametrize("parts", [{"a": []}, {"a": [3]}, {"a": [-1]}])
def test_parts_that_do_not_fit(refused, parts):
    with refused(UsageError, "'a'"):
        intervention_frequency(np.zeros((2, 3), dtype=bool), parts)


def test_no_person(refused):
    with refused(UsageError, "none"):
        intervention_frequency(np.zeros((0, 133), dtype=bool))


def test_auroc_equals_counting_pairs():
    rng = np.random.default_rng(0)
    score, positive = rng.integers(0, 6, 80).astype(float), rng.random(80) < 0.3
    pairs = score[positive][:, None] - score[~positive][None]
    assert auroc(score, positive) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert auroc(-score, positive) == pytest.approx(1 - auroc(score, positive))
    assert auroc(np.ones(4), np.array([True, False, True, False])) == 0.5
    assert np.isnan(auroc(score, np.zeros(80, dtype=bool))) and np.isnan(auroc(score, np.ones(80, dtype=bool)))


# ---- occlusion (Fig. 3) and embeddings (Fig. 4)


def test_the_same_keypoint_is_compared_across_people_alone() -> None:
    """A keypoint whose score is high always, and which is hidden often, fools the plain area and not this one."""
    score = np.array([[9.0, 1.0], [9.0, 1.0], [9.0, 1.0], [9.0, 2.0]])
    hidden = np.array([[True, False], [True, False], [False, False], [False, True]])
    counted = np.ones_like(hidden)
    assert auroc(score.ravel(), hidden.ravel()) == pytest.approx((2 * (0.5 * 2 + 3) + 3) / 15)
    # keypoint 0: 4 pairs, all ties; keypoint 1: 3 pairs, all won
    assert same_keypoint_auroc(score, hidden, counted) == pytest.approx((4 * 0.5 + 3 * 1.0) / 7)
    counted[:, 1] = False
    assert same_keypoint_auroc(score, hidden, counted) == 0.5
    assert np.isnan(same_keypoint_auroc(score, np.zeros_like(hidden), counted))


def test_the_interval_of_the_area_holds_it() -> None:
    rng = np.random.default_rng(0)
    hidden = rng.random((40, 6)) < 0.3
    score = rng.normal(size=(40, 6)) + hidden
    everything = np.ones_like(hidden)
    found = auroc_interval(score, hidden, everything)
    assert found.mean == auroc(score.ravel(), hidden.ravel()) and found.low < found.mean < found.high
    assert found == auroc_interval(score, hidden, everything) != auroc_interval(score, hidden, everything, seed=1)
    assert np.isnan(auroc_interval(score, hidden & False, everything)).all()


def test_principal_axes_of_a_known_ellipse() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(500, 3)) @ np.diag([5.0, 0.1, 2.0]) + [1.0, 2.0, 3.0]
    plane = principal_axes(points)
    assert np.abs(plane.axes - [[1, 0, 0], [0, 0, 1]]).max() < 0.05 and plane.share > 0.99
    np.testing.assert_allclose(plane(points).mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(plane(points), (points - points.mean(axis=0)) @ plane.axes.T)
    with pytest.raises(UsageError, match="two embeddings"):
        principal_axes(points[:1])


def test_spread_by_hand() -> None:
    """Middles at 0 and 10, dots 1 and 2 away from them; what is not counted does not count."""
    tokens = np.array([[[-1.0], [8.0]], [[1.0], [12.0]], [[99.0], [-50.0]]])
    counted = np.array([[True, True], [True, True], [False, False]])
    assert spread(tokens, counted) == pytest.approx(np.sqrt(((1 + 4) / 2) / 25))
    assert np.isnan(spread(tokens, counted & [True, False]))


@pytest.mark.parametrize("count", PARTS_OF)
def test_parts_share_out_all_keypoints(count: int) -> None:
    assert sorted(index for members in PARTS_OF[count].values() for index in members) == list(range(count))
