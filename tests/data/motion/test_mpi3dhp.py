"""MPI-INF-3DHP in P-STMO's schema and in that of SEAL-pose's authors."""

import numpy as np
import pytest

from cape.data.motion import Mpi3DHP, Mpi3DHPLab
from cape.errors import AnnotationError, UsageError

AWAY = np.array([0.2, -0.1, 3.5])


@pytest.fixture
def train(tmp_path, people):
    def write(change=lambda data: None):
        pixels = np.full((6, 17, 2), 1024.0)
        views = {
            str(camera): {"data_2d": pixels.copy(), "data_3d": 1000 * (people(seed=camera) + AWAY)} for camera in (0, 4)
        }
        data = {"S1 Seq1": [views], "S2 Seq2": [views]}
        change(data)
        np.savez(tmp_path / "data_train_3dhp.npz", data=data)
        return {"path": tmp_path / "data_train_3dhp.npz", "allow_pickle": True}

    return write


def test_training_file_of_p_stmo(train, people) -> None:
    data = Mpi3DHP(**train())
    assert [clip.name for clip in data.clips] == ["S1 Seq1 0", "S1 Seq1 4", "S2 Seq2 0", "S2 Seq2 4"]
    poses = people(seed=4)
    clip = data.clips[1]
    np.testing.assert_allclose(clip.joints, poses - poses[:, 14:15], atol=1e-6)
    np.testing.assert_allclose(clip.root, poses[:, 14] + AWAY, atol=1e-5)
    assert not clip.points.any(), "the middle of 2048 x 2048"
    assert [clip.subject for clip in Mpi3DHP(**train(), subjects=["S2"]).clips] == ["S2", "S2"]
    with pytest.raises(UsageError, match="TS1"):
        Mpi3DHP(**train(), subjects=["TS1"])


def test_test_file_of_p_stmo(tmp_path, people) -> None:
    record = {"data_2d": np.full((6, 17, 2), 960.0), "data_3d": 1000 * people(), "valid": np.array([1, 1, 0, 1, 1, 0])}
    np.savez(tmp_path / "data_test_3dhp.npz", data={"TS1": record, "TS5": record})
    square, wide = Mpi3DHP(path=tmp_path / "data_test_3dhp.npz", allow_pickle=True).clips
    assert square.counted.tolist() == [True, True, False, True, True, False]
    assert square.points[0, 0].tolist() == pytest.approx([-0.0625, -0.0625])
    assert wide.points[0, 0].tolist() == pytest.approx([0, 1 - 1080 / 1920])
    assert wide.name.strip() == "TS5 Test"


def test_exploded_frames_of_p_stmo(train, refused) -> None:
    def explode(data) -> None:
        data["S1 Seq1"][0]["0"]["data_2d"][2, 3] = 1e7

    assert [len(clip.points) for clip in Mpi3DHP(**train(explode)).clips] == [2, 3, 6, 2, 3, 6]
    with refused(AnnotationError, "S1 Seq1 camera 0", "half widths"):
        Mpi3DHP(**train(explode), drop_exploded=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.update({"S1 Seq1": 3}), ("table of cameras",)),
        (lambda data: data["S1 Seq1"][0]["0"].pop("data_3d"), ("`data_3d`",)),
        (lambda data: data["S1 Seq1"][0].update({"0": {"data_2d": np.zeros((6, 17, 2)), "data_3d": []}}), ("3D",)),
        (lambda data: data["S1 Seq1"][0]["4"].update(data_3d=np.ones((6, 28, 3))), ("17 joints", "28")),
        (lambda data: data["S2 Seq2"][0]["4"].update(data_3d=data["S2 Seq2"][0]["4"]["data_3d"] / 1000), ("both",)),
        (lambda data: data.clear(), ("at least one sequence",)),
    ],
    ids=["no cameras", "no 3D", "empty", "28 joints", "mixed units", "nothing"],
)
def test_faults_of_p_stmo(train, change, words, refused) -> None:
    with refused(AnnotationError, *words):
        Mpi3DHP(**train(change))


@pytest.fixture
def lab(tmp_path, people):
    def write(change=lambda poses, pixels: None):
        stored = people() + AWAY
        stored[:, 1:] -= stored[:, :1]  # what the authors' script does
        poses, pixels = {"S1": {"Seq1": [stored, stored]}}, {"S1": {"Seq1": [np.full((6, 17, 2), 1024.0)] * 2}}
        change(poses, pixels)
        np.savez(tmp_path / "data_3d_mpi_inf_3dhp.npz", positions_3d=poses)
        np.savez(tmp_path / "data_2d_mpi_inf_3dhp_gt.npz", positions_2d=pixels)
        return {
            "poses": tmp_path / "data_3d_mpi_inf_3dhp.npz", "keypoints": tmp_path / "data_2d_mpi_inf_3dhp_gt.npz",
            "allow_pickle": True,
        }  # fmt: skip

    return write


def test_the_labs_head_top_is_put_back(lab, people) -> None:
    """Its place in the room, metres away, must not be a joint's."""
    data = Mpi3DHPLab(**lab())
    poses = people()
    assert [clip.name for clip in data.clips] == ["S1 Seq1 0", "S1 Seq1 1"]
    np.testing.assert_allclose(data.clips[0].joints, poses - poses[:, 14:15], atol=1e-6)
    np.testing.assert_allclose(data.clips[0].root, poses[:, 14] + AWAY, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda poses, pixels: pixels["S1"]["Seq1"].pop(), ("2 cameras in 2D", "got 1")),
        (lambda poses, pixels: pixels["S1"].pop("Seq1"), ("`Seq1`",)),
        (lambda poses, pixels: poses["S1"].update(Seq1=["x", "y"]), ("3D", "numbers")),
    ],
    ids=["camera", "sequence", "text"],
)
def test_faults_of_the_lab(lab, change, words, refused) -> None:
    with refused(AnnotationError, *words):
        Mpi3DHPLab(**lab(change))
