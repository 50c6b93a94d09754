"""Bred categories: pure functions of seed and number, sound, unlike each other, and quick to make."""

from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cape.data import Drawn
from cape.data.blueprints import blueprints
from cape.data.breeding import FIRST_ID, MOST, breed, name_of
from cape.data.layout import Style, lay_out
from cape.data.plans import PLANS
from cape.errors import UsageError

COUNT = 8 * len(PLANS)
FREE = Style(occlusion=0.0, truncation=0.0)
seeds, numbers = st.integers(0, 2**31), st.integers(0, MOST - 1)


def herd():
    return [breed(0, number) for number in range(COUNT)]


def described(blueprint):
    """Everything about a category that can be compared."""
    arrays = [*(part.ranges for part in blueprint.parts), *(part.outline for part in blueprint.parts)]
    flat = [array.tolist() for array in [*arrays, *blueprint.colours.values()]]
    return blueprint.category, blueprint.keypoints, blueprint.order, blueprint.mirrored, flat


@given(seed=seeds, number=numbers)
def test_same_seed_and_number_same_category(seed, number):
    one = described(breed(seed, number))
    breed.cache_clear()
    breed(seed, (number + 1) % MOST)
    assert described(breed(seed, number)) == one
    assert described(breed(seed + 1, number)) != one


@given(seed=seeds, number=numbers)
def test_names_of_keypoints_are_words_in_pairs_and_all_are_connected(seed, number):
    category = breed(seed, number).category
    names, skeleton = category.texts, category.skeleton
    assert category.id == FIRST_ID + number and 3 <= len(names) == len(set(names)) <= 40
    assert all(name == " ".join(name.split()) and name.replace(" ", "").isalpha() for name in names), names
    sided = {name for name in names if {"left", "right"} & set(name.split())}
    assert {names[index] for pair in skeleton.swap for index in pair} == sided
    for one, other in skeleton.swap:
        assert {names[one].replace("left", "right"), names[other].replace("left", "right")} == {
            max(names[one], names[other])
        }
    reached, adjacency = {0}, skeleton.adjacency()
    for _ in names:
        reached |= {int(other) for index in reached for other in np.flatnonzero(adjacency[index])}
    assert len(reached) == len(names)


@given(seed=seeds, number=numbers)
def test_keypoints_lie_on_their_parts_and_parts_hang_together(seed, number):
    blueprint = breed(seed, number)
    draws = np.random.default_rng(seed).random((4, blueprint.draws))
    draws[:, 0] = 0.9  # unmirrored: the keypoints are in the description's order
    layout = lay_out(blueprint, draws, FREE._replace(rotation=180.0, squeeze=0.4))
    for column, (part, _, _) in enumerate(blueprint.keypoints):
        first_contour = layout.outlines[part][:, : blueprint.parts[part].contours[1]]
        for outline, point in zip(first_contour, layout.points[:, column], strict=True):
            depth = cv2.pointPolygonTest(outline.astype(np.float32)[:, None], point.tolist(), True)
            assert depth > -0.5, blueprint.category.texts[column]
    for row in range(len(draws)):
        canvas = np.zeros((192, 192), np.uint8)
        for part, outline in zip(blueprint.parts, layout.outlines, strict=True):
            if len(part.outline):
                cv2.fillPoly(canvas, [np.round(outline[row, : part.contours[1]]).astype(np.int32)], 255)
        areas = cv2.connectedComponentsWithStats(canvas)[2][1:, cv2.CC_STAT_AREA]
        assert areas.max() >= 0.99 * areas.sum()


@given(seed=seeds, number=numbers)
def test_visibility_says_where_points_are(seed, number):
    blueprint = breed(seed, number)
    draws = np.random.default_rng(seed).random((30, blueprint.draws))
    layout = lay_out(blueprint, draws, Style(truncation=1.0, squeeze=0.5))
    assert np.isfinite(layout.points).all() and np.isfinite(layout.box).all()
    inside = ((layout.points >= 0) & (layout.points <= 191)).all(axis=-1)
    assert np.array_equal(layout.visibility > 0, inside)
    assert inside.mean() >= 0.5 and (layout.visibility == 2).any(axis=0).all()


@given(seed=seeds, number=numbers)
def test_facing_left_is_the_mirror_of_facing_right(seed, number):
    blueprint = breed(seed, number)
    draws = np.random.default_rng(seed).random((6, blueprint.draws))
    draws[:, 6], draws[:, [2, 3]] = 0.5, 0.5  # in the middle, not turned, not tilted
    right, left = draws.copy(), draws.copy()
    right[:, 0], left[:, 0] = 0.9, 0.1
    one, two = lay_out(blueprint, right, FREE), lay_out(blueprint, left, FREE)
    if not blueprint.mirrored:
        assert np.array_equal(one.points, two.points)
        return
    mirror = blueprint.category.skeleton.mirror()
    np.testing.assert_allclose(two.points, one.points[:, mirror] * (-1, 1) + (191, 0), atol=1e-9)
    assert np.array_equal(two.visibility, one.visibility[:, mirror])


def test_pairs_seen_from_the_front_are_on_their_sides():
    """The viewer's left of an upright thing is left in the picture; the subject's of one that faces us is right."""
    upright = FREE._replace(rotation=0.0)
    seen = Counter()
    for blueprint in herd():
        kind = blueprint.category.supercategory
        if kind in ("face", "upper garment", "biped"):
            draws = np.random.default_rng(0).random((10, blueprint.draws))
            points, swap = lay_out(blueprint, draws, upright).points, blueprint.category.skeleton.swap
            names = blueprint.category.texts
            root = next(pair for pair in swap if any(word in names[pair[0]] for word in ("eye", "armpit", "shoulder")))
            left, right = sorted(root, key=lambda index: names[index])
            gap = points[:, right, 0] - points[:, left, 0]
            assert (gap * (-1 if kind == "biped" else 1) > 0).all(), blueprint.category.name
            seen[kind] += 1
    assert len(seen) == 3 and min(seen.values()) >= 8


def test_what_only_its_turning_sense_tells_apart_keeps_it():
    """From the first arm of a star to its last one turns the same way in all pictures."""
    source = Drawn(categories=(), bred=COUNT, instances=12, rotation=180.0)
    stars = 0
    for number, pool in source.by_category().items():
        category = source.categories[number]
        if category.supercategory != "star":
            continue
        tips = [index for index, name in enumerate(category.texts) if "tip" in name or "end" in name.split()]
        turns = set()
        for instance in (source.instances[index] for index in pool):
            (first, last), centre = instance.points[[tips[0], tips[-1]]], instance.points[0]
            if (instance.visibility[[0, tips[0], tips[-1]]] > 0).all():
                turns.add(bool(np.linalg.det([first - centre, last - centre]) > 0))
        assert len(turns) == 1, category.name
        stars += 1
    assert stars == COUNT // len(PLANS)


def test_all_body_plans_in_turn():
    kinds = [blueprint.category.supercategory for blueprint in herd()]
    for start in range(0, COUNT, len(PLANS)):
        assert sorted(kinds[start : start + len(PLANS)]) == sorted(PLANS)
    assert kinds[: len(PLANS)] != kinds[len(PLANS) : 2 * len(PLANS)]


def test_categories_differ():
    """In name, in what they have, and in where it is."""
    kinds: dict[str, list] = {}
    for blueprint in herd():
        kinds.setdefault(blueprint.category.supercategory, []).append(blueprint)
    assert len({blueprint.category.name for blueprint in herd()}) == COUNT
    assert len({blueprint.category.texts for blueprint in herd()}) > 0.9 * COUNT
    for kind, group in kinds.items():
        assert len({(blueprint.category.texts, len(blueprint.parts)) for blueprint in group}) >= 6, kind
        typical = []
        for blueprint in group:
            layout = lay_out(blueprint, np.full((1, blueprint.draws), 0.5), FREE)
            typical.append(np.concatenate([outline[0] for outline in layout.outlines]))
        for index, one in enumerate(typical):
            for other in typical[:index]:
                assert one.shape != other.shape or np.abs(one - other).max() > 4, kind
    counts = {len(blueprint.keypoints) for blueprint in herd()}
    assert min(counts) <= 5 and max(counts) >= 18
    rigid = sum(bool(np.ptp(blueprint.parts[-1].ranges[2]) < 4) for blueprint in herd())
    assert 0.1 < rigid / COUNT < 0.9


@pytest.mark.parametrize("seed", [0, 3])
def test_made_up_words_never_repeat(seed):
    sample = [*range(3000), *range(MOST - 500, MOST), *range(7000, MOST, 997)]
    assert len({name_of(seed, number, "fish") for number in sample}) == len(set(sample))


def test_drawn_adds_bred_categories_after_the_others():
    source = Drawn(bred=40, instances=2)
    assert list(source.categories) == [*range(1, len(blueprints()) + 1), *range(FIRST_ID, FIRST_ID + 40)]
    few = Drawn(categories=("fish",), bred=(30, 33), instances=2)
    names = [category.name for category in few.categories.values()]
    assert names == ["fish", *(breed(0, number).category.name for number in (30, 31, 32))]
    pools = source.by_category()
    for number, pool in few.by_category().items():
        for mine, its in zip(pool, pools[number], strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(few.instances[mine], source.instances[its], strict=True))
            assert np.array_equal(few.picture(mine), source.picture(its))
    other = Drawn(categories=(), bred=40, bred_seed=1, instances=1)
    assert list(other.categories) == list(range(FIRST_ID, FIRST_ID + 40))
    assert not {one.name for one in other.categories.values()} & {one.name for one in source.categories.values()}


def test_instances_of_a_category_differ_and_fill_their_pictures():
    source = Drawn(categories=(), bred=len(PLANS), instances=20)
    for number, pool in source.by_category().items():
        poses = np.array([source.instances[index].points for index in pool])
        assert np.abs(poses[1:] - poses[:-1]).max() > 20, source.categories[number].name
        boxes = np.array([source.instances[index].box for index in pool])
        assert boxes[:, 2:].max(axis=1).min() > 40


def test_hundreds_of_categories_draw_nothing_before_they_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its thousands of pictures is drawn when somebody looks at it."""
    drawn = []
    picture = Drawn.picture
    monkeypatch.setattr(Drawn, "picture", lambda self, index: drawn.append(index) or picture(self, index))
    source = Drawn(bred=300, instances=2, rich=True, squeeze=0.4)
    assert len(source.categories) == 300 + len(blueprints())
    assert len(source) == 2 * len(source.categories) and not drawn
    assert source.picture(len(source) - 1).shape[2] == 3 and drawn == [len(source) - 1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"bred": -1}, "bred=200"),
        ({"bred": True}, "bred=200"),
        ({"bred": (3, 2)}, "bred=200"),
        ({"bred": [3]}, "bred=200"),
        ({"bred": [0, True]}, "bred=200"),
        ({"bred": (0, MOST + 1)}, "bred=200"),
        ({"bred": 3, "bred_seed": -1}, "bred_seed"),
        ({"categories": (), "bred": 0}, "quadruped"),
        ({"squeeze": 1.0}, "squeeze"),
    ],
)
def test_bad_arguments(arguments, said):
    with pytest.raises(UsageError, match=said):
        Drawn(**arguments)
