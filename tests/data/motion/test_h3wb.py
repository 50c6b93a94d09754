"""H3WB's two forms."""

import json

import numpy as np
import pytest
import torch

from cape.cameras import project
from cape.data.motion import H3WB, H3WBJson
from cape.errors import AnnotationError

CAMERAS = ("54138969", "55011271", "58860488", "60457274")
K = np.array([[1145.0, 0, 512], [0, 1143, 515], [0, 0, 1]])
AWAY = np.array([0.1, 0.2, 4.0])


@pytest.fixture
def files(tmp_path, people):
    def write(change=lambda data, metadata: None):
        poses = people(joints=133, frames=3) + AWAY
        pixels = poses[..., :2] / poses[..., 2:] * [1145, 1143] + [512, 515]
        view = {"camera_3d": 1000 * poses[:, None], "pose_2d": pixels}
        data = {"S1": {"Eating": {"global_3d": poses, "frame_id": np.arange(3), **dict.fromkeys(CAMERAS, view)}}}
        lens = {"K": K, "R": np.eye(3), "T": np.zeros(3), "Distortion": np.zeros((1, 5))}
        metadata = {"S1": dict.fromkeys(CAMERAS, lens), "left_side": [1, 3]}
        change(data, metadata)
        np.savez(tmp_path / "h3wb_train.npz", train_data=data, metadata=metadata)
        np.savez(tmp_path / "task1_test_3d.npz", data=data)
        return tmp_path

    return write


def test_npz(files) -> None:
    folder = files()
    data = H3WB(path=folder / "h3wb_train.npz", allow_pickle=True)
    assert [clip.name for clip in data.clips] == [f"S1 Eating {camera}" for camera in CAMERAS]
    clip = data.clips[0]
    assert np.abs(clip.joints[:, [11, 12]].mean(axis=1)).max() < 1e-6
    joints = torch.from_numpy(clip.joints + clip.root[:, None])
    seen = project(joints, torch.from_numpy(clip.camera).expand(3, 9))
    torch.testing.assert_close(seen, torch.from_numpy(clip.points), atol=1e-5, rtol=0)


def test_the_test_file_has_no_cameras_of_its_own(files) -> None:
    folder = files()
    alone = H3WB(path=folder / "task1_test_3d.npz", allow_pickle=True)
    joined = H3WB(path=folder / "task1_test_3d.npz", metadata=folder / "h3wb_train.npz", allow_pickle=True)
    assert not alone.clips[0].camera.any()
    assert joined.clips[0].camera[0] == pytest.approx(2.29)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data, metadata: data["S1"]["Eating"].pop(CAMERAS[2]), (f"`{CAMERAS[2]}`",)),
        (lambda data, metadata: metadata.pop("S1"), ("`S1`",)),
        (lambda data, metadata: metadata["S1"].update({CAMERAS[0]: {"K": np.eye(2)}}), ("3 x 3",)),
    ],
    ids=["view", "metadata", "matrix"],
)
def test_missing_cameras(files, change, words, refused) -> None:
    with refused(AnnotationError, *words):
        H3WB(path=files(change) / "h3wb_train.npz", allow_pickle=True)


def records(people) -> dict:
    poses = 1000 * (people(joints=133, frames=2) + AWAY)
    return {
        str(7 * row): {
            "image_path": "x.jpg",
            "keypoints_2d": {str(j): {"x": 500.0 + j, "y": 400.0} for j in range(133)},
            "keypoints_3d": {str(j): dict(zip("xyz", pose[j].tolist(), strict=True)) for j in range(133)},
        }
        for row, pose in enumerate(poses)
    }


def test_json(people, tmp_path, refused) -> None:
    content = records(people)
    path = tmp_path / "2Dto3D_train.json"
    path.write_text(json.dumps(content))
    data = H3WBJson(path=path)
    assert not data.sequential
    assert data.clips[0].points[1, 50].tolist() == pytest.approx([0.1, -0.2])
    poses = people(joints=133, frames=2)
    np.testing.assert_allclose(data.clips[0].joints, poses - poses[:, [11, 12]].mean(axis=1, keepdims=True), atol=1e-6)
    del content["7"]["keypoints_3d"]["132"]
    path.write_text(json.dumps(content))
    with refused(AnnotationError, "133 joints", "got 132"):
        H3WBJson(path=path)
    content["7"]["keypoints_3d"]["133"] = {"x": 0, "y": 0, "z": 0}
    path.write_text(json.dumps(content))
    with refused(AnnotationError, "`132`"):
        H3WBJson(path=path)
    for broken in ("[]", "{", "3"):
        path.write_text(broken)
        with refused(AnnotationError, "2Dto3D_train"):
            H3WBJson(path=path)
