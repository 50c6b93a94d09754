"""`cape.data.typos`: every name gets a mistake, sides are spelt right, and the same name gets the same one."""

import re

import pytest

from cape.data.prompts import TextPack
from cape.data.typos import mistyped

NAMES = sorted({text.name for texts in TextPack.load("mp100").layouts.values() for text in texts})
SIDE = re.compile(r"\b(left|right)\b")


@pytest.mark.parametrize("name", [*NAMES, "jaw 0", "LEFT eye", "forelegR2", "eye"])
def test_a_mistake_in_every_name_and_none_in_a_side(name: str) -> None:
    wrong = mistyped(name)
    assert wrong != name and wrong == mistyped(name)
    assert SIDE.findall(wrong) == SIDE.findall(name)
    assert 0 < len(wrong.split()) == len(name.split())
    assert abs(len(wrong) - len(name)) <= max(1, len(name) // 12)


@pytest.mark.parametrize("name", ["", "7", "l", "left", "right", "of 3"])
def test_what_cannot_be_mistyped_stays(name: str) -> None:
    assert mistyped(name) == name


def test_long_names_get_more_mistakes() -> None:
    name = "right lower lip, lower edge, near the corner"
    changed = [new != old for new, old in zip(mistyped(name).split(), name.split(), strict=True)]
    assert sum(changed) == len(name) // 12 == 3
