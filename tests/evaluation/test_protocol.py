"""What a figure may be compared with, condition by condition."""

import pytest

from cape.evaluation.protocol import DIGESTS, FAMILIES, Protocol, comparable, familiarity, verdict

FUSION, META, EDGE, LLM = (family.name for family in FAMILIES)
OFFICIAL = Protocol(split=3, shots=1, digest="8667f5b8e8840345", complete=True, size=256)


def fitting(protocol: Protocol) -> list[str]:
    return [name for name, reasons in comparable(protocol).items() if not reasons]


@pytest.mark.parametrize(
    ("changes", "fit"),
    [
        ({}, [FUSION]),
        ({"size": None}, [FUSION, EDGE]),
        ({"size": 224}, [EDGE]),
        ({"size": 384}, []),
        ({"padding": 1.0}, []),
        ({"size": 224, "padding": 1.0}, []),
        ({"thresholds": (0.20,)}, []),
        ({"shots": 5, "digest": "43c9b5ef23061842"}, [FUSION]),
        ({"mask": "query"}, []),
    ],
)
def test_official_episodes(changes: dict, fit: list[str]) -> None:
    assert fitting(OFFICIAL._replace(**changes)) == fit


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"digest": "0" * 16}, "not the official ones (digest)"),
        ({"split": 5}, "not the official ones (digest)"),
        ({"shots": 5}, "not the official ones (digest)"),
        ({"shots": 3}, "3-shot"),
        ({"complete": False}, "split's test set"),
        ({"subset": "val", "complete": False}, "those of val"),
        ({"held_out": "vehicle"}, "vehicle was held out"),
        ({"box": "none"}, "no boxes"),
    ],
)
def test_what_rules_out_all_is_said_once(changes: dict, words: str) -> None:
    protocol = OFFICIAL._replace(**changes)
    assert not fitting(protocol)
    assert all(any(words in reason for reason in reasons) for reasons in comparable(protocol).values())
    (line,) = verdict(protocol)
    assert line.startswith("Comparable with no published number:") and line.count(words) == 1


def test_a_verdict_names_all_families() -> None:
    fit, rest = verdict(OFFICIAL)
    assert FUSION in fit and META not in fit
    assert f"{EDGE} (crops of 224 px, padding 1.25, not 256 px, padding 1.25)" in rest and META in rest and LLM in rest
    (alone,) = verdict(OFFICIAL._replace(size=384))
    assert alone.startswith("Not comparable with") and all(family.name in alone for family in FAMILIES)


def test_numbers_under_other_episodes_are_never_ours() -> None:
    """CapeLLM has no episodes at all, MetaPoint and FMMP draw theirs from other pools, whatever else agrees."""
    protocol = OFFICIAL._replace(size=224, padding=1.0, mask="query")
    assert comparable(protocol)[LLM] == ["each instance is asked once, without episodes"]
    (reason,) = comparable(OFFICIAL._replace(thresholds=(0.05, 0.10, 0.15, 0.20)))[META]
    assert "other pools" in reason
    assert len(comparable(OFFICIAL._replace(thresholds=(0.20,)))[META]) == 2


def test_the_digests_are_of_five_splits_and_two_settings() -> None:
    assert sorted(DIGESTS) == [(shots, split) for shots in (1, 5) for split in range(1, 6)]
    assert len(set(DIGESTS.values())) == 4


@pytest.mark.parametrize(
    ("home", "words"),
    [
        ("test", "in the test set of split 3: an unseen category"),
        ("val", "in the validation set of split 3: models of that split are not trained on it"),
        ("train", "in the training set of split 3: no unseen category for a model that is trained on that split"),
    ],
)
def test_familiarity_speaks_of_the_category(home: str, words: str) -> None:
    """So that it holds for a baseline too, which was trained on nothing."""
    assert familiarity(home, category="person [id 72]", split=3).startswith(f"person [id 72] is {words}")
