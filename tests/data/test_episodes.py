"""`cape.data.episodes`: the official pairs bit for bit, and random episodes that depend on their number alone."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, default_collate

from cape import compat
from cape.data import MP100, CocoKeypoints
from cape.data.episodes import Episodes, official_pairs, pose_table
from cape.data.transforms import Augmentation
from cape.errors import AnnotationError, UsageError

SYNTHETIC = {category: list(range(100 * category, 100 * category + 100)) for category in range(20)}
LIVELY = Augmentation(flip=0.5, colour=0.2)


# ---- the official pairs (check 17 of §7.1)


@pytest.mark.parametrize(("shots", "digest"), [(1, "8667f5b8e8840345"), (5, "43c9b5ef23061842")])
def test_official_digests_on_a_synthetic_index(shots, digest):
    pairs = official_pairs(SYNTHETIC, shots=shots)
    assert pairs.digest() == digest
    assert pairs.table.shape == (60_000, shots + 1)
    assert pairs.skipped == {}
    if shots == 1:
        assert pairs.table[:2].tolist() == [[17, 72], [17, 97]]


@pytest.mark.parametrize(
    ("split", "shots", "digest"),
    [
        *[(split, 1, "8667f5b8e8840345") for split in (1, 2, 3, 4)],
        *[(split, 5, "43c9b5ef23061842") for split in (1, 2, 3, 4)],
        (5, 1, "ecb299219c9cfd58"),
        (5, 5, "8556cba961268322"),
    ],
)
def test_official_digests_on_the_official_files(pools, split, shots, digest):
    assert official_pairs(pools[split], shots=shots).digest() == digest


@pytest.fixture(scope="module")
def pools(shared_data):
    root = shared_data / "mp100_official"
    return {split: MP100(root=root, split=split, subset="test", pictures=None).by_category() for split in range(1, 6)}


def test_the_official_seed_is_one_whatever_the_global_generator_did():
    random.seed(7)
    assert official_pairs(SYNTHETIC, seed=1).digest() == official_pairs(SYNTHETIC).digest()
    assert official_pairs(SYNTHETIC, seed=2).digest() != official_pairs(SYNTHETIC).digest()


@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=5),
    shots=st.integers(1, 5),
    queries=st.integers(1, 15),
    seed=st.integers(0, 99),
)
def test_pairs_stay_in_their_category_and_never_ask_for_a_support(sizes, shots, queries, seed):
    starts = np.cumsum([0, *sizes])
    pools = {10 * i: list(range(starts[i], starts[i] + size)) for i, size in enumerate(sizes)}
    small = {category: len(pool) for category, pool in pools.items() if len(pool) < shots + queries}
    arguments = {"shots": shots, "episodes": 3, "queries": queries, "seed": seed}
    if len(small) == len(pools):
        with pytest.raises(UsageError, match=f"at least {shots + queries}.*at most {max(sizes)}"):
            official_pairs(pools, **arguments)
        return
    pairs = official_pairs(pools, **arguments)
    assert pairs.skipped == small
    assert pairs.table.shape == (3 * queries * (len(pools) - len(small)), shots + 1)
    owner = np.repeat(list(pools), sizes)[pairs.table]
    assert (owner == owner[:, :1]).all()
    for row in pairs.table:
        assert len(set(row)) == shots + 1
    for episode in pairs.table.reshape(-1, queries, shots + 1):
        assert (episode[:, :shots] == episode[0, :shots]).all()
        assert len(set(episode[:, -1])) == queries


@pytest.mark.parametrize("changed", [{"shots": 0}, {"episodes": 0}, {"queries": 0}, {"shots": -1}])
def test_nothing_to_draw_is_one_error(refused, changed):
    with refused(UsageError, "at least 1"):
        official_pairs(SYNTHETIC, **changed)


@pytest.mark.parametrize(("shots", "most"), [(5, 19), (1, 15)])
def test_too_few_instances_are_one_error(refused, shots, most):
    with refused(UsageError, f"{shots}-shot", f"at most {most}", "fewer shots", "what the reader dropped"):
        official_pairs({1: range(most), 2: range(3)}, shots=shots)


# ---- episodes as tensors


def thin_out(content):
    """Category 7 keeps three of its instances, and category 1 hides its nose in the first picture."""
    tubes = [record for record in content["annotations"] if record["category_id"] == 7]
    content["annotations"] = [record for record in content["annotations"] if record not in tubes[3:]]
    content["annotations"][0]["keypoints"][:3] = [0, 0, 0]


@pytest.fixture
def source(coco_file):
    file = coco_file(thin_out, images=6)
    return CocoKeypoints(annotations=file.annotations, pictures=file.pictures)


def equal(one, other):
    """Whether two episodes, or batches of them, are the same to the last bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


def watched(source):
    """The indices of the pictures that are asked for from now on."""
    asked, original = [], source.picture
    source.picture = lambda index: asked.append(index) or original(index)
    return asked


def test_an_episode_has_the_shapes_of_the_data_model(source):
    episode = Episodes(source=source, shots=2, size=32, keypoints=5)[0]
    assert episode.support.image.shape == (2, 3, 32, 32)
    assert episode.support.points.shape == (2, 5, 2)
    assert episode.support.to_pixels.shape == (2, 2, 3)
    assert episode.query.image.shape == (3, 32, 32)
    assert episode.query.points.shape == (5, 2)
    assert episode.mask.shape == (5,)
    assert episode.adjacency.shape == (5, 5)
    assert len(episode.names) == 5


def test_item_is_a_pure_function_of_seed_epoch_and_index(source):
    def collect(seed, epoch, order):
        episodes = Episodes(source=source, seed=seed, size=16, augmentation=LIVELY)
        episodes.set_epoch(epoch)
        return {item: episodes[item] for item in order}

    order = list(range(12))
    first = collect(3, 2, order)
    again = collect(3, 2, order[::-1] + order[::3])
    assert all(equal(first[item], again[item]) for item in order)
    for other in (collect(4, 2, order), collect(3, 5, order)):
        assert not any(torch.equal(first[item].query.image, other[item].query.image) for item in order)
    assert not torch.equal(first[0].query.image, first[1].query.image)


def test_workers_change_nothing_and_hear_of_the_new_epoch(source):
    episodes = Episodes(source=source, size=16, augmentation=LIVELY)
    loader = DataLoader(episodes, batch_size=5, num_workers=2, persistent_workers=True)
    for epoch in (0, 7):
        episodes.set_epoch(epoch)
        batches = list(loader)
        items = [episodes[item] for item in range(len(episodes))]
        expected = [default_collate(items[start : start + 5]) for start in range(0, len(items), 5)]
        assert len(batches) == len(expected)
        assert all(map(equal, batches, expected))


def test_an_epoch_visits_each_category_as_often_as_the_largest_has_instances(source):
    episodes = Episodes(source=source, size=8)
    assert len(episodes) == 12
    categories = [episodes[item].category for item in range(len(episodes))]
    assert {number: categories.count(number) for number in categories} == {1: 6, 7: 6}


@pytest.mark.parametrize("shots", [1, 2])
def test_support_is_never_the_query(source, shots):
    episodes = Episodes(source=source, shots=shots, size=8)
    asked = watched(source)
    pools = source.by_category()
    for item in range(len(episodes)):
        asked.clear()
        category = episodes[item].category
        assert len(set(asked)) == shots + 1
        assert set(asked) <= set(pools[category])


def test_queries_of_all_instances_come_up(source):
    episodes = Episodes(source=source, size=8)
    asked = watched(source)
    for epoch in range(6):
        episodes.set_epoch(epoch)
        for item in range(len(episodes)):
            episodes[item]
    assert set(asked[1::2]) == set(range(len(source)))


def test_the_table_of_an_evaluation_is_followed_without_augmentation(source):
    pairs = official_pairs(source.by_category(), shots=2, episodes=4, queries=1)
    episodes = Episodes(source=source, pairs=pairs, size=32, augmentation=LIVELY)
    asked = watched(source)
    assert len(episodes) == len(pairs.table) == 8
    for item, row in enumerate(pairs.table):
        asked.clear()
        episode = episodes[item]
        assert asked == row.tolist()
        assert episode.pair == item
        assert equal(episode, episodes[item])
        query = source.instances[row[-1]]
        count = len(query.points)
        back = episode.query.points.double() @ episode.query.to_pixels[:, :2].double().T + episode.query.to_pixels[:, 2]
        np.testing.assert_allclose(back[:count], query.points, atol=0.01)
        box = query.box
        np.testing.assert_allclose(  # the official crop, unrotated: 1.25 times the longest side
            episode.query.to_pixels[:, :2], np.eye(2) * 1.25 * box[2:].max(), atol=1e-3
        )


def test_padding_and_mask(source):
    pairs = official_pairs(source.by_category(), shots=2, episodes=20, queries=1)
    episodes = Episodes(source=source, pairs=pairs, size=8, keypoints=6)
    hidden = 0
    for item, row in enumerate(pairs.table):
        episode = episodes[item]
        category = source.categories[episode.category]
        count = len(category.skeleton)
        shown = np.array([source.instances[index].visibility > 0 for index in row])
        assert episode.support.visible[:, :count].tolist() == shown[:-1].tolist()
        assert episode.query.visible[:count].tolist() == shown[-1].tolist()
        assert episode.mask[:count].tolist() == shown[:-1].all(axis=0).tolist()
        for field in (episode.mask, episode.support.visible, episode.query.visible):
            assert not field[..., count:].any()
        assert episode.names == category.texts + ("",) * (6 - count)
        assert episode.adjacency.tolist() == category.skeleton.adjacency(6).tolist()
        hidden += int((~episode.mask[:count]).sum())
    assert hidden  # the nose of the first picture


def test_what_any_support_shows_may_be_asked_for(source):
    pairs = official_pairs(source.by_category(), shots=2, episodes=20, queries=1)
    both, any_of_them = (Episodes(source=source, pairs=pairs, size=8, asked=asked) for asked in ("all", "any"))
    more = 0
    for item in range(len(pairs.table)):
        episode = any_of_them.labels(item)
        assert episode.mask.tolist() == episode.support.visible.any(dim=0).tolist()
        more += int(episode.mask.sum() - both.labels(item).mask.sum())
    assert more


def test_flips_exchange_the_swap_pairs(source):
    always = Augmentation(scale=0, rotation=0, flip=1)
    episodes, asked = Episodes(source=source, size=64, augmentation=always), watched(source)
    for item in range(6):
        asked.clear()
        episode = episodes[item]
        instance = source.instances[asked[-1]]
        mirror = source.categories[1].skeleton.mirror()
        assert mirror.tolist() == [0, 2, 1]
        back = episode.query.points @ episode.query.to_pixels[:, :2].T + episode.query.to_pixels[:, 2]
        np.testing.assert_allclose(back, instance.points[mirror], atol=0.01)


def collates():
    compat.prepare()
    from mmengine.dataset import default_collate as mmengine_collate

    return {"torch": default_collate, "mmengine": mmengine_collate}


@pytest.mark.parametrize("library", ["torch", "mmengine"])
def test_both_collate_functions_keep_the_episode(source, library):
    episodes = Episodes(source=source, shots=2, size=16)
    items = [episodes[item] for item in (0, 7, 11)]
    batch = collates()[library](items)
    assert type(batch) is type(items[0])
    assert type(batch.query) is type(items[0].query)
    assert batch.support.image.shape == (3, 2, 3, 16, 16)
    assert torch.equal(batch.query.points[1], items[1].query.points)
    assert batch.mask.shape == (3, 3)
    assert batch.category.tolist() == [1, 7, 7]
    assert batch.pair.tolist() == [0, 7, 11]
    assert [tuple(texts) for texts in zip(*batch.names, strict=True)] == [item.names for item in items]


def test_small_categories_are_told(source):
    episodes = Episodes(source=source, shots=3, size=8)
    assert episodes.skipped == {7: 3}
    assert {episodes[item].category for item in range(len(episodes))} == {1}


def test_skipped_categories_of_an_evaluation_are_those_of_its_pairs(source):
    pairs = official_pairs(source.by_category(), episodes=2, queries=3)
    assert Episodes(source=source, pairs=pairs, size=8).skipped == pairs.skipped == {7: 3}


def test_out_of_range(source):
    episodes = Episodes(source=source, size=8)
    for item in (len(episodes), -1):
        with pytest.raises(IndexError):
            episodes[item]


def test_what_is_refused(source, refused):
    with refused(UsageError, "at least 3", "got 2"):
        Episodes(source=source, keypoints=2)
    with refused(UsageError, "seed", "at least 0", "-1"):
        Episodes(source=source, seed=-1)
    with refused(AnnotationError, "a category with 7 instances"):
        Episodes(source=source, shots=6)


def test_pose_table_pads_with_nothing(source):
    table = pose_table(source.instances)
    assert table.points.shape == (9, 3, 2)
    for row, instance in enumerate(source.instances):
        count = len(instance.points)
        np.testing.assert_array_equal(table.points[row, :count], instance.points)
        assert table.visible[row].tolist() == (instance.visibility > 0).tolist() + [False] * (3 - count)
        assert not table.points[row, count:].any()
        assert table.category[row] == instance.category
        np.testing.assert_array_equal(table.box[row], instance.box)
