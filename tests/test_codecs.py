"""`cape.codecs` against loops and closed forms (specification §3.2, §3.6; checks 12 and 13 of §7.1)."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cape.codecs import cell_centres, expected_point, gaussian_heatmap, local_soft_argmax, soft_argmax

coordinate = st.floats(-0.5, 1.5, width=32)


def reference_heatmap(x, y, visible, *, size, sigma):
    """The MSRA target as POMNet and its successors compute it: int() cuts towards zero."""
    target = np.zeros((size, size))
    centre_x, centre_y, reach = int(x * size + 0.5), int(y * size + 0.5), 3 * sigma
    left, top, right, bottom = centre_x - reach, centre_y - reach, centre_x + reach + 1, centre_y + reach + 1
    if not visible or left >= size or top >= size or right < 0 or bottom < 0:
        return target, False
    for row in range(max(0, top), min(bottom, size)):
        for column in range(max(0, left), min(right, size)):
            distance = (column - centre_x) ** 2 + (row - centre_y) ** 2
            target[row, column] = math.exp(-distance / (2 * sigma**2))
    return target, True


@given(st.lists(st.tuples(coordinate, coordinate, st.booleans()), min_size=1, max_size=6), st.sampled_from([1, 2]))
def test_gaussian_equals_the_loop(keypoints, sigma):
    points = torch.tensor([[x, y] for x, y, _ in keypoints])
    visible = torch.tensor([seen for *_, seen in keypoints])
    maps, valid = gaussian_heatmap(points, visible, size=64, sigma=float(sigma))
    for k, (x, y) in enumerate(points):  # 32-bit coordinates, so that both round the same number
        expected, weight = reference_heatmap(x.item(), y.item(), visible[k].item(), size=64, sigma=sigma)
        assert valid[k] == weight
        np.testing.assert_allclose(maps[k].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("cell", [-6, -5, -4, 0, 63, 66, 67, 68])
def test_gaussian_at_the_borders(cell):
    point = torch.tensor([[cell / 64, 0.5]], dtype=torch.float64)
    maps, valid = gaussian_heatmap(point, torch.tensor([True]))
    expected, weight = reference_heatmap(cell / 64, 0.5, True, size=64, sigma=1)
    assert valid.item() is weight
    assert weight is (-6 < cell < 67)  # not symmetric: int(-4.5) is -4, one cell nearer than floor
    np.testing.assert_allclose(maps[0].numpy(), expected, atol=1e-12)


@given(st.floats(0, 0.99), st.floats(0, 0.99))
def test_target_peak_is_one_at_the_rounded_cell(x, y):
    maps, valid = gaussian_heatmap(torch.tensor([[x, y]], dtype=torch.float64), torch.tensor([True]))
    row, column = (math.floor(256 * value / 4 + 0.5) for value in (y, x))
    assert valid.item()
    assert maps.max() == 1
    assert maps[0, row, column] == 1 if max(row, column) < 64 else maps.max() < 1


def test_hidden_keypoint_has_an_empty_map():
    maps, valid = gaussian_heatmap(torch.full((2, 3, 2), 0.5), torch.tensor([[True, False, True]] * 2))
    assert valid.tolist() == [[True, False, True]] * 2
    assert maps.flatten(2).sum(-1).gt(0).tolist() == valid.tolist()
    assert maps.shape == (2, 3, 64, 64)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 15), (15, 0), (3, 11), (8, 8), (15, 15)])
def test_soft_argmax_of_a_one_hot_map(row, column):
    logits = torch.full((16, 16), -1e4)
    logits[row, column] = 0
    expected = [(column + 0.5) / 16, (row + 0.5) / 16]
    np.testing.assert_allclose(soft_argmax(logits), expected, atol=1e-6)
    np.testing.assert_allclose(expected_point(logits.exp()), expected, atol=1e-6)
    np.testing.assert_allclose(local_soft_argmax(logits), expected, atol=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_local_window_stays_within_a_cell_of_the_peak(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(3, 17, 2)
    logits = torch.from_numpy(rng.permutation(height * width).reshape(1, height, width) / 50.0)  # no ties
    row, column = divmod(int(logits.argmax()), int(width))
    x, y = local_soft_argmax(logits)[0]
    assert abs(x - (column + 0.5) / width) <= 1 / width
    assert abs(y - (row + 0.5) / height) <= 1 / height


def test_local_window_is_a_softmax_of_the_nine_cells():
    logits = torch.randn(2, 3, 16, 16)
    found = local_soft_argmax(logits)
    for b, k in np.ndindex(2, 3):
        row, column = divmod(int(logits[b, k].argmax()), 16)
        total, mean = 0.0, np.zeros(2)
        for r in range(max(0, row - 1), min(16, row + 2)):
            for c in range(max(0, column - 1), min(16, column + 2)):
                weight = math.exp(logits[b, k, r, c])
                total, mean = total + weight, mean + weight * np.array([(c + 0.5) / 16, (r + 0.5) / 16])
        np.testing.assert_allclose(found[b, k], mean / total, atol=1e-6)


def test_cell_centres_are_x_then_y():
    centres = cell_centres(2, 4, like=torch.zeros(1))
    assert centres.shape == (2, 4, 2)
    assert centres[1, 0].tolist() == [0.125, 0.75]


@given(st.floats(0, 1), st.floats(0, 1), st.floats(-10, 10))
def test_pooled_token_of_a_constant_feature_map(x, y, constant):
    maps, _ = gaussian_heatmap(torch.tensor([[x, y]]), torch.tensor([True]))
    weight = maps / (maps.sum((-2, -1), keepdim=True) + 1e-8)
    token = torch.einsum("khw,chw->kc", weight, torch.full((3, 64, 64), constant))
    np.testing.assert_allclose(token, constant, rtol=1e-6, atol=1e-6)
