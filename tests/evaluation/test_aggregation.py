"""Every rule by hand, its limits (§7, check 11), padding, and parts of the whole body."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cape.data.skeletons import read_regions
from cape.errors import DataError, UsageError
from cape.evaluation.aggregation import aggregate, aggregate_parts

SCORES = np.array([[0.9, 0.5, 0.1, 0.15]])
SEEN = np.array([[1.0, 0.6, 0.4, 0.0]])
unit = arrays(np.float64, (3, 5), elements=st.floats(0, 1))


def test_the_rules_by_hand():
    assert aggregate(SCORES, SEEN) == pytest.approx([(0.9 + 0.3 + 0.04) / 2])
    assert aggregate(SCORES, SEEN, rule="hard") == pytest.approx([0.7])
    assert aggregate(SCORES, rule="threshold") == pytest.approx([0.7])
    assert aggregate(SCORES, rule="threshold", threshold=0.5) == pytest.approx([0.9])  # strictly above
    assert aggregate(SCORES, rule="mean") == pytest.approx([1.65 / 4])


def test_when_nothing_is_left():
    assert aggregate(SCORES, 0.5 * SEEN, rule="hard") == pytest.approx([1.65 / 4])
    assert aggregate(SCORES, 0 * SEEN) == pytest.approx([1.65 / 4])
    assert aggregate(0.1 * SCORES, rule="threshold") == pytest.approx([0.0])
    for rule in ("soft", "hard", "threshold", "mean"):
        assert np.isnan(aggregate(SCORES, SEEN, rule=rule, asked=np.zeros((1, 4), bool))).all()


@given(unit, unit, st.floats(1e-9, 1.0))
def test_soft_is_a_mean_free_of_scale(confidence, visibility, factor):
    found = aggregate(confidence, visibility)
    assert (found >= confidence.min(axis=1) - 1e-12).all() and (found <= confidence.max(axis=1) + 1e-12).all()
    assert aggregate(confidence, np.full((3, 5), factor)) == pytest.approx(confidence.mean(axis=1))
    one = np.zeros((3, 5))
    one[:, 2] = factor
    assert aggregate(confidence, one) == pytest.approx(confidence[:, 2])
    visibility = np.clip(visibility, 1e-3, 1)  # subnormal products lose digits
    assert aggregate(confidence, factor * visibility) == pytest.approx(aggregate(confidence, visibility))


@given(unit, unit, arrays(np.bool_, (3, 5)))
def test_what_was_not_asked_for_does_not_count(confidence, visibility, asked):
    asked[:, 0] = True
    for rule in ("soft", "hard", "threshold", "mean"):
        found = aggregate(np.where(asked, confidence, np.nan), np.where(asked, visibility, 7), rule=rule, asked=asked)
        for row in range(3):
            mine = asked[row]
            alone = aggregate(confidence[row : row + 1, mine], visibility[row : row + 1, mine], rule=rule)
            assert found[row] == pytest.approx(alone[0])


def test_the_parts_of_the_whole_body():
    rng = np.random.default_rng(0)
    confidence, seen = rng.random((2, 133)), rng.random((2, 133))
    parts = read_regions("coco_wholebody")
    found = aggregate_parts(confidence, seen, parts=parts)
    assert list(found) == ["whole", "body", "foot", "face", "left_hand", "right_hand"]
    assert found["whole"] == pytest.approx(aggregate(confidence, seen))
    for name, (first, last) in {"body": (0, 16), "foot": (17, 22), "face": (23, 90), "left_hand": (91, 111),
                                "right_hand": (112, 132)}.items():  # fmt: skip
        mine = slice(first, last + 1)
        expected = (confidence * seen)[:, mine].sum(axis=1) / seen[:, mine].sum(axis=1)
        assert found[name] == pytest.approx(expected)
    asked = np.ones((2, 133), bool)
    asked[0, 91:112] = False
    found = aggregate_parts(confidence, parts=parts, rule="threshold", threshold=0.5, asked=asked)
    assert np.isnan(found["left_hand"][0]) and found["body"] == pytest.approx(
        [row[row > 0.5].mean() for row in confidence[:, :17]]
    )


def test_bad_confidences_rules_and_parts(refused):
    with refused(DataError, "confidence", "NaN"):
        aggregate(np.where(SCORES > 0.4, np.nan, SCORES), rule="mean")
    for bad in (1.1, -0.1, np.nan):
        with refused(DataError, "visibility"):
            aggregate(SCORES, np.full((1, 4), bad))
    with refused(UsageError, "rule soft", "visibility"):
        aggregate(SCORES)
    with refused(UsageError, "visibility", "(1, 3)"):
        aggregate(SCORES, SEEN[:, :3])
    with refused(UsageError, "asked", "(1, 3)"):
        aggregate(SCORES, SEEN, asked=np.ones((1, 3), bool))
    for parts in ({"tail": []}, {"tail": [4]}, {"whole": [1]}):
        with refused(UsageError, "part"):
            aggregate_parts(SCORES, SEEN, parts=parts)
