"""Human3.6M in VideoPose3D's schema."""

import numpy as np
import pytest
import torch

from cape.cameras import project
from cape.data.motion import Human36M
from cape.errors import AnnotationError, UsageError


def test_clips_are_what_the_cameras_saw(human36m) -> None:
    """3D goes through the world-to-camera map and the lens, and must come out where 2D is."""
    content = human36m()
    data = Human36M(**content.options)
    assert [clip.name for clip in data.clips] == [
        "S1 Walking 1 a", "S1 Walking 1 b", "S1 Eating a", "S1 Eating b", "S11 Directions 1 a", "S11 Directions 1 b",
    ]  # fmt: skip
    clip = data.clips[0]
    joints = torch.from_numpy(clip.joints + clip.root[:, None])
    seen = project(joints, torch.from_numpy(clip.camera).expand(len(joints), 9))
    torch.testing.assert_close(seen, torch.from_numpy(clip.points), atol=1e-5, rtol=0)
    world = content.world["S1"]["Walking 1"]
    lengths = [np.linalg.norm(each[:, 3] - each[:, 12], axis=-1) for each in (clip.joints, world)]
    np.testing.assert_allclose(*lengths, atol=1e-5)
    assert len(data.skeleton) == 17
    assert data.sequential
    tall, square = data.clips[0].points, data.clips[1].points
    np.testing.assert_allclose(tall[..., 1] - square[..., 1], -0.002, atol=1e-6)


def test_sixteen_joints_every_frame_and_subjects(human36m) -> None:
    content = human36m()
    whole = Human36M(**content.options, subjects=["S11"])
    data = Human36M(**content.options, subjects=["S11"], joints=16, every=4)
    kept = [joint for joint in range(17) if joint != 9]
    assert {clip.subject for clip in data.clips} == {"S11"}
    np.testing.assert_array_equal(data.clips[0].joints, whole.clips[0].joints[::4, kept])
    np.testing.assert_array_equal(data.clips[0].points, whole.clips[0].points[::4, kept])
    with pytest.raises(UsageError, match="S5"):
        Human36M(**content.options, subjects=["S5"])


def test_millimetres_and_longer_detections(human36m) -> None:
    def change(content) -> None:
        content.world = {s: {a: 1000 * poses for a, poses in each.items()} for s, each in content.world.items()}
        content.seen["S1"]["Eating"] = [np.concatenate([each, each]) for each in content.seen["S1"]["Eating"]]

    metres, millimetres = human36m(), None
    expected = Human36M(**metres.options).clips
    millimetres = Human36M(**human36m(change).options).clips
    for one, other in zip(expected, millimetres, strict=True):
        np.testing.assert_allclose(one.joints, other.joints, atol=1e-4)
        np.testing.assert_allclose(one.root, other.root, atol=1e-3)


FAULTS = {
    "subject without cameras": (lambda content: content.cameras["extrinsic"].pop("S1"), ("2 cameras of S1", "got 0")),
    "one camera": (lambda content: content.cameras["intrinsic"].pop(), ("2 cameras of S1", "got 1")),
    "half a camera": (lambda content: content.cameras["extrinsic"].update(S1=[{}, {}]), ("2 cameras of S1",)),
    "no table": (lambda content: content.cameras.pop("intrinsic"), ("`intrinsic`",)),
    "no 2D": (lambda content: content.seen["S1"].pop("Eating"), ("`Eating`",)),
    "empty": (lambda content: content.world["S1"].update(Eating=np.zeros((0, 17, 3))), ("empty sequence",)),
    "2D of other joints": (lambda content: content.seen["S1"].update(Eating=[np.zeros((3, 16, 2))] * 2), ("17, 2",)),
    "nan": (lambda content: content.world["S1"]["Eating"].__setitem__((1, 2), np.nan), ("finite", "frame 1")),
    "exploded": (lambda content: content.seen["S1"]["Eating"][0].__setitem__((1, 2), 1e7), ("half widths",)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults(human36m, fault: str, refused) -> None:
    change, words = FAULTS[fault]
    content = human36m(change)
    with refused(AnnotationError, *words):
        Human36M(**content.options)


def test_files_that_are_others(human36m, tmp_path, refused) -> None:
    content = human36m()
    with refused(AnnotationError, "allow_pickle"):
        Human36M(**{**content.options, "allow_pickle": False})
    with refused(AnnotationError, "positions_3d"):
        Human36M(**{**content.options, "poses": content.options["keypoints"]})
    (tmp_path / "broken.json").write_text("{")
    with refused(AnnotationError, "broken.json", "cameras as JSON"):
        Human36M(**{**content.options, "cameras": tmp_path / "broken.json"})
    np.savez(tmp_path / "few.npz", positions_3d={"S1": {"Eating": np.zeros((2, 5, 3))}})
    with refused(AnnotationError, "[T, 32, 3]"):
        Human36M(**{**content.options, "poses": tmp_path / "few.npz"})
