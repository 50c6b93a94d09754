"""What the names of a prompt mean in a person's skeleton: which of them a whole-body model finds.

A name is its side and the rest ("left_wrist": left, "wrist"). The side is a condition: left goes to left. The rest is
compared with what each keypoint is called by the cosine of sentence embeddings; the most similar one-to-one assignment
counts, of pairs above `LEAST`. A numbered keypoint (face-7, left_thumb2) goes by what mp100's text pack calls it.

What a name does not say is refused, not guessed: "eye" without a side, or "toe", which is like both of them. Clicks may
decide afterwards (`data.clicked`).

Thresholds and the rule of `is_person` are such that of mp100's categories, in the words of its text pack and drawn ones
alike, those with a person's body are persons and no others are, except macaques, whose names are a person's.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cape.data.prompts import TextPack
from cape.skeleton import Skeleton

LEAST = 0.8
"""Cosine of a name with what a keypoint is called, from which on they may mean the same."""
SURE = 0.999
"""From here on it is what the keypoint is called, and no other beside it."""
TIE = 0.05
"""Names that are not are refused where another keypoint is as similar, but for this."""
FEWEST = 3
"""Keypoints of the body that a person's names mean at least."""
SHARE = 0.75
"""Share of the names that mean something in a person's skeleton, at least."""

Embed = Callable[[Sequence[str]], Float[Tensor, "N D"]]
"""Unit-length sentence embeddings, zeros for ""; `TextEncoder.embed`."""
Side = Literal["left", "right", ""]

_SHORT = {"l": "left", "r": "right"}
_OTHER: dict[str, Side] = {"left": "right", "right": "left"}
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9])(?=[A-Za-z])")
_VIEWER = re.compile(r"\b(?:viewer s?|image|picture) ?(?=left|right)")
_IDLE = re.compile(r"\b(?:left|right|the|an?|own|(?:person|subject) s|his|her|their|my)\b")
_OWN_WORDS = {
    "nose": ("nose tip", "tip of the nose"),
    "small toe": ("little toe",),
    "top head": ("top of the head", "crown of the head"),
}
"""What else the keypoints of the data sets are called."""
_HAND = ("hand root", *(f"{finger} {joint}" for finger in ("thumb", "forefinger", "middle finger", "ring finger",
         "pinky finger") for joint in range(1, 5)))  # fmt: skip
_FEET = ("big toe", "small toe", "heel")
_MARKS = {"wrist", "ankle", *_HAND, *_FEET}
"""Keypoints whose names tell a person from an animal, which has shoulders, elbows, hips and knees, too."""


class Sense(NamedTuple):
    """What a name says."""

    text: str
    """Without its side, in small letters: "wrist"."""
    side: Side
    """As it is written; the other one where it says that this is the viewer's, who faces the person."""
    viewer: bool = False
    """It says so."""


class Part(NamedTuple):
    """One keypoint of a person's skeleton."""

    name: str
    """In its data set."""
    phrases: tuple[str, ...]
    """What it is called, without its side."""
    side: Side
    """The person's."""
    body: bool
    """It is none of the face's, the hands' and the feet's."""
    mark: bool
    """See `_MARKS`."""


class Meant(NamedTuple):
    """What the names of a prompt mean in a person's skeleton."""

    senses: tuple[Sense, ...]
    keypoint: Int[np.ndarray, "K"]
    """The one of M that a name means, -1 for none."""
    settled: Bool[np.ndarray, "K"]
    """It names that one and no other; where it does not, clicks may choose among `candidates`."""
    candidates: Bool[np.ndarray, "K M"]
    """Keypoints that a name may mean."""
    reasons: tuple[str, ...]
    """Why, for people."""


def sense_of(name: str) -> Sense:
    """Side and rest of a name.

    "leftWrist", "l_wrist", "wrist (left)", "the left wrist" and "viewer's right wrist" say the same.
    """
    words = re.sub(r"[^a-z0-9, ]", " ", _HUMP.sub(" ", name).lower())
    words = " ".join(_SHORT.get(word, word) for word in words.split())
    words, viewer = _VIEWER.subn("", words)
    sides = set(re.findall(r"\b(left|right)\b", words))
    rest = re.sub(r"\s+,", ",", " ".join(_IDLE.sub(" ", words).split())).strip(" ,")
    # "left of the right knee" has no side of its own
    if len(sides) != 1:
        return Sense(rest, "")
    side = sides.pop()
    return Sense(rest, _OTHER[side] if viewer else side, bool(viewer))


@lru_cache(maxsize=8)
def parts_of(names: tuple[str, ...]) -> tuple[Part, ...]:
    """The keypoints of a person's skeleton by what they are called.

    Args:
        names: M names of a data set of people: COCO's, COCO-WholeBody's, CrowdPose's, or any others in words.
    """
    pack = TextPack.load()
    face = [sense_of(text.name) for text in pack.layouts["face_68"]]
    hand = dict(zip(_HAND[1:], (text.name for text in pack.layouts["hand"][1:]), strict=True))
    found = []
    for name in names:
        number = re.fullmatch(r"face-(\d+)", name)
        if number and int(number[1]) < len(face):
            # The pack's left is the viewer's; the tip of the nose is the body's nose already
            text, side, _ = face[int(number[1])]
            phrases = () if text == "nose tip" else (text,)
            found.append(Part(name, phrases, _OTHER.get(side, ""), body=False, mark=False))
            continue
        text, side, _ = sense_of(name)
        others = [*_OWN_WORDS.get(text, ()), *([hand[text]] if text in hand else [])]
        others += [text.replace("4", "tip")] if text in hand else []
        phrases = tuple(dict.fromkeys((text, *(sense_of(other).text for other in others))))
        body = text not in _HAND and text not in _FEET
        found.append(Part(name, phrases, side, body=body, mark=text in _MARKS))
    return tuple(found)


def similarities(senses: Sequence[Sense], parts: Sequence[Part], embed: Embed) -> Float[np.ndarray, "K M"]:
    """Highest cosine of each name with what each keypoint is called, sides apart; 0 without a name."""
    phrases = sorted({phrase for part in parts for phrase in part.phrases})
    place = {phrase: index for index, phrase in enumerate(phrases)}
    texts = embed([sense.text for sense in senses]).double().cpu().numpy()
    cosine = texts @ embed(phrases).double().cpu().numpy().T
    none = np.zeros(len(senses))
    columns = [cosine[:, [place[each] for each in part.phrases]].max(axis=1) if part.phrases else none
               for part in parts]  # fmt: skip
    return np.stack(columns, axis=1)


def meanings(texts: Sequence[str], skeleton: Skeleton, embed: Embed) -> Meant:
    """What names mean in a person's skeleton, one to one.

    Args:
        texts: K names, "" where a keypoint has none.
        skeleton: Of the whole-body model, M keypoints.
        embed: Of names without their sides.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import, and few need it

    senses, parts = tuple(sense_of(text) for text in texts), parts_of(skeleton.names)
    similar = similarities(senses, parts, embed)
    sides = np.array([part.side for part in parts])
    alike = np.array([(sides == sense.side) | (sense.side == "") for sense in senses]).reshape(similar.shape)
    for index, text in enumerate(texts):
        itself = [_key(text) == _key(part.name) for part in parts]
        if any(itself):
            similar[index, itself], alike[index] = 1.0, itself
    fits = alike & (similar >= LEAST)
    rows, columns = linear_sum_assignment(-np.where(fits, similar, 0.0))
    keypoint = np.full(len(texts), -1)
    keypoint[rows] = np.where(fits[rows, columns], columns, -1)

    settled, candidates, reasons = keypoint >= 0, np.zeros_like(fits), list[str]()
    for index, (sense, chosen) in enumerate(zip(senses, keypoint, strict=True)):
        row = similar[index]
        if chosen < 0:
            reasons.append(_unlike(sense, row, parts, taken=bool(fits[index].any())))
            continue
        least = SURE if row[chosen] >= SURE else row[chosen] - TIE
        candidates[index] = alike[index] & (row >= least)
        names = [parts[each].name for each in np.flatnonzero(candidates[index])]
        if len(names) == 1:
            reasons.append(f"similarity {row[chosen]:.2f}")
            continue
        settled[index], keypoint[index] = False, -1
        reasons.append(f"not said which: {', '.join(names[:4])}")
    return Meant(senses, keypoint, settled, candidates, tuple(reasons))


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _unlike(sense: Sense, row: Float[np.ndarray, "M"], parts: Sequence[Part], *, taken: bool) -> str:
    if not sense.text:
        return "no name"
    if taken:
        return "another name means that keypoint"
    same = np.array([part.side in (sense.side, "") or sense.side == "" for part in parts])
    nearest = int(np.where(same, row, -1.0).argmax())
    return f"nothing like it: {parts[nearest].name}, similarity {row[nearest]:.2f}"


def is_person(meant: Meant, skeleton: Skeleton) -> tuple[bool, str]:
    """Whether names are a person's, and why.

    Ask it of the whole body, whatever the skeleton of the model: a skeleton of 14 has none of COCO's eyes and ears.

    They are where `SHARE` of them mean something in the skeleton, `FEWEST` something of the body, and one a wrist, an
    ankle or something of a hand or a foot: shoulders, knees and noses are an animal's as well. A name that does not
    say its side counts, too.
    """
    parts = parts_of(skeleton.names)
    named = sum(bool(sense.text) for sense in meant.senses)
    likely = np.where(meant.settled, meant.keypoint, np.where(meant.candidates.any(1), meant.candidates.argmax(1), -1))
    found = [parts[each] for each in likely if each >= 0]
    share = f"{len(found)} of {named} names are in its skeleton"
    if len(found) < SHARE * named or not found:
        return False, share
    if sum(part.body for part in found) < FEWEST:
        return False, f"{share}, fewer than {FEWEST} of the body"
    if not any(part.mark for part in found):
        return False, f"{share}, and an animal may have them all"
    return True, share
