"""The skeletons of people: counts of the specification, mirror symmetry, mmpose's names, and files that are refused."""

import json
from importlib import resources
from itertools import pairwise

import numpy as np
import pytest

from cape.data.skeletons import read_regions, read_sigmas, read_skeleton
from cape.errors import SkeletonError

# Specification §6: keypoints, edges, groups, directed edges between groups, largest degree.
COUNTS = {"coco_wholebody": (133, 180, 32, 992, 10), "coco": (17, 19, 6, 30, 4), "crowdpose": (14, 14, 7, 42, 3)}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_those_of_the_specification(name):
    skeleton = read_skeleton(name)
    keypoints, edges, groups, between, degree = COUNTS[name]
    adjacency = skeleton.adjacency()
    assert (len(skeleton), len(skeleton.edges), len(skeleton.parts)) == (keypoints, edges, groups)
    assert len(json.loads(_text(name))["edges"]) == edges, "no duplicates in the file"
    assert groups * (groups - 1) == between
    assert adjacency.sum(axis=0).max() == degree
    assert skeleton.membership().any(axis=0).all()
    reached = np.linalg.matrix_power(adjacency.astype(float) + np.eye(keypoints), keypoints) > 0
    assert reached.all()


def _text(name: str) -> str:
    return (resources.files("cape.annotations") / "skeletons" / f"{name}.json").read_text()


@pytest.mark.parametrize("name", COUNTS)
def test_a_mirror_maps_edges_onto_edges_and_groups_onto_the_group_of_the_other_side(name):
    skeleton = read_skeleton(name)
    mirror = skeleton.mirror()
    adjacency = skeleton.adjacency()
    assert (adjacency[np.ix_(mirror, mirror)] == adjacency).all()
    for part, members in skeleton.parts.items():
        other = {"left": "right", "right": "left"}.get(part.split()[0])
        partner = part if other is None else " ".join([other, *part.split()[1:]])
        assert {int(mirror[index]) for index in members} == set(skeleton.parts[partner])


@pytest.mark.parametrize("name", COUNTS)
def test_groups_are_named_for_the_side_they_lie_on(name):
    skeleton = read_skeleton(name)
    for part, members in skeleton.parts.items():
        for index in members:
            for side, other in (("left", "right"), ("right", "left")):
                assert not (part.startswith(side) and skeleton.names[index].startswith(other)), part


@pytest.mark.parametrize(
    ("name", "kind"),
    [("coco_wholebody", "CocoWholeBodyDataset"), ("coco", "CocoDataset"), ("crowdpose", "CrowdPoseDataset")],
)
@pytest.mark.filterwarnings("ignore:The metainfo config file")
def test_names_swaps_and_sigmas_are_those_of_mmpose(name, kind):
    from cape import compat

    mmpose = compat.load_mmpose()
    meta = getattr(mmpose.datasets.datasets, kind)._load_metainfo()
    skeleton = read_skeleton(name)
    assert list(skeleton.names) == [meta["keypoint_id2name"][index] for index in range(len(skeleton))]
    assert skeleton.mirror().tolist() == list(meta["flip_indices"])
    np.testing.assert_allclose(read_sigmas(name), meta["sigmas"], rtol=1e-6)


def test_whole_body_regions_follow_each_other():
    regions = read_regions("coco_wholebody")
    assert list(regions) == ["body", "foot", "face", "left_hand", "right_hand"]
    assert [len(each) for each in regions.values()] == [17, 6, 68, 21, 21]
    assert [index for each in regions.values() for index in each] == list(range(133))
    names = read_skeleton("coco_wholebody").names
    assert names[regions["left_hand"][0]] == "left_hand_root" and names[regions["right_hand"][0]] == "right_hand_root"
    assert read_regions("coco") == {}


def test_eyes_and_ears_touch_their_own_side_of_the_face():
    """Face points count from the subject's right: the right eye's are 59 to 64, the left's 65 to 70."""
    skeleton = read_skeleton("coco_wholebody")
    adjacency = skeleton.adjacency()
    for body, part in (("left_eye", "left eye"), ("right_eye", "right eye")):
        assert adjacency[skeleton.names.index(body), list(skeleton.parts[part])].all()
    for part in ("left little finger", "right thumb"):
        members = skeleton.parts[part]
        assert all(adjacency[a, b] for a, b in pairwise(members))


BODY = {"names": ["a", "b", "c"], "edges": [[0, 1], [1, 2]], "parts": {"all": [0, 1, 2]}}


def test_odd_skeletons_that_are_legal(tmp_path):
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"names": ["only"], "edges": []}))
    assert len(read_skeleton(path)) == 1
    path.write_text(json.dumps({**BODY, "edges": [[0, 1]], "parts": {"pair": [0, 1]}}))
    skeleton = read_skeleton(str(path))
    assert not skeleton.adjacency()[2].any() and not skeleton.membership()[:, 2].any()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"edges": [[0, 3]]}, "3"),
        ({"edges": [[0, -1]]}, "-1"),
        ({"edges": [[1, 1]]}, "twice"),
        ({"edges": [["0", "x"]]}, "own.json"),
        ({"edges": [0, 1]}, "two indices"),
        ({"edges": 3}, "pairs"),
        ({"parts": {"none": []}}, "'none'"),
        ({"parts": {"far": [0, 7]}}, "'far'"),
        ({"parts": {"odd": [0, 0]}}, "once"),
        ({"parts": {"odd": [True]}}, "indices"),
        ({"parts": {"odd": ["left"]}}, "own.json"),
        ({"parts": [0]}, "parts"),
        ({"names": []}, "names"),
        ({"names": ["a", 3, "c"]}, "texts"),
        ({"names": ["a", "a", "c"]}, "more than once"),
        ({"swap": [[0, 1], [1, 2]]}, "one pair"),
        ({"edgse": []}, "'edgse'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, refused, change, word):
    path = tmp_path / "own.json"
    path.write_text(json.dumps({**BODY, **change}))
    with refused(SkeletonError, word):
        read_skeleton(path)


@pytest.mark.parametrize(("name", "word"), [("coco_wholebdy", "coco_wholebody"), ("absent.json", "absent.json")])
def test_no_such_skeleton(refused, name, word):
    with refused(SkeletonError, word):
        read_skeleton(name)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '{"names": "abc"}', "[" * 100_000])
def test_not_a_skeleton(tmp_path, refused, text):
    path = tmp_path / "own.json"
    path.write_text(text)
    with refused(SkeletonError, "own.json"):
        read_skeleton(path)


@pytest.mark.parametrize("sigmas", [None, [0.1], [0.1, 0.1, 0], [0.1, 0.1, "0.1"], [0.1, 0.1, float("nan")], 3])
def test_sigmas_that_do_not_fit(tmp_path, refused, sigmas):
    path = tmp_path / "own.json"
    path.write_text(json.dumps({**BODY, "sigmas": sigmas}))
    with refused(SkeletonError, "sigmas", "3 positive numbers"):
        read_sigmas(path)


@pytest.mark.parametrize("members", [[], [5], ["a"], 3])
def test_regions_that_do_not_fit(tmp_path, refused, members):
    path = tmp_path / "own.json"
    path.write_text(json.dumps({**BODY, "regions": {"odd": members}}))
    with refused(SkeletonError, "'odd'"):
        read_regions(path)


# SEAL-pose's specification §3.1 and §8: joints, edges, the longest way between two, pairs of sides.
LIFTED = {
    "human36m": (17, 16, 8, 6),
    "human36m_16": (16, 15, 8, 6),
    "cmu17": (17, 16, 8, 6),
    "mpi_inf_3dhp": (17, 16, 8, 6),
    "h3wb": (133, 132, 16, 61),
}


@pytest.mark.parametrize("name", LIFTED)
def test_skeletons_that_are_lifted_are_trees_of_the_specifications_size(name):
    skeleton = read_skeleton(name)
    joints, edges, hops, swaps = LIFTED[name]
    adjacency = skeleton.adjacency().astype(float) + np.eye(joints)
    reached = [np.linalg.matrix_power(adjacency, steps) > 0 for steps in (hops - 1, hops)]
    assert (len(skeleton), len(skeleton.edges), len(skeleton.swap)) == (joints, edges, swaps)
    assert reached[1].all()
    assert not reached[0].all()
    mirror = skeleton.mirror()
    assert (adjacency[np.ix_(mirror, mirror)] == adjacency).all()
    sides = [{"left": "right", "right": "left"}.get(each.split("_")[0], "") for each in skeleton.names]
    for a, b in skeleton.swap:
        if sides[a]:
            assert skeleton.names[b] == skeleton.names[a].replace(sides[b], sides[a], 1)


def test_sixteen_joints_are_seventeen_without_the_nose():
    whole, less = read_skeleton("human36m"), read_skeleton("human36m_16")
    assert less.names == tuple(name for name in whole.names if name != "nose")
    named = {tuple(whole.names[joint] for joint in edge) for edge in whole.edges}
    assert {tuple(less.names[joint] for joint in edge) for edge in less.edges} - named == {("thorax", "head")}
    assert read_skeleton("h3wb").names == read_skeleton("coco_wholebody").names
