"""`cape.evaluation.comparison` on numbers that can be checked by head."""

import numpy as np
import pytest

from cape.evaluation.comparison import Method, Split, comparison_table, difference_table, paired_difference, split_means

SPLITS = {
    1: Split(np.repeat([10, 11], 50), np.repeat([True, False], 50)),
    3: Split(np.repeat([20, 21, 22], 40), np.ones(120, dtype=bool)),
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
    one, other = method("a", (62, 53), noise=30), method("b", (60, 50), noise=30)
    found = paired_difference(one, other, SPLITS)
    assert found == pytest.approx((2.5, 2.5, 2.5), abs=1e-6)
    assert paired_difference(other, one, SPLITS).mean == pytest.approx(-2.5)


def test_the_interval_resamples_categories() -> None:
    scores = np.where(SPLITS[3].category == 20, 30.0, 0.0)
    one = Method("a", [{3: {"PCK@0.20": scores}}])
    zero = Method("b", [{3: {"PCK@0.20": np.zeros(120)}}])
    found = paired_difference(one, zero, {3: SPLITS[3]})
    # the share of three draws that hit category 20: 0, 1/3, 2/3 or 1 with probability 8, 12, 6 and 1 of 27
    assert found.mean == pytest.approx(10) and found.low == 0 and found.high in (20, 30)


def test_categories_with_names_alone() -> None:
    values = np.repeat([90.0, 10.0], 50)
    one = Method("a", [{1: {"PCK@0.20": values, "PCK@0.05": values}}])
    only = {1: SPLITS[1]}
    assert split_means(one, only, named=True).tolist() == [[90.0]] and split_means(one, only).tolist() == [[50.0]]
    rows = difference_table(one, [Method("b", [{1: {"PCK@0.20": values * 0}}])], only, named=True)[1]
    assert rows == [["a - b", "+90.00", "+90.00 to +90.00"]]
