"""Typing mistakes, made by a rule: the pack `typos` was written with it, and any other name can be mistyped by it."""

import re

import numpy as np

SEED = 0
_WORD = re.compile(r"[a-z]{3,}", re.IGNORECASE)
_SPARED = {"left", "right"}
"""A mistyped side would be another kind of mistake: text without a side."""
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {
    key: row[max(place - 1, 0) : place] + row[place + 1 : place + 2] for row in _ROWS for place, key in enumerate(row)
}
_LETTERS = 12
"""To one mistake."""


def mistyped(text: str) -> str:
    """A text with one typing mistake in about 12 letters, at least one; left and right stay as they are.

    A mistake is a neighbouring key, two letters exchanged, one typed twice or, in a long word, one left out; never the
    first letter. A pure function of the text. What has no word of three letters stays as it is.
    """
    rng = np.random.default_rng([SEED, *text.encode()])
    words = [each for each in _WORD.finditer(text) if each[0].lower() not in _SPARED]
    count = min(len(words), max(1, len(text) // _LETTERS))
    # People slip in long words. From the end, so that the places before a mistake stay true.
    chosen = sorted(words, key=lambda each: -len(each[0]))[:count]
    for word in sorted(chosen, key=lambda each: -each.start()):
        text = text[: word.start()] + _slip(word[0], rng) + text[word.end() :]
    return text


def _slip(word: str, rng: np.random.Generator) -> str:
    place, kind = int(rng.integers(1, len(word))), rng.integers(4)
    letter, before = word[place], word[:place]
    if kind == 0 and len(word) > 5:
        return before + word[place + 1 :]
    if kind == 1:
        return before + letter + word[place:]
    if kind == 2 and place + 1 < len(word) and word[place + 1] != letter:
        return before + word[place + 1] + letter + word[place + 2 :]
    keys = _BESIDE[letter.lower()]
    return before + keys[rng.integers(len(keys))] + word[place + 1 :]
