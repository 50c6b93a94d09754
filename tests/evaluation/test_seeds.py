"""Means over seeds, paired differences, and the words for them."""

import numpy as np
import pytest

from cape.errors import UsageError
from cape.evaluation.seeds import Estimate, estimate, paired_change, verdict, written


def test_students_interval_by_hand() -> None:
    found = estimate([1.0, 2.0, 3.0])
    reach = 4.302653 / 3**0.5  # t of 2 degrees of freedom at 97.5 %
    assert found == pytest.approx((2.0, 2 - reach, 2 + reach), abs=1e-5)
    assert found.sign == 0 and written(found) == "2.00 (-0.48 to 4.48)"


def test_it_holds_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    inside = [found.low < 3 < found.high for found in map(estimate, rng.normal(3, 2, size=(2000, 5)).tolist())]
    assert 0.935 < np.mean(inside) < 0.965


def test_one_seed_says_nothing_about_others() -> None:
    found = estimate([4.0])
    assert (found.low, found.high, found.sign) == (-np.inf, np.inf, 0) and written(found, signed=True) == "+4.00"


def test_a_seeds_own_luck_drops_out(refused) -> None:
    base = {0: 40.0, 1: 60.0, 2: 80.0}
    found = paired_change({0: 39.0, 1: 58.9, 2: 78.9, 9: 1.0}, base)
    assert found.sign == -1 and found.mean == pytest.approx(-3.2 / 3)
    assert paired_change({2: 60.0, 1: 45.0}, base, relative=True).mean == pytest.approx(100 * -17.5 / 70)
    with refused(UsageError, "seeds", "none"):
        paired_change({5: 1.0}, base)


def test_words() -> None:
    low, none, high = Estimate(-2, -3, -1), Estimate(0.5, -1, 2), Estimate(4, 3, 5)
    lines = verdict({
        "a": {"MPJPE": low, "LSE": high, "BSLE": none},
        "b": {"MPJPE": none, "LSE": low, "BSLE": low},
        "c": {"MPJPE": high, "LSE": none, "BSLE": none},
    }, lead="MPJPE")  # fmt: skip
    assert lines[0] == "a helps (lowers MPJPE by 2.00; raises LSE by 4.00; shows no difference in BSLE)."
    assert lines[1].startswith("b is not shown to change MPJPE (lowers LSE by 2.00, BSLE by 2.00;")
    assert lines[2].startswith("c harms (raises MPJPE by 4.00;")
    assert lines[3].startswith("9 comparisons") and "0.5 " in lines[3]
