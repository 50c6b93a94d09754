"""Patterns that wrap, and fills that keep to their outlines."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from cape.data.textures import KINDS, Coat, coat, fill, make_texture, tile, typical

SQUARE = np.array([[30.0, 20.0], [70.0, 20.0], [70.0, 50.0], [30.0, 50.0]])


def wearing(kind, **change):
    texture = make_texture(np.random.default_rng(0))._replace(kind=kind, rim=1.0, **change)
    return Coat(texture, np.array([200.0, 40, 40]), np.array([20.0, 60, 220]))


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_wrap_and_are_not_blank(kind):
    tiles = [tile(kind, variant) for variant in range(6)]
    for one in tiles:
        field = one.astype(float)
        inside = max(np.abs(np.diff(field, axis=axis)).mean(axis=1 - axis).max() for axis in (0, 1))
        seams = np.abs(field[0] - field[-1]).mean(), np.abs(field[:, 0] - field[:, -1]).mean()
        assert max(seams) <= 1.2 * inside + 1, kind
        assert (one.std() > 20) == (kind != "plain")
    assert kind in ("plain", "fade", "checks") or all(not np.array_equal(a, b) for a, b in pairwise(tiles))


@pytest.mark.parametrize("kind", KINDS)
def test_fills_keep_to_their_outlines(kind):
    canvas = np.full((90, 100, 3), 7, np.uint8)
    fill(canvas, SQUARE, (0, 4), wearing(kind, scale=25.0), (0.2, -0.1))
    changed = (canvas != 7).any(axis=-1)
    assert changed[21:50, 31:70].all()
    changed[19:52, 29:72] = False
    assert not changed.any()
    colours = canvas[25:45, 35:65].reshape(-1, 3).astype(float)
    assert colours.std(axis=0).max() > (2 if kind == "plain" else 20)


def test_a_plain_coat_without_light_has_one_colour_and_holes_stay_open():
    canvas = np.zeros((90, 100, 3), np.uint8)
    hole = np.array([[45.0, 30.0], [55.0, 30.0], [55.0, 40.0], [45.0, 40.0]])
    fill(canvas, np.concatenate([SQUARE, hole]), (0, 4, 8), wearing("plain"))
    assert (canvas[22:28, 32:68] == (200, 40, 40)).all() and (canvas[32:38, 47:53] == 0).all()


def test_outlines_may_leave_the_picture():
    canvas = np.zeros((40, 40, 3), np.uint8)
    fill(canvas, SQUARE + 100, (0, 4), wearing("spots"))
    assert not canvas.any()
    fill(canvas, SQUARE - 35, (0, 4), wearing("spots")._replace(first=np.full(3, 300.0)))
    assert canvas[:14, :34].any(axis=-1).all() and not canvas[17:].any()


def test_a_texture_moves_and_turns_with_its_part():
    """A square turned by a right angle is the picture turned."""
    coating = wearing("patches", scale=30.0, turn=0.3)
    one, two = np.zeros((2, 101, 101, 3), np.uint8)
    outline = np.array([[30.0, 30.0], [70.0, 30.0], [70.0, 50.0], [30.0, 50.0]])
    fill(one, outline, (0, 4), coating)
    turned = np.stack([100 - outline[:, 1], outline[:, 0]], axis=1)
    fill(two, turned, (0, 4), coating)
    inner = cv2.rotate(one, cv2.ROTATE_90_CLOCKWISE).astype(float)
    assert np.abs(inner - two).mean() < 1.5 and one.std() > 20


def test_what_is_typical_depends_on_both_names():
    assert typical("cat", "coat") == typical("cat", "coat")
    seen = {typical(category, family) for category in "abcdefgh" for family in ("one", "two")}
    assert len(seen) == 16 and {one.kind for one in seen} <= set(KINDS) and len({one.kind for one in seen}) > 3


def test_coats_vary_within_their_colours():
    rng = np.random.default_rng(3)
    coats = [coat(make_texture(rng), (rng.random() * 3 - 1, rng.random(), rng.random()), rng) for _ in range(200)]
    colours = np.array([[one.first, one.second] for one in coats])
    assert colours.min() >= 0 and colours.max() <= 255 and colours.std(axis=0).min() > 30
