"""`cape.evaluation.robustness` on numbers that can be checked by head."""

import numpy as np
import pytest

from cape.evaluation.comparison import Split, split_means
from cape.evaluation.robustness import (
    FALLBACK,
    LOST,
    Trial,
    extra_loss,
    fallback_table,
    mean_score,
    score_table,
    share_lost,
    verdicts,
)

SPLITS = {
    1: Split(np.repeat([10, 11], 50), np.arange(100), np.ones(100, dtype=bool)),
    3: Split(np.repeat([20, 21, 22], 40), np.arange(120), np.ones(120, dtype=bool)),
}


def runs(*levels: float) -> list[dict[int, np.ndarray]]:
    """A run for each level, the same everywhere."""
    sizes = {number: len(split.category) for number, split in SPLITS.items()}
    return [{number: np.full(size, float(level)) for number, size in sizes.items()} for level in levels]


FUSED = Trial("both", "fused", runs(80, 80), {"drop": {0.1: runs(80, 80), 0.5: runs(72, 72)}})
TEXT = Trial("names", "text", runs(40, 40), {"drop": {0.1: runs(36, 36), 0.5: runs(20, 20)}})
VISUAL = Trial("clicks", "visual", runs(70, 80), {})
TRIALS = [VISUAL, TEXT, FUSED]


def test_scores_and_shares() -> None:
    heads, rows = score_table(TRIALS, "drop", [0.1, 0.5])
    assert heads == ["drop", "clean", "0.1", "0.5", "lost at 0.1", "lost at 0.5"]
    assert rows[0] == ["clicks", "75.00", "75.00", "75.00", "0.0 %", "0.0 %"]
    assert rows[1] == ["names", "40.00", "36.00", "20.00", "10.0 %", "50.0 %"]
    assert rows[2] == ["both", "80.00", "80.00", "72.00", "0.0 %", "10.0 %"]


def test_the_share_is_that_of_the_means() -> None:
    rng = np.random.default_rng(0)
    clean, low, high = ([{1: rng.uniform(0, 100, 100), 3: rng.uniform(0, 50, 120)} for _ in range(2)] for _ in range(3))
    trial = Trial("a", "text", clean, {"drop": {0.1: low, 0.5: high}})
    expected = 100 * (1 - (mean_score(low) + mean_score(high)) / 2 / mean_score(clean))
    assert split_means(share_lost(trial, "drop", [0.1, 0.5]), SPLITS, LOST).mean() == pytest.approx(expected)


def test_a_second_modality_that_helps() -> None:
    own, its, difference = extra_loss(FUSED, TEXT, "drop", [0.1, 0.5], SPLITS)
    assert (own, its) == pytest.approx((5, 30))
    assert difference.interval == pytest.approx((-25, -25, -25)) and difference.categories == 5
    (line,) = verdicts(TRIALS, "drop", [0.1, 0.5], SPLITS, damages="text")
    assert "both loses 5.0 %, names 30.0 %" in line and line.endswith("No larger share: yes.")


def test_a_second_modality_that_does_not() -> None:
    worse = FUSED._replace(damaged={"drop": {0.5: runs(8, 8)}})
    (line,) = verdicts([worse, TEXT], "drop", [0.5], SPLITS, damages="text")
    assert "difference +40.0 (+40.0 to +40.0)" in line and line.endswith("No larger share: no.")
    rng = np.random.default_rng(0)
    noisy = [{number: 20 + rng.normal(0, 20, len(split.category)) for number, split in SPLITS.items()}]
    unsure = Trial("unsure", "fused", runs(40), {"drop": {0.5: noisy}})
    (line,) = verdicts([unsure, TEXT], "drop", [0.5], SPLITS, damages="text")
    assert "though the interval holds 0; at worst" in line


def test_the_worst_rate_decides() -> None:
    """At 0.1 nothing is lost where the names lose 10 %; at 0.5 the mean over rates would hide 60 % against 50 %."""
    fused = FUSED._replace(clean=runs(80), damaged={"drop": {0.1: runs(80), 0.5: runs(32)}})
    (line,) = verdicts([fused, TEXT], "drop", [0.1, 0.5], SPLITS, damages="text")
    assert "both loses 30.0 %, names 30.0 %; difference +0.0 (+0.0 to +0.0), though the interval holds 0;" in line
    assert line.endswith("at worst at 0.5: +10.0 (+10.0 to +10.0). No larger share: no.")
    better = fused._replace(damaged={"drop": {0.1: runs(72), 0.5: runs(32)}})
    names = TEXT._replace(damaged={"drop": {0.1: runs(36, 36), 0.5: runs(8, 8)}})
    (line,) = verdicts([better, names], "drop", [0.1, 0.5], SPLITS, damages="text")
    assert "difference -10.0" in line
    assert line.endswith("at worst at 0.1: +0.0 (+0.0 to +0.0). No larger share: yes.")


def test_without_the_branch_nothing_is_claimed() -> None:
    assert verdicts([FUSED, VISUAL], "drop", [0.1], SPLITS, damages="text") == []
    assert verdicts([TEXT, VISUAL], "drop", [0.1], SPLITS, damages="text") == []


def test_a_model_that_finds_nothing_has_nothing_to_lose() -> None:
    zero = Trial("zero", "text", runs(0), {"drop": {0.5: runs(0)}})
    assert score_table([zero], "drop", [0.5])[1] == [["zero", "0.00", "0.00", "0.0 %"]]
    assert split_means(share_lost(zero, "drop", [0.5]), SPLITS, LOST).tolist() == [[0, 0]]


def test_what_is_left_when_a_modality_is_damaged() -> None:
    """Names fall away: 72 against the 75 of clicks that never had any. Clicks: against names alone."""
    (row,) = fallback_table(TRIALS, "drop", 0.5, SPLITS, damages="text")
    assert row == ["drop 0.5", "both", "72.00", "clicks", "75.00", "-3.00", "-3.00 to -3.00"]
    fused = FUSED._replace(damaged={"unclicked": {1.0: runs(41, 45)}})
    (row,) = fallback_table([VISUAL, TEXT, fused], "unclicked", 1.0, SPLITS, damages="visual")
    assert row[2:6] == ["43.00", "names", "40.00", "+3.00"] and len(row) == len(FALLBACK)
    assert fallback_table([TEXT, FUSED], "drop", 0.5, SPLITS, damages="text") == []
