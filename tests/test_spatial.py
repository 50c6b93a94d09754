"""A lifter out of a file at work on tracks: what it says, and how sequences reach it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lifter_files import CRITIC, SEQUENCE, write_lifter, write_poses
from networks import BODY, write_model

from cape.data.skeletons import read_skeleton
from cape.errors import DataError
from cape.formats import read
from cape.spatial import SpatialModel
from cape.tracks import Track, make_tracks


def tracks(tmp_path: Path, frames: int = 5) -> list[Track]:
    labels = read(write_poses(tmp_path / f"{frames}.json", frames=frames), "coco")
    return make_tracks(labels, read_skeleton("cmu17")).tracks


def test_frames_of_their_own(tmp_path: Path) -> None:
    """A lifter of single frames says the same of a frame wherever it stands; so does its loss-net."""
    model = SpatialModel.load(write_lifter(tmp_path / "x.safetensors"), device="cpu")
    people = tracks(tmp_path)
    found = model.lift(people)
    assert [each.joints.shape for each in found] == [(5, 17, 3), (1, 17, 3)]
    assert model.judges and model.frames == 1 and len(model.skeleton) == 17
    for person, each in zip(people, found, strict=True):
        for frame in range(len(person.points)):
            points = torch.from_numpy(person.points[frame]).float()[None, None]
            (alone,) = model.model.predict(points)
            np.testing.assert_allclose(each.joints[frame], alone.joints[0].numpy(), atol=1e-6)
            assert each.energy[frame] == pytest.approx(float(alone.energy[0]), abs=1e-5)
    assert model.lift([]) == []


@pytest.mark.parametrize("frames", [1, 4, 9, 20])
def test_sequences_shorter_than_the_receptive_field_repeat_their_ends(tmp_path: Path, frames: int) -> None:
    path = write_lifter(tmp_path / "x.safetensors", lifter=SEQUENCE, critic=None)
    model = SpatialModel.load(path, device="cpu")
    assert model.frames == 9 and not model.judges
    person = tracks(tmp_path, frames)[0]
    (found,) = model.lift([person])
    assert found.joints.shape == (frames, 17, 3) and np.isnan(found.energy).all()
    reach = model.frames // 2
    longer = person._replace(points=np.pad(person.points, ((reach, reach), (0, 0), (0, 0)), mode="edge"))
    np.testing.assert_allclose(model.lift([longer])[0].joints[reach:-reach], found.joints, atol=1e-5)


def test_a_loss_net_that_sees_residuals_judges_nothing(tmp_path: Path) -> None:
    path = write_lifter(tmp_path / "x.safetensors", critic={**CRITIC, "sees": "residual"})
    model = SpatialModel.load(path, device="cpu")
    assert not model.judges and np.isnan(model.lift(tracks(tmp_path))[0].energy).all()


def test_what_is_no_lifter(tmp_path: Path, refused) -> None:
    with refused(DataError, "a lifter", "no such file"):
        SpatialModel.load(tmp_path / "x.safetensors")
    with refused(DataError, "a lifter", "WholeBodyPose"):
        SpatialModel.load(write_model(tmp_path / "body.safetensors", BODY), device="cpu")


def test_weights_that_give_no_number(tmp_path: Path, refused) -> None:
    model = SpatialModel.load(write_lifter(tmp_path / "x.safetensors"), device="cpu")
    with torch.no_grad():
        model.model.lifter.last.bias.fill_(float("nan"))
    with refused(DataError, "x.safetensors: v.mp4", "finite poses"):
        model.lift(tracks(tmp_path))
