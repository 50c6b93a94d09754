"""The skeletons of people that ship with cape, and any of the user's own in the same form.

One JSON file each, in `annotations/skeletons`: `coco_wholebody` (133 keypoints, 180 edges, 32 groups), `coco` (17, 19,
6) and `crowdpose` (14, 14, 7). Names, swap pairs and sigmas are those of the data sets; edges and groups those of
CIGPose's official configs (specification §6; the paper's appendix gives CrowdPose 17 keypoints, code and data 14).
Comments there exchange left and right; here a group is named for the side that it lies on, the person's.

Those that are lifted to three dimensions are trees (SEAL-pose's specification, §8): `human36m` (17 joints) and
`human36m_16` (without the nose), `cmu17` (the same with a neck for a nose), `mpi_inf_3dhp` (17) and `h3wb` (133, the
names of `coco_wholebody`). Their pelvis is a joint, but for `h3wb`.

    names    K texts
    edges    pairs of 0-based indices
    swap     pairs that a mirror exchanges                                           (optional)
    parts    named groups, which may overlap                                         (optional)
    sigmas   K spreads of object keypoint similarity, as pycocotools calls them      (optional)
    regions  named ranges that an evaluation scores for themselves                   (optional)

A keypoint without an edge, and one in no group, are legal: a graph then tells it nothing, and a gate leaves it alone.
One keypoint is a skeleton, too. A group without members is an error, for it has no mean.
"""

import difflib
import json
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from cape.errors import SkeletonError
from cape.skeleton import Skeleton

_KEYS = ("names", "edges", "swap", "parts", "sigmas", "regions")


def read_skeleton(name: str | Path) -> Skeleton:
    """The skeleton of a name that ships with cape, or of a JSON file; its `parts` are the groups.

    Raises:
        SkeletonError: No such skeleton, not JSON, an unknown key, an index out of range, a group without members or
            with one twice, or what `Skeleton` refuses.
    """
    content = _read(name)
    groups = _table(name, content, "parts")
    try:
        return Skeleton(
            names=tuple(content["names"]),
            edges=_pairs(f"{name}: edges", content.get("edges", [])),
            swap=_pairs(f"{name}: swap", content.get("swap", [])),
            parts={part: _members(f"{name}: group {part!r}", members) for part, members in groups.items()},
        )
    except SkeletonError as error:
        where = error.where if error.where.startswith(str(name)) else f"{name}: {error.where}"
        raise SkeletonError(where, expected=str(error.expected), got=str(error.got), fix=str(error.fix)) from None


def read_sigmas(name: str | Path) -> Float[np.ndarray, "K"]:
    """The spread of each keypoint in object keypoint similarity, relative to the square root of the person's area.

    Raises:
        SkeletonError: As `read_skeleton`; or the file has none, not K of them, or one that is not positive.
    """
    content = _read(name)
    values = content.get("sigmas")
    count = len(content["names"])
    values = values if isinstance(values, list) else []
    if len(values) != count or not all(type(each) in (int, float) and 0 < each < np.inf for each in values):
        raise _bad(f"{name}: sigmas", f"{count} positive numbers", f"{len(values)} values: {str(values)[:60]}")
    return np.array(values, dtype=np.float64)


def read_regions(name: str | Path) -> dict[str, tuple[int, ...]]:
    """What an evaluation scores for itself: body, foot, face, left_hand and right_hand of the whole body.

    Raises:
        SkeletonError: As `read_skeleton`.
    """
    content, count = _read(name), len(read_skeleton(name))
    regions = {}
    for region, members in _table(name, content, "regions").items():
        where = f"{name}: region {region!r}"
        regions[region] = _members(where, members)
        if not all(0 <= index < count for index in regions[region]):
            raise _bad(where, f"0-based indices below {count}", str(members)[:80])
    return regions


def _read(name: str | Path) -> dict[str, Any]:
    try:
        content = json.loads(_find(name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _bad(str(name), "a skeleton as JSON", f"{type(error).__name__}: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("names"), list) or not content["names"]:
        raise _bad(str(name), "an object with a list `names`", str(content)[:80])
    if not all(isinstance(each, str) for each in content["names"]):
        raise _bad(f"{name}: names", "texts", str(content["names"])[:80])
    if unknown := [key for key in content if key not in _KEYS]:
        raise _bad(str(name), f"the keys {', '.join(_KEYS)}", ", ".join(map(repr, unknown)))
    return content


def _find(name: str | Path) -> Traversable:
    if Path(name).suffix == ".json":
        return Path(name)
    folder = resources.files("cape.annotations") / "skeletons"
    known = sorted(each.name.removesuffix(".json") for each in folder.iterdir() if each.name.endswith(".json"))
    if str(name) in known:
        return folder / f"{name}.json"
    close = difflib.get_close_matches(str(name), known, n=1) or known
    raise SkeletonError(
        "skeleton", expected=f"one of {', '.join(known)}, or a .json file", got=str(name),
        fix=f"Try {', '.join(close)}.",
    )  # fmt: skip


def _pairs(where: str, pairs: Any) -> tuple[tuple[int, int], ...]:
    if not isinstance(pairs, list):
        raise _bad(where, "a list of pairs", repr(pairs)[:80])
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(index) is int for index in pair):
            raise _bad(where, "pairs of two indices, as [i, j]", repr(pair)[:80])
    return tuple((a, b) for a, b in pairs)


def _table(name: str | Path, content: dict[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key, {})
    if not isinstance(value, dict):
        raise _bad(f"{name}: {key}", "an object of named lists", str(value)[:80])
    return value


def _members(where: str, members: Any) -> tuple[int, ...]:
    if not isinstance(members, list) or not members:
        raise _bad(where, "a list of at least one keypoint", repr(members)[:80])
    if not all(type(index) is int for index in members) or len(set(members)) != len(members):
        raise _bad(where, "indices of keypoints, each once", str(members)[:80])
    return tuple(members)


def _bad(where: str, expected: str, got: str) -> SkeletonError:
    return SkeletonError(where, expected=expected, got=got, fix="Mend the file.")
