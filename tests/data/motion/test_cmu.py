"""The CMU mini set: a made-up file, each fault, and the real one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cape.cameras import project
from cape.data.motion import CmuMotion
from cape.errors import AnnotationError, UsageError
from cape.evaluation.structure import limb_pairs, lse


@pytest.fixture
def cmu(tmp_path, people):
    def write(change=lambda arrays: None) -> Path:
        poses = 1000 * np.concatenate([people(frames=4, seed=1), people(frames=3, seed=2)])
        turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(2, 2, 3, 3)))
        shift = np.broadcast_to([0.0, 100, 5000], (2, 2, 3)).copy()
        matrix = np.broadcast_to([[1100.0, 0, 510], [0, 1100, 515], [0, 0, 1]], (2, 2, 3, 3)).copy()
        sequence = np.array([0] * 4 + [1] * 3, dtype=np.int16)
        camera = np.einsum("nvij,nkj->nvki", turn[sequence], poses) + shift[sequence][:, :, None]
        pixels = camera @ np.swapaxes(matrix[sequence], -1, -2)
        arrays = {
            "pose3d": poses, "pose2d": pixels[..., :2] / pixels[..., 2:], "seq": sequence,
            "seq_name": np.array(["07_01", "03_02"]), "seq_subject": np.array(["07", "03"]),
            "cam_R": turn, "cam_t": shift, "cam_K": matrix, "image_size": np.array([1024, 1024]),
        }  # fmt: skip
        change(arrays)
        np.savez(tmp_path / "cmu.npz", **arrays)
        return tmp_path / "cmu.npz"

    return write


def reprojected(data: CmuMotion) -> float:
    worst = 0.0
    for clip in data.clips:
        joints = torch.from_numpy(clip.joints + clip.root[:, None])
        seen = project(joints, torch.from_numpy(clip.camera).expand(len(joints), 9))
        worst = max(worst, float((seen - torch.from_numpy(clip.points)).abs().max()))
    return worst


def test_a_clip_for_each_sequence_and_camera(cmu) -> None:
    data = CmuMotion(path=cmu())
    assert [clip.name for clip in data.clips] == ["07 07_01 0", "07 07_01 1", "03 03_02 0", "03 03_02 1"]
    assert [len(clip.points) for clip in data.clips] == [4, 4, 3, 3]
    assert reprojected(data) < 1e-5
    chosen = CmuMotion(path=cmu(), subjects=["03"], cameras=[1])
    np.testing.assert_array_equal(chosen.clips[0].joints, data.clips[3].joints)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda arrays: arrays.update(cam_R=arrays["cam_R"][:, :1]), ("a camera for each view",)),
        (lambda arrays: arrays.pop("cam_K"), ("`cam_K`",)),
        (lambda arrays: arrays.update(seq=arrays["seq"][:3]), ("as many frames",)),
        (lambda arrays: arrays.update(seq=np.zeros(7, dtype=int)), ("empty sequence",)),
        (lambda arrays: arrays.update(pose3d=arrays["pose3d"][:, :16]), ("17 joints", "16")),
        (lambda arrays: arrays["pose3d"].__setitem__((2, 3), np.nan), ("finite",)),
        (lambda arrays: arrays["pose2d"].__setitem__((2, 1, 3), 1e9), ("half widths", "camera 1")),
        (lambda arrays: arrays.update(cam_t=np.empty((), dtype=object)), ("`cam_t`",)),
    ],
    ids=["cameras", "no matrices", "frames", "empty", "joints", "nan", "exploded", "objects"],
)
def test_faults(cmu, change, words, refused) -> None:
    with refused(AnnotationError, "cmu.npz", *words):
        CmuMotion(path=cmu(change))


def test_what_the_file_does_not_have(cmu, refused) -> None:
    with refused(UsageError, "09"):
        CmuMotion(path=cmu(), subjects=["09"])
    with refused(AnnotationError, "cameras below 2"):
        CmuMotion(path=cmu(), cameras=[2])


def test_the_real_file(shared_data: Path) -> None:
    data = CmuMotion(path=shared_data / "pose3d_mini" / "cmu17_test.npz")
    assert len(data.clips) == 16 * 4
    assert {clip.subject for clip in data.clips} == {"03", "07"}
    assert sum(len(clip.points) for clip in data.clips) == 4 * 2897
    assert reprojected(data) < 1e-4  # the file's pixels are rounded
    # CMU's solved skeletons are not symmetric: the ground truth has an LSE of its own
    symmetry = np.concatenate([lse(clip.joints, limb_pairs(data.skeleton)) for clip in data.clips[::4]])
    assert symmetry.mean() == pytest.approx(2.43, abs=0.05)
