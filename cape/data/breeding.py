"""Breeding: categories that no one wrote, by the hundred, so that a model learns to match rather than to remember.

Each is a pure function of (seed, number): one of the body plans of `plans` throws its dice for part counts,
proportions, shapes, joints, colours and words, and writes a description as `blueprints` reads it.
"""

from functools import lru_cache

import numpy as np

from cape.data.blueprints import Blueprint, build_blueprint
from cape.data.layout import Style, lay_out
from cape.data.plans import PLANS
from cape.data.sketch import Sketch

FIRST_ID = 1000
"""Id of the first bred category; those before are left to descriptions written by hand."""
MOST = 500_000
"""Numbers are below this: 9 · 10 ⁵ names of three syllables, ids that stay apart."""
_TRIALS = 50
_ONSETS = ("b", "br", "d", "dr", "f", "g", "gl", "k", "l", "m", "n", "p", "pl", "r", "s", "st", "t", "v", "w", "z")
_RHYMES = ("a", "an", "e", "el", "i", "in", "o", "or", "u", "um")


@lru_cache(maxsize=4096)
def breed(seed: int, number: int) -> Blueprint:
    """Category `number` of a seed. Successive ones have all body plans before any comes again.

    What the dice make is tried on a few instances, and thrown again where keypoints coincide or the body would be
    hidden or tiny.
    """
    turn = np.random.default_rng((seed, number // len(PLANS), 11)).permutation(len(PLANS))
    kind = tuple(PLANS)[turn[number % len(PLANS)]]
    blueprint = _candidate(seed, number, 0, kind)
    best = _worth(blueprint)
    for trial in range(1, _TRIALS):
        if best >= 1:
            break
        other = _candidate(seed, number, trial, kind)
        if (worth := _worth(other)) > best:
            blueprint, best = other, worth
    return blueprint


def name_of(seed: int, number: int, kind: str) -> str:
    """A made-up word that no other number below `MOST` of this seed has, and the body plan's: "branoru fish"."""
    count = len(_ONSETS) * len(_RHYMES)
    code = (number * 1_300_021 + seed * 7919 + 31_337) % count**3  # a bijection: 1300021 is odd and no multiple of 5
    syllables = []
    for _ in range(3):
        code, rest = divmod(code, count)
        syllables.append(_ONSETS[rest // len(_RHYMES)] + _RHYMES[rest % len(_RHYMES)])
    return f"{''.join(syllables)} {kind}"


def _candidate(seed: int, number: int, trial: int, kind: str) -> Blueprint:
    sketch = Sketch(np.random.default_rng((seed, number, trial, 12)))
    PLANS[kind](sketch)
    name = name_of(seed, number, kind)
    return build_blueprint(sketch.content(FIRST_ID + number, name, kind), where=name)


def _worth(blueprint: Blueprint) -> float:
    """At least 1 for a sound category: keypoints apart, mostly seen, none always hidden, spread over the object."""
    draws = np.random.default_rng(5).random((4, blueprint.draws))
    layout = lay_out(blueprint, draws, Style(rotation=0.0, occlusion=0.0, truncation=0.0))
    points, side = layout.points, layout.box[:, 2:].max(axis=1)
    gaps = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1) + np.eye(points.shape[1]) * 1e9
    for one, other in blueprint.category.skeleton.swap:
        gaps[:, one, other] *= 3  # the near leg and the far one may come close
        gaps[:, other, one] *= 3
    apart = float(np.median(gaps.min(axis=(1, 2)) / side)) / 0.025
    seen = float((layout.visibility == 2).mean()) / 0.55
    slim = float(np.median(layout.box[:, 2:].min(axis=1) / side)) / 0.12
    spread = float(np.median(np.ptp(points, axis=1).max(axis=1) / side)) / 0.6
    ever = float((layout.visibility == 2).any(axis=0).all())
    return min(apart, seen, slim, spread, 0.5 + 0.5 * ever)
