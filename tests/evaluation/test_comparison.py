"""`cape.evaluation.comparison` on numbers that can be checked by head."""

import numpy as np
import pytest

from cape.evaluation.comparison import Method, Split, comparison_table, difference_table, paired_difference, split_means

SPLITS = {
    1: Split(np.repeat([10, 11], 50), np.arange(100), np.repeat([True, False], 50)),
    3: Split(np.repeat([20, 21, 22], 40), np.arange(120) // 2, np.ones(120, dtype=bool)),
}


def method(name: str, *runs: tuple[float, float], noise: float = 0.0) -> Method:
    """Constant scores per split, plus the same noise for every method."""
    rng = np.random.default_rng(0)
    shared = {number: noise * rng.standard_normal(len(split.category)) for number, split in SPLITS.items()}
    return Method(
        name,
        [
            {
                number: {"PCK@0.20": value + shared[number], "PCK@0.05": np.full(len(split.category), value / 2)}
                for (number, split), value in zip(SPLITS.items(), run, strict=True)
            }
            for run in runs
        ],
    )


def test_means_are_over_pairs_then_splits_then_runs() -> None:
    trained = method("ours", (70, 40), (80, 60))
    assert split_means(trained, SPLITS).tolist() == [[70, 40], [80, 60]]
    heads, rows = comparison_table([method("copy", (50, 50)), trained], SPLITS)
    assert heads == ["PCK@0.20", "split 1", "split 3", "mean", "seeds", "PCK@0.05"]
    assert rows[0] == ["copy", "50.00", "50.00", "50.00", "-", "25.00"]
    assert rows[1] == ["ours", "75.00", "50.00", "62.50", "55.00 to 70.00", "31.25"]


def test_pairing_takes_what_both_share_out_of_the_interval() -> None:
    one, other = method("a", (62, 52), noise=30), method("b", (60, 50), noise=30)
    found = paired_difference(one, other, SPLITS)
    assert found.interval == pytest.approx((2, 2, 2), abs=1e-6) and found.categories == 5
    assert paired_difference(other, one, SPLITS).interval.mean == pytest.approx(-2)


def test_the_mean_is_over_splits_and_the_interval_over_categories() -> None:
    found = paired_difference(method("a", (70, 50)), method("b", (60, 50)), SPLITS)
    assert found.interval.mean == pytest.approx(5), "two splits, whatever their number of categories"
    assert 0 <= found.interval.low < 1 and 8 < found.interval.high <= 10


def test_one_category_still_has_an_interval_by_its_pictures() -> None:
    rng = np.random.default_rng(1)
    split = Split(np.full(400, 7), np.repeat(np.arange(40), 10), np.ones(400, dtype=bool))
    per_picture = np.repeat(rng.normal(3, 10, 40), 10)
    one = Method("a", [{2: {"PCK@0.20": per_picture}}])
    zero = Method("b", [{2: {"PCK@0.20": np.zeros(400)}}])
    low, high = paired_difference(one, zero, {2: split}).interval[1:]
    spread = 1.96 * per_picture.std() / 40**0.5
    assert high - low == pytest.approx(2 * spread, rel=0.15), "pairs of one picture are not independent"


def test_categories_with_names_alone() -> None:
    values = np.repeat([90.0, 10.0], 50)
    one = Method("a", [{1: {"PCK@0.20": values, "PCK@0.05": values}}])
    only = {1: SPLITS[1]}
    assert split_means(one, only, named=True).tolist() == [[90.0]] and split_means(one, only).tolist() == [[50.0]]
    rows = difference_table(one, [Method("b", [{1: {"PCK@0.20": values * 0}}])], only, named=True)[1]
    assert rows == [["a - b", "+90.00", "+90.00 to +90.00", "1"]]
