"""Sets of annotated poses for the tests of formats: drawn ones, small ones, their pictures, and how to compare them."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from cape.formats import LabelledPose, Labels, PictureLabels
from cape.skeleton import Skeleton

NASTY = [
    "a,b", 'say "x"', " lead", "trail ", "=1+1", "'x", "''", "-", "@x", "é", "e\u0301", "左眼", "🐈", "\ufeffx", "null",
    "~", "yes", "1", "1e5", "# c", "<b>&amp;", "]]>", "%20", "a: b", "\\", "{}", "__proto__", "pose-1", "\u202e",
    "x\u00a0y",
]  # fmt: skip
CONTROLS = ["two\nlines", "a\r\nb", "\t", "\x1b[1m", "\x85", "\u2028"]


class Taste(NamedTuple):
    """What drawn labels may have; the default is everything that is legal."""

    controls: bool = True
    formulas: bool = True
    unnamed: bool = True
    ids: bool = True
    boxes: str = "any"
    scores: bool = True
    pose_scores: bool = True
    inside: bool = False
    one_count: bool = False
    one_category: bool = False
    graph: bool = True
    parts: bool = True
    occluded: bool = True
    empty: bool = True
    small: bool = False


FITTING = {
    "coco": Taste(),
    "csv": Taste(),
    "cvat": Taste(controls=False, unnamed=False, ids=False, boxes="never", scores=False, pose_scores=False),
    "labelstudio": Taste(controls=False, unnamed=False, empty=False),
    "yolo": Taste(
        controls=False, ids=False, boxes="always", scores=False, pose_scores=False, inside=True, one_count=True
    ),
    "dlc": Taste(
        controls=False, formulas=False, unnamed=False, ids=False, boxes="never", pose_scores=False, one_category=True,
        graph=False, parts=False, occluded=False, empty=False, small=True,
    ),
}  # fmt: skip
"""What each format holds whole."""


def precision(form: str, size: tuple[int, int], values: np.ndarray) -> np.ndarray:
    """How far coordinates may be from what was written, as the formats' docstrings say."""
    side = np.array(size, dtype=np.float64)[np.arange(values.shape[-1]) % 2]
    return {
        "cvat": 1e-15 * (np.abs(values) + 1),
        "labelstudio": 1e-15 * (np.abs(values) + side),
        "yolo": 2e-9 * side * np.ones_like(values),
    }.get(form, np.zeros_like(values))


@cache
def names(taste: Taste) -> st.SearchStrategy[str]:
    letters = st.characters(exclude_categories=("Cs",) if taste.controls else ("Cs", "Cc", "Zl", "Zp", "Cn"))
    drawn = st.text(letters, min_size=1, max_size=6) | st.sampled_from(NASTY + CONTROLS * taste.controls)
    return drawn.filter(lambda name: "\0" not in name and (taste.formulas or not name.startswith(tuple("=+-@'"))))


@st.composite
def skeletons(draw, taste: Taste, count: int | None = None) -> tuple:
    """Arguments of a skeleton: the checks of types draw random numbers, which strategies must not."""
    count = draw(st.integers(1, 4)) if count is None else count
    texts = draw(st.lists(names(taste), min_size=count, max_size=count, unique=True))
    if taste.unnamed and draw(st.integers(0, 3)) == 0:
        texts[draw(st.integers(0, count - 1))] = ""
    if count < 2 or not taste.graph:
        edges, swap = (), ()
    else:
        pair = st.lists(st.integers(0, count - 1), min_size=2, max_size=2, unique=True).map(tuple)
        edges = tuple(draw(st.lists(pair, max_size=3)))
        # Of one category alone, or (for YOLO) the same in all.
        swap = ((0, count - 1),) if taste.one_count else tuple(draw(st.lists(pair, max_size=1)))
    parts = {}
    if taste.parts:
        parts = draw(
            st.dictionaries(names(taste), st.lists(st.integers(0, count - 1), max_size=2).map(tuple), max_size=1)
        )
    return tuple(texts), edges, swap, parts


def draw_pose(taste: Taste, who: tuple[int, str, int], size: tuple[int, int], seed: int) -> LabelledPose:
    """A pose out of a seed: hypothesis would take longer to draw its numbers than the formats to write them."""
    number, category, count = who
    rng = np.random.default_rng(seed)
    visibility = rng.choice([0, 1, 2] if taste.occluded else [0, 2], count).astype(np.int8)
    if not taste.empty and not visibility.any():
        visibility[0] = 2
    first, last = np.zeros(2), np.array(size, dtype=np.float64)
    if not taste.inside:
        reach = float(rng.choice([0.0, 10.0, 1e4, 9e8]))
        first, last = first - reach, last + reach

    def places(rows: int) -> np.ndarray:
        drawn = rng.uniform(first, last, (rows, 2))
        whole, edge = np.floor(np.clip(drawn, first, last)), rng.choice([first, last], rows)
        tiny = np.clip(drawn * 1e-300, first, last)
        return np.where((kind := rng.integers(0, 6, (rows, 1))) < 3, drawn, [whole, edge, tiny][int(kind.max()) % 3])

    points = np.where(visibility[:, None] > 0, places(count), 0.0)
    box = scores = score = None
    if taste.boxes == "always" or (taste.boxes == "any" and rng.random() < 0.5):
        corners = places(2)
        box = np.concatenate([corners.min(axis=0), np.ptp(corners, axis=0) / 2])
    if taste.scores and rng.random() < 0.5:
        given = rng.choice([0.0, 1.0, 1e-300, -2.5, 1e9, *rng.random(9)], count)
        scores = np.where(visibility > 0, given, 0.0)
    if taste.pose_scores and rng.random() < 0.5:
        score = float(rng.choice([0.0, 1.0, rng.random()]))
    return LabelledPose(number, category, points, visibility, box, scores, score)


@cache
def files(taste: Taste) -> st.SearchStrategy[str]:
    part = names(taste).filter(lambda name: not set(name) & set("/\\:\0") and name not in (".", ".."))
    return st.lists(part, min_size=1, max_size=2).map(lambda parts: "/".join(parts) + ".png")


@st.composite
def drafts(draw, taste: Taste) -> Labels:
    """Labels but for their skeletons, which `built` makes."""
    count = draw(st.integers(1, 4)) if taste.one_count else None
    categories = draw(
        st.dictionaries(names(taste), skeletons(taste, count), min_size=1, max_size=1 if taste.one_category else 2)
    )
    side = st.integers(1, 40 if taste.small else 9000)
    pictures = []
    ids = draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=6, max_size=6, unique=True)) if taste.ids else None
    number = 0
    for file in draw(st.lists(files(taste), max_size=3, unique=True)):
        size = draw(st.tuples(side, side))
        its = []
        for _ in range(draw(st.integers(0, 2))):
            category = draw(st.sampled_from(sorted(categories)))
            name = number + 1 if ids is None else ids[number]
            its.append(
                draw_pose(taste, (name, category, len(categories[category][0])), size, draw(st.integers(0, 2**63)))
            )
            number += 1
        pictures.append(PictureLabels(file, size, tuple(its)))
    return Labels(categories, tuple(pictures))


def built(draft: Labels) -> Labels:
    return draft._replace(categories={name: Skeleton(*fields) for name, fields in draft.categories.items()})


def small_labels(**changes: object) -> Labels:
    """Two pictures, one of them empty, one pose of three keypoints; `changes` go to the pose."""
    skeleton = Skeleton(("nose", "left eye", "right eye"), ((0, 1), (0, 2)), ((1, 2),))
    pose = LabelledPose(
        1,
        "cat",
        np.array([[10.0, 20.0], [12.5, 16.25], [0.0, 0.0]]),
        np.array([2, 1, 0], dtype=np.int8),
        np.array([5.0, 8.0, 20.0, 30.0]),
    )
    pictures = (PictureLabels("a/b.png", (64, 48), (pose._replace(**changes),)), PictureLabels("c.png", (10, 12), ()))
    return Labels({"cat": skeleton}, pictures)


def fitting_labels(form: str) -> Labels:
    """A small set that a format holds whole."""
    plain = small_labels(**({} if FITTING[form].boxes != "never" else {"box": None}))
    if FITTING[form].graph:
        return plain
    pose = plain.pictures[0].poses[0]._replace(visibility=np.array([2, 2, 0], dtype=np.int8))
    return Labels(
        {"cat": Skeleton(("nose", "left eye", "right eye"))},
        (plain.pictures[0]._replace(poses=(pose,)), plain.pictures[1]),
    )


def draw_pictures(labels: Labels, folder: Path) -> Path:
    """The pictures of a set, black."""
    folder.mkdir(parents=True, exist_ok=True)
    for picture in labels.pictures:
        path = folder / picture.file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("1", picture.size).save(path)
    return folder


def assert_same(found: Labels, wanted: Labels, form: str = "coco") -> None:
    """Equal, up to the format's precision and the order of edges and pairs."""
    assert list(found.categories) == list(wanted.categories)
    for name, skeleton in wanted.categories.items():
        twin = found.categories[name]
        assert twin.names == skeleton.names
        assert twin.parts == skeleton.parts
        assert (sorted(twin.edges), sorted(twin.swap)) == (sorted(skeleton.edges), sorted(skeleton.swap))
    assert [(each.file, each.size) for each in found.pictures] == [(each.file, each.size) for each in wanted.pictures]
    for picture, twin in zip(wanted.pictures, found.pictures, strict=True):
        assert [pose.id for pose in twin.poses] == [pose.id for pose in picture.poses]
        for pose, other in zip(picture.poses, twin.poses, strict=True):
            assert (other.category, other.score) == (pose.category, pose.score)
            assert other.visibility.tolist() == pose.visibility.tolist()
            assert (other.visibility.dtype, other.points.dtype) == (np.int8, np.float64)
            assert (other.box is None, other.scores is None) == (pose.box is None, pose.scores is None)
            assert pose.scores is None or other.scores.tolist() == pose.scores.tolist()
            for ours, theirs in ((pose.points, other.points), (pose.box, other.box)):
                if ours is not None:
                    assert (np.abs(theirs - ours) <= precision(form, picture.size, ours)).all(), (theirs, ours)
