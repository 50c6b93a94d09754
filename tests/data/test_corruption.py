"""`cape.data.corruption`: the share that was asked for is damaged, always in the same way, and nothing else is."""

import copy
import re

import numpy as np
import pytest

from cape.data.corruption import CLEAN, GREY, JITTER, KINDS, PATCH, SUPPORT_KINDS, TEXT_KINDS, Corruption
from cape.data.drawn import Drawn
from cape.data.episodes import pose_table
from cape.data.prompts import TextPack
from cape.data.transforms import crop_square, to_crop, warp
from cape.data.typos import mistyped
from cape.errors import UsageError

CLICKED = ("jitter", "wrong_clicks", "unclicked")


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return Drawn(seed=3, instances=60, categories=("quadruped", "chair", "arrow"), size=96)


def supports(source: Drawn, number: int) -> list[int]:
    return source.by_category()[number]


def number_of(source: Drawn, name: str) -> int:
    return next(number for number, category in source.categories.items() if category.name == name)


def same(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_lists_of_kinds() -> None:
    assert set(KINDS) == set(TEXT_KINDS) | set(SUPPORT_KINDS) and len(KINDS) == 11


@pytest.mark.parametrize("kind", KINDS)
def test_rate_0_is_the_identity(drawn: Drawn, kind: str) -> None:
    table = pose_table(drawn.instances)
    crop = np.zeros((64, 64, 3), dtype=np.uint8)
    for clean in (Corruption(kind=kind, rate=0.0), CLEAN):
        assert clean.clicks(drawn.instances, table) is table
        assert clean.occluded(crop, drawn.instances[0]) is crop and not clean.occludes
        for number, category in drawn.categories.items():
            assert clean.texts(drawn, number, supports(drawn, number)[:1]) is category.texts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [0.5, 1.0])
def test_a_kind_damages_only_its_own_part(drawn: Drawn, kind: str, rate: float) -> None:
    damage, table = Corruption(kind=kind, rate=rate), pose_table(drawn.instances)
    number = number_of(drawn, "quadruped")
    texts = [damage.texts(drawn, number, [index]) for index in supports(drawn, number)]
    assert (set(texts) != {drawn.categories[number].texts}) == (kind in TEXT_KINDS)
    assert same(damage.clicks(drawn.instances, table), table) == (kind not in CLICKED)
    crop = np.zeros((64, 64, 3), dtype=np.uint8)
    assert (damage.occluded(crop, drawn.instances[0]) == GREY).any() == (kind == "occluded")
    assert crop.max() == 0


# ---- names


@pytest.mark.parametrize("kind", [kind for kind in TEXT_KINDS if kind != "empty"])
def test_a_share_of_the_names_is_damaged(drawn: Drawn, kind: str) -> None:
    number = number_of(drawn, "quadruped")
    names, pool = drawn.categories[number].texts, supports(drawn, number)
    damage = Corruption(kind=kind, rate=0.3)
    changed = np.array([np.array(damage.texts(drawn, number, [index])) != names for index in pool])
    assert changed.mean() == pytest.approx(0.3, abs=0.06)
    whole = Corruption(kind=kind, rate=1.0).texts(drawn, number, pool[:1])
    assert all(new != old for new, old in zip(whole, names, strict=True))


def test_a_share_of_the_prompts_is_empty(drawn: Drawn) -> None:
    number = number_of(drawn, "chair")
    names, pool = drawn.categories[number].texts, supports(drawn, number)
    found = [Corruption(kind="empty", rate=0.3).texts(drawn, number, [index]) for index in pool]
    assert set(found) == {names, ("",) * len(names)}
    assert np.mean([texts != names for texts in found]) == pytest.approx(0.3, abs=0.15)
    assert Corruption(kind="empty", rate=1.0).texts(drawn, number, pool[:1]) == ("",) * len(names)


def test_what_the_names_become(drawn: Drawn) -> None:
    number, other = number_of(drawn, "quadruped"), {number_of(drawn, "chair"), number_of(drawn, "arrow")}
    names, pool = drawn.categories[number].texts, supports(drawn, number)[:1]
    found = {kind: Corruption(kind=kind, rate=1.0).texts(drawn, number, pool) for kind in TEXT_KINDS}
    assert found["drop"] == ("",) * len(names)
    assert sorted(found["shuffle"]) == sorted(names)
    assert any(set(found["wrong_category"]) <= set(drawn.categories[each].texts) for each in other)
    assert found["typos"] == tuple(mistyped(name) for name in names)
    german = TextPack.load("other_language")
    assert found["other_language"] == tuple(german.reworded(name) for name in names)
    assert "linkes Auge" in {german.reworded(name) for name in ("left eye", *names)}


@pytest.mark.parametrize("style", ["name", "framed", "relational"])
def test_mp100_s_own_categories_are_phrased_as_they_were(drawn: Drawn, style: str) -> None:
    packs = {name: TextPack.load(name) for name in ("mp100", "synonyms", "typos", "other_language")}
    (number, name), layout = next(each for each in packs["mp100"].categories.items() if each[1] == "animal_face")
    texts = {pack: tuple(text.phrase(style) for text in each.layouts[layout]) for pack, each in packs.items()}
    category = drawn.categories[number_of(drawn, "arrow")]
    source = copy.copy(drawn)
    source.categories = {number: category._replace(id=number, name=name, texts=texts["mp100"])}
    for kind in ("synonyms", "typos", "other_language"):
        assert Corruption(kind=kind, rate=1.0).texts(source, number, [0]) == texts[kind]
        assert not set(texts[kind]) & set(texts["mp100"])


def test_missing_names_stay_missing(drawn: Drawn) -> None:
    number = number_of(drawn, "quadruped")
    category = drawn.categories[number]
    texts = ("", *category.texts[1:])

    source = copy.copy(drawn)
    source.categories = drawn.categories | {number: category._replace(texts=texts)}
    for kind in TEXT_KINDS:
        for index in supports(drawn, number)[:10]:
            assert Corruption(kind=kind, rate=1.0).texts(source, number, [index])[0] == ""


def test_one_category_has_no_other(drawn: Drawn, refused) -> None:
    alone = Drawn(instances=2, categories=("arrow",))
    with refused(UsageError, "wrong_category", "another category"):
        Corruption(kind="wrong_category", rate=1.0).texts(alone, number_of(alone, "arrow"), [0])


# ---- support


@pytest.mark.parametrize("kind", CLICKED)
def test_a_share_of_the_clicks_is_damaged(drawn: Drawn, kind: str) -> None:
    table = pose_table(drawn.instances)
    for rate in (0.3, 1.0):
        found = Corruption(kind=kind, rate=rate).clicks(drawn.instances, table)
        changed = (found.points != table.points).any(axis=-1) | (found.visible != table.visible)
        assert changed[table.visible].mean() == pytest.approx(rate, abs=0.03)
        assert not changed[~table.visible].any()  # what is not labelled, padding included
        assert same(found[2:], table[2:])


def test_how_far_careless_clicks_go(drawn: Drawn) -> None:
    table = pose_table(drawn.instances)
    found = Corruption(kind="jitter", rate=1.0).clicks(drawn.instances, table)
    side = table.box[:, 2:].max(axis=1)[:, None, None]
    inside = table.visible & (np.abs(to_crop(table.points, table.box) - 0.5) < 0.2).all(axis=-1)
    assert ((found.points - table.points) / side)[inside].std() == pytest.approx(JITTER, rel=0.1)
    place = to_crop(found.points, table.box)[table.visible]
    assert place.min() > -1e-6 and place.max() < 1 + 1e-6


def test_where_wrong_clicks_go(drawn: Drawn) -> None:
    table = pose_table(drawn.instances)
    found = Corruption(kind="wrong_clicks", rate=1.0).clicks(drawn.instances, table)
    anothers = total = 0
    for points, before, visible in zip(found.points, table.points, table.visible, strict=True):
        distance = np.linalg.norm(points[visible][:, None] - before[visible][None], axis=-1)
        others = distance + 1e9 * np.eye(len(distance))
        anothers += (others.min(axis=1) < 1e-3).sum()
        total += len(distance)
    assert anothers / total == pytest.approx(0.5, abs=0.05)
    place = to_crop(found.points, table.box)[table.visible]
    assert place.min() > -1e-6 and place.max() < 1 + 1e-6


def test_a_single_keypoint_is_clicked_anywhere(drawn: Drawn) -> None:
    instance = drawn.instances[0]
    visibility = np.zeros_like(instance.visibility)
    visibility[2] = 2
    lonely = [instance._replace(visibility=visibility, id=number) for number in range(20)]
    none = instance._replace(visibility=np.zeros_like(visibility))
    table = pose_table([*lonely, none])
    found = Corruption(kind="wrong_clicks", rate=1.0).clicks([*lonely, none], table)
    assert len(np.unique(found.points[:20, 2].round(3), axis=0)) == 20
    assert same(
        [found.points[20], np.delete(found.points, 2, axis=1)], [table.points[20], np.delete(table.points, 2, axis=1)]
    )


def test_patches_lie_over_a_share_of_the_keypoints(drawn: Drawn) -> None:
    side, hidden, total = 200, 0, 0
    for index in range(0, 60, 3):
        instance = drawn.instances[index]
        crop = np.zeros((side, side, 3), dtype=np.uint8)
        found = Corruption(kind="occluded", rate=0.3).occluded(crop, instance)
        shown = instance.visibility > 0
        place = to_crop(instance.points[None], instance.box[None])[0][shown] * side
        inside = ((place > 0) & (place < side)).all(axis=1)
        column, row = place[inside].astype(int).T
        hidden, total = hidden + (found[row, column, 0] == GREY).sum(), total + inside.sum()
        assert set(np.unique(found)) <= {0, GREY}
    assert 0.3 < hidden / total < 0.5  # a patch may cover a neighbour too
    visibility, points = np.zeros(len(shown), dtype=np.int8), np.full((len(shown), 2), 50.0, dtype=np.float32)
    visibility[0] = 2
    lonely = instance._replace(visibility=visibility, points=points, box=np.array([20.0, 20.0, 60.0, 60.0]))
    found = Corruption(kind="occluded", rate=1.0).occluded(np.zeros((side, side, 3), dtype=np.uint8), lonely)
    covered = np.argwhere(found[..., 0] == GREY)
    assert covered.min(axis=0).tolist() == [85, 85] and covered.max(axis=0).tolist() == [114, 114]
    assert len(covered) == (PATCH * side) ** 2
    picture = warp(drawn.picture(0), crop_square(drawn.instances[0].box), size=side)
    whole = Corruption(kind="occluded", rate=1.0).occluded(picture, drawn.instances[0])
    assert 0 < (whole != picture).any(axis=-1).mean() < 0.9


# ---- determinism


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_prompt_is_damaged_in_the_same_way(drawn: Drawn, kind: str) -> None:
    """Whatever else there is, in whatever order, and however keypoints are padded."""
    damage, number = Corruption(kind=kind, rate=0.5), number_of(drawn, "quadruped")
    pool = supports(drawn, number)
    forward = [damage.texts(drawn, number, [index, pool[0]]) for index in pool]
    backward = [Corruption(kind=kind, rate=0.5).texts(drawn, number, [index, pool[0]]) for index in reversed(pool)]
    assert forward == backward[::-1]
    all_of_them = damage.clicks(drawn.instances, pose_table(drawn.instances, keypoints=40))
    some = [drawn.instances[index] for index in reversed(pool)]
    few = damage.clicks(some, pose_table(some))
    width = few.points.shape[1]
    np.testing.assert_array_equal(all_of_them.points[pool[::-1]][:, :width], few.points)
    np.testing.assert_array_equal(all_of_them.visible[pool[::-1]][:, :width], few.visible)
    assert not all_of_them.visible[:, width:].any() and not all_of_them.points[:, width:].any()
    crop = np.zeros((64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(damage.occluded(crop, some[0]), damage.occluded(crop, some[0]))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "occluded"])
def test_seeds_and_supports_differ(drawn: Drawn, kind: str) -> None:
    number, table = number_of(drawn, "quadruped"), pose_table(drawn.instances)
    pool = supports(drawn, number)
    one, other = (Corruption(kind=kind, rate=0.5, seed=seed) for seed in (0, 1))
    if kind in TEXT_KINDS:
        assert [one.texts(drawn, number, [index]) for index in pool] != [
            other.texts(drawn, number, [index]) for index in pool
        ]
        assert len({one.texts(drawn, number, [index]) for index in pool}) > 1
        assert len({one.texts(drawn, number, [pool[0], index]) for index in pool}) > 1
    else:
        assert not same(one.clicks(drawn.instances, table), other.clicks(drawn.instances, table))


@pytest.mark.parametrize("kind", KINDS)
def test_a_larger_rate_damages_what_a_smaller_one_damages(drawn: Drawn, kind: str) -> None:
    number, table = number_of(drawn, "quadruped"), pose_table(drawn.instances)
    low, high = (Corruption(kind=kind, rate=rate) for rate in (0.2, 0.6))
    names, pool = drawn.categories[number].texts, supports(drawn, number)
    if kind == "shuffle":  # a name alone has none to be exchanged with
        return
    for index in pool:
        some, more = low.texts(drawn, number, [index]), high.texts(drawn, number, [index])
        assert all(b != old for a, b, old in zip(some, more, names, strict=True) if a != old)
    some, more = low.clicks(drawn.instances, table), high.clicks(drawn.instances, table)
    moved = (some.points != table.points).any(axis=-1)
    np.testing.assert_array_equal(some.points[moved], more.points[moved])
    assert (more.visible <= some.visible).all()
    crop = np.zeros((64, 64, 3), dtype=np.uint8)
    assert (low.occluded(crop, drawn.instances[0]) <= high.occluded(crop, drawn.instances[0])).all()


@pytest.mark.parametrize(
    ("kind", "rate", "seed"),
    [("magic", 0.5, 0), ("drop", -0.1, 0), ("drop", 1.1, 0), ("drop", float("nan"), 0), ("drop", 0.5, -1)],
)
def test_nonsense_is_refused(refused, kind: str, rate: float, seed: int) -> None:
    with refused(UsageError, "corruption", re.escape(kind), "wrong_clicks"):
        Corruption(kind=kind, rate=rate, seed=seed)
