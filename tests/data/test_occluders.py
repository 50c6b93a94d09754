"""Patches over keypoints: where they lie, what they cover, and that they depend on nothing but seed and place."""

from pathlib import Path

import numpy as np
import pytest
import torch
from people_files import write_people

from cape.data.occluders import GREY, OccludedCrops, choose_anchors, covered
from cape.data.people import People, PersonCrops
from cape.errors import UsageError

PARTS = {"left": (0, 1, 2), "right": (3, 4), "none": (5,)}


@pytest.fixture
def crops(tmp_path: Path) -> PersonCrops:
    write_people(tmp_path)
    source = People(root=tmp_path, annotations="people.json", pictures="images")
    return PersonCrops(source=source, size=(64, 96), sigma=(2.83, 3.46))


def test_anchors_are_of_different_parts_and_a_function_of_seed_and_place() -> None:
    there = np.ones((50, 6), dtype=bool)
    there[:, 5] = False
    there[0], there[1] = False, [False, True, False, False, False, False]
    anchors = choose_anchors(there, PARTS, count=2, seed=3)
    assert (anchors[0] == -1).all() and anchors[1].tolist() == [1, -1]
    assert all({each < 3 for each in row} == {True, False} for row in anchors[2:]), "one of each part"
    assert set(anchors[2:].ravel().tolist()) == {0, 1, 2, 3, 4}
    assert np.array_equal(anchors[:7], choose_anchors(there[:7], PARTS, count=2, seed=3))
    assert not np.array_equal(anchors, choose_anchors(there, PARTS, count=2, seed=4))


def test_covered_by_hand() -> None:
    points = np.array([[[10.0, 10.0], [14.0, 10.0], [16.0, 10.0], [12.0, 40.0]]])
    centres = np.array([[[12.0, 12.0], [np.nan, np.nan]]])
    assert covered(points, centres, 6.0).tolist() == [[True, True, False, False]]
    assert not covered(points, centres[:, 1:], 60.0).any()


def test_a_patch_changes_its_own_pixels_alone(crops: PersonCrops) -> None:
    centres = np.full((3, 2, 2), np.nan)
    centres[0, 0], centres[1, 0] = (20.0, 30.0), (0.0, 95.0)  # one over a corner
    patched = OccludedCrops(crops, centres=centres, side=10.0)
    image = patched[0]["inputs"]
    changed = (image != crops[0]["inputs"]).any(dim=0)
    assert (image[:, 25:35, 15:25] == GREY).all() and len(patched) == 3
    changed[25:35, 15:25] = False
    assert not changed.any()
    assert (patched[1]["inputs"][:, 90:, :5] == GREY).all()
    assert torch.equal(patched[2]["inputs"], crops[2]["inputs"])
    assert "data_samples" in patched[0]


def test_a_piece_of_the_next_picture(crops: PersonCrops) -> None:
    centres = np.full((3, 1, 2), 32.0)
    patched = OccludedCrops(crops, centres=centres, side=8.0, fill="picture", seed=1)
    piece = patched[2]["inputs"][:, 28:36, 28:36]
    windows = crops[0]["inputs"].unfold(1, 8, 1).unfold(2, 8, 1)
    assert (windows == piece[:, None, None]).all(dim=(0, 3, 4)).any()
    assert torch.equal(piece, patched[2]["inputs"][:, 28:36, 28:36])


def test_refused(crops: PersonCrops, refused) -> None:
    with refused(UsageError, "3 people"):
        OccludedCrops(crops, centres=np.zeros((2, 1, 2)), side=3.0)
