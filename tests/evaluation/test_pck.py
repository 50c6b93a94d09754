"""The metrics: a plain reference, the conventions one by one, and the published figures of the copy baseline."""

from pathlib import Path

import numpy as np
import pytest

from cape.data.episodes import official_pairs, pose_table
from cape.data.mp100 import MP100
from cape.data.transforms import PADDING, from_crop, to_crop
from cape.evaluation.pck import HEADLINE, THRESHOLDS, auc, bootstrap, mean_valid, pck, score_pairs, summary


def reference(predicted, target, valid, side, threshold):
    """Plain Python: mean over pairs of the share of valid keypoints strictly closer than the threshold."""
    shares = []
    for p, t, v, s in zip(predicted, target, valid, side, strict=True):
        hits = [np.hypot(*(a - b)) / s < threshold for a, b, ok in zip(p, t, v, strict=True) if ok]
        shares.append(sum(hits) / len(hits) if hits else 0.0)
    return sum(shares) / len(shares)


def random_pairs(seed: int = 0, pairs: int = 40, keypoints: int = 7):
    rng = np.random.default_rng(seed)
    target = rng.uniform(0, 200, (pairs, keypoints, 2))
    predicted = target + rng.normal(0, 25, target.shape)
    return predicted, target, rng.random((pairs, keypoints)) < 0.6, rng.uniform(80, 300, pairs)


def test_scores_equal_the_plain_reference() -> None:
    predicted, target, valid, side = random_pairs()
    valid[3] = False
    scores = score_pairs(predicted, target, valid, side)
    for threshold in THRESHOLDS:
        found = scores[f"PCK@{threshold:.2f}"].mean() / 100
        assert found == pytest.approx(reference(predicted, target, valid, side, threshold))
    steps = [reference(predicted, target, valid, side, step / 20) for step in range(20)]
    assert scores["AUC"].mean() == pytest.approx(np.mean(steps))


def test_closer_means_strictly_closer() -> None:
    distance, valid = np.array([[0.2, 0.2 - 1e-9, 0.2 + 1e-9, 0.0]]), np.ones((1, 4), dtype=bool)
    assert pck(distance, valid, 0.2).tolist() == [0.5]


def test_an_empty_pair_scores_zero_everywhere() -> None:
    predicted, target, valid, side = random_pairs(pairs=3)
    valid[1] = False
    scores = score_pairs(predicted, target, valid, side)
    assert all(values[1] == 0 for values in scores.values())
    assert summary(scores)["ceiling"] == pytest.approx(100 * 2 / 3)


def test_both_conventions_of_mpck() -> None:
    row = summary(score_pairs(*random_pairs()))
    columns = [row[f"PCK@{threshold:.2f}"] for threshold in THRESHOLDS]
    assert row["mPCK(.05-.20)"] == pytest.approx(np.mean(columns[:4]))
    assert row["mPCK(.05-.25)"] == pytest.approx(np.mean(columns))
    assert row["mPCK(.05-.20)"] < row["mPCK(.05-.25)"]


def test_perfect_predictions() -> None:
    _, target, valid, side = random_pairs()
    valid[:, 0] = True
    row = summary(score_pairs(target, target, valid, side))
    assert row["PCK@0.05"] == 100
    assert row["NME"] == row["EPE px"] == 0
    assert row["AUC"] == pytest.approx(0.95)  # the first of the twenty thresholds is 0, and nothing is below it


def test_invisible_points_do_not_matter() -> None:
    predicted, target, valid, side = random_pairs()
    before = score_pairs(predicted, target, valid, side)
    predicted[~valid] = 1e6
    after = score_pairs(predicted, target, valid, side)
    for name, values in before.items():
        np.testing.assert_array_equal(values, after[name])


def test_bootstrap_resamples_whole_groups() -> None:
    scores = {"a": np.repeat([0.0, 1.0], 500), "b": np.repeat([3.0, 1.0], 500)}
    clustered = bootstrap(scores, np.repeat([0, 1], 500))
    independent = bootstrap(scores, np.arange(1000))
    assert clustered["a"].mean == independent["a"].mean == 0.5
    assert (clustered["a"].low, clustered["a"].high) == (0, 1)
    assert (clustered["b"].low, clustered["b"].high) == (1, 3)
    assert 0.45 < independent["a"].low < independent["a"].high < 0.55
    assert bootstrap(scores, np.repeat([0, 1], 500)) == clustered


def test_bootstrap_weighs_groups_by_their_pairs() -> None:
    """Nine pairs of one group and one of another: a resample is a mean over pairs, not over groups."""
    scores = {"a": np.array([0.0] * 9 + [1.0])}
    found = bootstrap(scores, np.array([0] * 9 + [1]), draws=4000)["a"]
    assert found.mean == pytest.approx(0.1)
    assert (found.low, found.high) == (0, 1)


# Specification §7.1, copy baseline: PCK at the five thresholds, both mPCK, NME, AUC, EPE; 5-shot and centre PCK@0.2.
PUBLISHED = {
    1: (8.19, 22.56, 36.37, 48.13, 57.54, 28.81, 34.56, 0.2675, 0.7075, 126.73, 53.98, 15.85, 100.00),
    2: (8.81, 24.82, 39.98, 52.26, 62.06, 31.47, 37.59, 0.2493, 0.7251, 129.94, 60.37, 13.72, 99.94),
    3: (10.35, 25.97, 40.07, 51.66, 60.86, 32.01, 37.78, 0.2550, 0.7185, 110.19, 57.23, 16.06, 99.85),
    4: (7.58, 21.22, 34.31, 45.44, 54.63, 27.14, 32.64, 0.2841, 0.6910, 201.46, 51.28, 14.35, 100.00),
    5: (10.08, 26.09, 40.78, 52.64, 62.02, 32.40, 38.32, 0.2504, 0.7245, 120.57, 59.88, 14.25, 100.00),
}


def official(shared_data: Path, split: int, shots: int):
    source = MP100(root=shared_data / "mp100_official", split=split, subset="test", pictures=None)
    table = pose_table(source.instances)
    pairs = official_pairs(source.by_category(), shots=shots).table
    supports, query = pairs[:, :-1], pairs[:, -1]
    valid = table.visible[supports].all(axis=1) & table.visible[query]
    copied = to_crop(table.points, table.box)[supports].mean(axis=1)
    return table, query, valid, copied


@pytest.mark.shared_data
@pytest.mark.parametrize("split", PUBLISHED)
def test_copy_baseline_reproduces_the_published_protocol(shared_data: Path, split: int) -> None:
    table, query, valid, copied = official(shared_data, split, shots=1)
    side = table.box[query, 2:].max(axis=1)
    row = summary(score_pairs(from_crop(copied, table.box[query]), table.points[query], valid, side))
    *expected, five_shot, centre, ceiling = PUBLISHED[split]
    found = [value for key, value in row.items() if key != "ceiling"]
    assert row["PCK@0.20"] == pytest.approx(expected[3], abs=0.005)
    # The printed figures are rounded (half a unit of the last digit), and so are the coordinates of this copy of the
    # files, to 0.01 px: rounding them once more at random moves a column by 0.001 (standard deviation over 12 draws).
    np.testing.assert_allclose(found[:7], expected[:7], atol=0.005 + 0.003)
    np.testing.assert_allclose(found[7:9], expected[7:9], atol=0.00005 + 0.00003)
    np.testing.assert_allclose(found[9], expected[9], atol=0.005 + 0.003)
    assert row["ceiling"] == pytest.approx(ceiling, abs=0.005)

    # The centre guess is more sensitive: in split 3 the same second rounding moves it by 0.004.
    middle = from_crop(np.full_like(copied, 0.5), table.box[query])
    guess = score_pairs(middle, table.points[query], valid, side)[HEADLINE].mean()
    assert guess == pytest.approx(centre, abs=0.005 + 0.012)

    table, query, valid, copied = official(shared_data, split, shots=5)
    five = score_pairs(
        from_crop(copied, table.box[query]), table.points[query], valid, table.box[query, 2:].max(axis=1)
    )
    assert five[HEADLINE].mean() == pytest.approx(five_shot, abs=0.005)


@pytest.mark.shared_data
def test_wrong_protocols_are_recognised(shared_data: Path) -> None:
    """An implementation that prints one of these has the wrong normaliser or the wrong mean (specification §7.1)."""
    table, query, valid, copied = official(shared_data, split=1, shots=1)
    predicted, target = from_crop(copied, table.box[query]), table.points[query]
    longest = table.box[query, 2:].max(axis=1)
    diagonal = np.linalg.norm(table.box[query, 2:], axis=1)
    assert score_pairs(predicted, target, valid, diagonal)[HEADLINE].mean() == pytest.approx(57.75, abs=0.005)
    crop = longest * PADDING
    assert score_pairs(predicted, target, valid, crop)[HEADLINE].mean() == pytest.approx(57.54, abs=0.005)
    distance = np.linalg.norm(predicted - target, axis=-1) / longest[:, None]
    assert 100 * (distance < 0.2)[valid].mean() == pytest.approx(51.74, abs=0.005)
    assert 100 * mean_valid((distance < 0.2).astype(float), valid).mean() == pytest.approx(48.13, abs=0.005)
    assert auc(distance, valid).mean() == pytest.approx(0.7075, abs=0.0001)
