"""Rich pictures: same annotations, things still recognisable, nothing painted where it does not belong."""

import cv2
import numpy as np
import pytest

from cape.data import Drawn, painting
from cape.data.blueprints import blueprints
from cape.data.layout import Style, lay_out

MIXED = {"categories": ("fish", "chair", "person"), "bred": 6, "instances": 3}


def test_richness_changes_pictures_and_no_annotation():
    plain, rich, again = Drawn(**MIXED), Drawn(**MIXED, rich=True), Drawn(**MIXED, rich=True)
    pictures = [rich.picture(index) for index in range(len(rich))]
    for index, picture in enumerate(pictures):
        assert all(np.array_equal(a, b) for a, b in zip(plain.instances[index], rich.instances[index], strict=True))
        assert picture.shape == (192, 192, 3) and picture.dtype == np.uint8 and picture.std() > 6
        assert np.abs(picture.astype(int) - plain.picture(index)).mean() > 5
    for index in reversed(range(len(again))):
        assert np.array_equal(again.picture(index), pictures[index])


def test_a_rich_instance_depends_on_its_category_and_number_only():
    everything, few = (
        Drawn(bred=5, instances=2, rich=True),
        Drawn(categories=("fish",), bred=(4, 5), instances=2, rich=True),
    )
    pools = everything.by_category()
    for number, pool in few.by_category().items():
        for mine, its in zip(pool, pools[number], strict=True):
            assert np.array_equal(few.picture(mine), everything.picture(its))


@pytest.mark.parametrize("size", [16, 96, 320])
def test_any_size(size):
    source = Drawn(categories=("truck",), bred=4, instances=2, rich=True, truncation=1.0, size=size)
    assert all(source.picture(index).shape == (size, size, 3) for index in range(len(source)))


def test_things_are_painted_where_their_outlines_are(monkeypatch):
    """On a white ground that no light or camera touches, what is not white is the box that is annotated."""
    monkeypatch.setattr(painting, "_rich_background", lambda rng, size, *_: np.full((size, size, 3), 255, np.uint8))
    monkeypatch.setattr(painting, "_photograph", lambda canvas, rng: canvas)
    monkeypatch.setattr(painting, "_shadow", lambda *_: None)
    source = Drawn(bred=56, instances=1, rich=True, occlusion=0.0, truncation=0.0)
    for index, instance in enumerate(source.instances):
        changed = np.abs(source.picture(index).astype(int) - 255).max(axis=-1) > 12
        rows, cols = np.nonzero(changed)
        x, y, width, height = instance.box
        found = np.array([cols.min(), rows.min(), cols.max(), rows.max()])
        assert np.abs(found - (x, y, x + width, y + height)).max() < 4, source.categories[instance.category].name
        seen = np.round(instance.points[instance.visibility == 2]).astype(int)
        near = cv2.dilate(changed.astype(np.uint8), np.ones((5, 5)))
        assert near[seen[:, 1], seen[:, 0]].mean() > 0.85  # a pale point of a pale thing may look white


def test_strangers_behind_are_of_other_categories(monkeypatch):
    met = set()
    monkeypatch.setattr(painting, "lay_out", lambda other, *rest: met.add(other.category.name) or lay_out(other, *rest))
    for seed in range(80):
        canvas = np.zeros((64, 64, 3), np.uint8)
        painting._strangers(canvas, np.random.default_rng(seed), (0.0, 0.0), "fish")
    assert len(met) == len(blueprints()) - 1 and "fish" not in met


def test_instances_of_a_category_wear_its_texture():
    """Kind and rim stay; scale, angle and colours vary."""
    source = Drawn(categories=(), bred=10, instances=1)
    for blueprint in source._blueprints.values():
        one, two = (painting._coats(blueprint, np.random.default_rng(seed)) for seed in (0, 1))
        for family in blueprint.colours:
            assert one[family].texture.kind == two[family].texture.kind
            assert one[family].texture.scale != two[family].texture.scale
            assert not np.array_equal(one[family].first, two[family].first)


def test_a_squeeze_shortens_along_one_direction():
    (number, blueprint) = next(iter(Drawn(categories=("face",), instances=1)._blueprints.items()))
    assert number == 6
    draws = np.random.default_rng(0).random((40, blueprint.draws))
    draws[:, [2, 3, 4]], draws[:, -1] = 0.5, 1.0
    free = {"rotation": 0.0, "occlusion": 0.0, "truncation": 0.0}
    for along, narrow in ((0.0, True), (0.5, False)):
        draws[:, -2] = along
        whole, half = (lay_out(blueprint, draws, Style(**free, squeeze=most)).box for most in (0.0, 0.5))
        ratio = (half[:, 2] / half[:, 3]) / (whole[:, 2] / whole[:, 3])
        np.testing.assert_allclose(ratio, 0.5 if narrow else 2.0, rtol=1e-6)
    draws[:, -1] = 0.0
    np.testing.assert_allclose(
        lay_out(blueprint, draws, Style(**free, squeeze=0.5)).points, lay_out(blueprint, draws, Style(**free)).points
    )
