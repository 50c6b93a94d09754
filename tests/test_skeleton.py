"""`cape.skeleton`: what a skeleton refuses, its matrices, and left against right in names."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cape.errors import SkeletonError
from cape.skeleton import Skeleton, other_side, swap_pairs

NAMES = ("nose", "left eye", "right eye", "tail")


@st.composite
def arguments(draw):
    """Of a legal skeleton (not built here: beartype uses `random`, which hypothesis forbids inside strategies)."""
    count = draw(st.integers(1, 12))
    index = st.integers(0, count - 1)
    pairs = st.tuples(index, index).filter(lambda pair: pair[0] != pair[1])
    edges = draw(st.lists(pairs, max_size=20)) if count > 1 else []
    seats = draw(st.permutations(range(count)))[: 2 * draw(st.integers(0, count // 2))]
    swap = tuple(zip(seats[::2], seats[1::2], strict=True))
    return {"names": tuple(f"point {i}" for i in range(count)), "edges": tuple(edges), "swap": swap}


@given(arguments(), st.integers(0, 5))
def test_adjacency_is_symmetric_without_loops(given, padding):
    skeleton = Skeleton(**given)
    size = len(skeleton) + padding
    matrix = skeleton.adjacency(size)
    assert matrix.shape == (size, size)
    assert (matrix == matrix.T).all()
    assert {tuple(pair) for pair in np.argwhere(np.triu(matrix))} == set(skeleton.edges)
    assert (skeleton.adjacency() == matrix[: len(skeleton), : len(skeleton)]).all()


@given(arguments())
def test_mirror_is_an_involution_that_moves_the_pairs_only(given):
    skeleton = Skeleton(**given)
    order = skeleton.mirror()
    assert (order[order] == np.arange(len(skeleton))).all()
    moved = {(i, int(j)) for i, j in enumerate(order) if i < j}
    assert moved == set(skeleton.swap)


def test_edges_lose_direction_and_duplicates():
    skeleton = Skeleton(NAMES, ((1, 0), (0, 1), (3, 0), (0, 1)))
    assert skeleton.edges == ((0, 1), (0, 3))


def test_empty_skeleton_is_legal():
    skeleton = Skeleton(("", ""))
    assert not skeleton.adjacency().any()
    assert skeleton.membership().shape == (0, 2)
    assert len(skeleton) == 2


def test_membership_follows_the_parts():
    skeleton = Skeleton(NAMES, parts={"head": (0, 1, 2), "end": (3,)})
    assert skeleton.membership().tolist() == [[True, True, True, False], [False, False, False, True]]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"edges": ((0, 4),)}, ["edge [0, 4]", "below 4", "got 4", "subtract 1"]),
        ({"edges": ((-1, 0),)}, ["got -1"]),
        ({"edges": ((2, 2),)}, ["edge [2, 2]", "two different keypoints"]),
        ({"edges": ((True, 2),)}, ["got True"]),
        ({"swap": ((0, 9),)}, ["swap pair [0, 9]", "got 9"]),
        ({"swap": ((0, 1), (1, 2))}, ["at most one pair"]),
        ({"parts": {"head": (0, 4)}}, ["part 'head'", "got 4"]),
        ({"names": ("eye", "eye")}, ["keypoint names", "eye more than once"]),
    ],
)
def test_what_is_refused(refused, changed, words):
    with refused(SkeletonError, *words):
        Skeleton(**{"names": NAMES, **changed})


def test_missing_names_may_repeat():
    assert Skeleton(("", "", "nose")).names == ("", "", "nose")


@pytest.mark.parametrize(
    ("name", "partner"),
    [
        ("left eye", "right eye"),
        ("left_eye", "right_eye"),
        ("Left Eye", "Right Eye"),
        ("LEFT_EYE", "RIGHT_EYE"),
        ("LeftEye", "RightEye"),
        ("frontLeftPaw", "frontRightPaw"),
        ("paw_left", "paw_right"),
        ("left of the right ear", "right of the left ear"),
        ("forelegL2", "forelegR2"),
        ("L_Eye", "R_Eye"),
        ("nose", None),
        ("leftover", None),
        ("upright pole", None),
        ("Lip", None),
        ("", None),
    ],
)
def test_other_side(name, partner):
    assert other_side(name) == partner
    if partner is not None:
        assert other_side(partner) == name


def test_swap_pairs_of_names():
    names = ["R_Eye", "", "left hip", "L_Eye", "tail", "right hip", "left horn", ""]
    assert swap_pairs(names) == ((0, 3), (2, 5))


def test_loose_sides_are_believed_where_the_other_is_there():
    names = ["leftear", "rightear", "l_fore_foot", "r fore foot", "r_fore_foot", "leftover", "bright", "l", "rear"]
    assert swap_pairs(names) == ((0, 1), (2, 4))
    assert swap_pairs(["l", "tail", "r"]) == ((0, 2),)


@given(st.lists(st.sampled_from(["left eye", "Left eye", "right eye", "RIGHT EYE", "tail", "L_a", "R_a", "r_a", ""])))
def test_swap_pairs_always_make_a_skeleton(names):
    unnamed = ("",) * len(names)
    skeleton = Skeleton(unnamed, swap=swap_pairs(names))
    for a, b in skeleton.swap:
        assert {names[a].lower(), names[b].lower()} in ({"left eye", "right eye"}, {"l_a", "r_a"})
