"""The spread between supports equals a plain reference, and luck with the queries is no spread."""

import numpy as np
import pytest

from cape.evaluation.supports import spread_summary, spread_table, support_spread


def example(shots: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    supports = rng.integers(10, 14, size=(300, shots))
    return rng.uniform(0, 100, 300), supports, rng.integers(20, 40, 300)


@pytest.mark.parametrize("shots", [1, 2])
def test_means_are_those_of_a_plain_loop(shots: int) -> None:
    scores, supports, query = example(shots)
    found = support_spread(scores, supports, query)
    assert len(found.means) == 4**shots
    for row, mean, fair in zip(found.supports, found.means, found.fair, strict=True):
        mine = (supports == row).all(axis=1)
        assert mean == pytest.approx(scores[mine].mean())
        relative = [score - scores[query == one].mean() for score, one in zip(scores[mine], query[mine], strict=True)]
        assert fair == pytest.approx(np.mean(relative) + scores.mean())
    assert found.deviations == pytest.approx((np.std(found.means, ddof=1), np.std(found.fair, ddof=1)))


def test_a_method_that_ignores_its_support_has_no_fair_spread() -> None:
    _, supports, query = example()
    plain, fair = support_spread((query * 2.5) % 100.0, supports, query).deviations
    assert plain > 0.5 and fair < 1e-9


def test_a_method_that_depends_on_nothing_else_keeps_its_spread() -> None:
    """Each query meets each support once: then both are the same."""
    supports, query = (each.reshape(-1) for each in np.meshgrid(np.arange(5), np.arange(30)))
    found = support_spread(supports * 10.0, supports[:, None], query)
    np.testing.assert_allclose(found.means, [0, 10, 20, 30, 40])
    np.testing.assert_allclose(found.fair, found.means)


def test_tables() -> None:
    supports, query = (each.reshape(-1) for each in np.meshgrid(np.arange(5), np.arange(30)))
    one = support_spread(supports * 10.0, supports[:, None], query)
    flat = support_spread(np.full(150, 50.0), supports[:, None], query)
    pictures = {"fish": [f"{index}.png" for index in range(5)]}
    heads, rows = spread_table({"fish": {"a": one, "b": flat}}, pictures)
    assert len(heads) == len(rows[0])
    assert rows[0] == ["fish", "a", "5", "20.0", "15.8", "15.8", "0.0 (0.png)", "40.0 (4.png)"]
    assert rows[1][3:6] == ["50.0", "0.0", "0.0"]
    _, rows = spread_summary({"fish": {"a": one}, "chair": {"a": flat}})
    assert rows == [["a", "35.0", "7.9", "7.9", "25.0", "45.0"]]


def test_a_single_support_has_no_deviation() -> None:
    found = support_spread(np.array([1.0, 2.0]), np.array([[3], [3]]), np.array([5, 6]))
    assert found.means.tolist() == [1.5] and np.isnan(found.deviations).all()
