"""`Joined`: several sources as one, renumbered; and how often each is visited."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cape.configuration import load_config
from cape.data.drawn import Drawn
from cape.data.episodes import Episodes, pose_table
from cape.data.joined import Joined
from cape.errors import AnnotationError, UsageError
from cape.loaders import make_episodes


def first() -> Drawn:
    return Drawn(instances=3, categories=("chair", "arrow"), size=48)


def second() -> Drawn:
    return Drawn(seed=5, instances=5, categories=("arrow", "fish", "quadruped"), size=64)


def test_categories_are_renumbered_and_stay_apart() -> None:
    joined = Joined(sources=[first(), second()])
    assert {number: each.name for number, each in joined.categories.items()} == {
        1: "chair", 2: "arrow", 3: "arrow", 4: "fish", 5: "quadruped",
    }  # fmt: skip
    assert all(number == each.id for number, each in joined.categories.items())
    assert {number: len(pool) for number, pool in joined.by_category().items()} == {1: 3, 2: 3, 3: 5, 4: 5, 5: 5}
    assert len(joined) == len(joined.instances) == 21


def test_instances_and_pictures_are_the_sources_own() -> None:
    sources = [first(), second()]
    joined = Joined(sources=sources)
    rows = [(source, row) for source in sources for row in range(len(source))]
    for index, (source, row) in enumerate(rows):
        mine, theirs = joined.instances[index], source.instances[row]
        assert (mine.id, mine.picture) == (theirs.id, theirs.picture)
        assert joined.categories[mine.category]._replace(id=0) == source.categories[theirs.category]._replace(id=0)
        np.testing.assert_array_equal(mine.points, theirs.points)
    for index in (0, 5, 6, 20):
        source, row = rows[index]
        np.testing.assert_array_equal(joined.picture(index), source.picture(row))
    assert pose_table(joined.instances).points.shape[0] == 21


def test_sources_may_be_described_and_joined_again() -> None:
    described = {"type": "Joined", "sources": [{"type": "Drawn", "instances": 2, "categories": ["chair"], "size": 48}]}
    joined = Joined(sources=[described, first()])
    assert [each.name for each in joined.categories.values()] == ["chair", "chair", "arrow"]
    assert joined.picture(2).shape == (48, 48, 3)


def visits(joined: Joined, **options) -> Counter[int]:
    """How many of the training episodes come from each source."""
    episodes = Episodes(source=joined, size=16, length=100, **options)
    assert len(episodes) == 100
    return Counter(joined.parts[episodes[item].category] for item in range(100))


@pytest.mark.parametrize("balance", ["equal", "root"])
def test_shares(balance: str) -> None:
    assert visits(Joined(sources=[first(), second()], shares=[3.0, 1.0]), balance=balance) == {0: 75, 1: 25}


def test_shares_do_not_count_what_is_too_small() -> None:
    tiny = Drawn(instances=1, categories=("fish",), size=48)
    assert visits(Joined(sources=[Joined(sources=[first(), tiny]), second()], shares=[0.2, 0.8])) == {0: 20, 1: 80}
    assert visits(Joined(sources=[tiny, second()], shares=[0.5, 0.5])) == {1: 100}


def test_without_shares_categories_count() -> None:
    assert visits(Joined(sources=[first(), second()])) == {0: 40, 1: 60}


def test_an_epoch_has_a_length(refused) -> None:
    for length in (0, -3):
        with refused(UsageError, "length"):
            Episodes(source=first(), length=length)
    assert len(Episodes(source=first())) == 6


@pytest.mark.parametrize("nested", [False, True])
def test_the_engine_passes_facts_on_to_every_source(tmp_path: Path, nested: bool) -> None:
    described = {"type": "MP100", "subset": "val"}
    described = {"type": "Joined", "sources": [described]} if nested else described
    source = {"_delete_": True, "type": "Joined", "sources": [described]}
    changes = {"train_dataloader.dataset.source": source, "data_root": str(tmp_path), "split": 4}
    with pytest.raises(AnnotationError, match="split4_val"):
        make_episodes(load_config("cape_lite", changes), "train", size=16)
    with pytest.raises(UsageError, match="--data"):
        make_episodes(load_config("cape_lite", {**changes, "data_root": None}), "train", size=16)


@pytest.mark.parametrize(
    "options",
    [{"sources": []}, {"shares": [1.0]}, {"shares": [1.0, 0.0]}, {"shares": [1.0, 2.0, 3.0]}],
)
def test_refusals(options: dict, refused) -> None:
    with refused(UsageError):
        Joined(**{"sources": [first(), second()], **options})
