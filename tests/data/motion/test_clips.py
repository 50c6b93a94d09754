"""The checks that every recording passes: one clear error for each fault."""

import numpy as np
import pytest

from cape.data.motion.clips import Recording, check_recordings, chosen, entry
from cape.data.skeletons import read_skeleton
from cape.errors import AnnotationError, UsageError

SKELETON = read_skeleton("human36m")


def recording(joints: np.ndarray, *, pixels: np.ndarray | None = None, **more) -> Recording:
    seen = np.full((len(joints), 17, 2), 500.0) if pixels is None else pixels
    return Recording(
        where="file: S1", subject="S1", action="Walking", camera_name="0", pixels=seen, joints=joints,
        size=(1000, 1000), **more,
    )  # fmt: skip


def check(*recordings: Recording, **options):
    return check_recordings(recordings, SKELETON, (0,), where="file", **options)


@pytest.mark.parametrize("scale", [1, 1000], ids=["metres", "millimetres"])
def test_units_are_told_by_size(people, scale: float) -> None:
    poses = people() + np.array([1, 2, 4])
    clip = check(recording(scale * poses))[0]
    np.testing.assert_allclose(clip.joints, poses - poses[:, :1], atol=1e-6)
    np.testing.assert_allclose(clip.root, poses[:, 0], atol=1e-5)
    assert clip.points == pytest.approx(np.zeros((6, 17, 2)))
    assert clip.joints.dtype == clip.points.dtype == np.float32
    assert not clip.camera.any()
    assert clip.counted.all()
    assert clip.name == "S1 Walking 0"


def spoiled(people, frame: int, value: float) -> np.ndarray:
    poses = people()
    poses[frame, 3, 1] = value
    return poses


FAULTS = {
    "nan": (lambda people: [recording(spoiled(people, 2, np.nan))], ("finite", "frame 2")),
    "infinite": (lambda people: [recording(spoiled(people, 2, np.inf))], ("finite", "inf")),
    "far": (lambda people: [recording(spoiled(people, 4, 1.9))], ("1.5 m", "joint 3 in frame 4")),
    "neither": (lambda people: [recording(30 * people())], ("metres or millimetres", "of the size 2")),
    "zeros": (lambda people: [recording(people()), recording(np.zeros((6, 17, 3)))], ("size 0",)),
    "mixed clips": (lambda people: [recording(people()), recording(1000 * people())], ("both", "whole file")),
    "mixed frames": (
        lambda people: [recording(people() * np.where(np.arange(6) < 3, 1, 1000)[:, None, None])],
        ("both", "frame 3"),
    ),
    "joints": (lambda people: [recording(people(joints=16))], ("17 joints", "got 16")),
    "empty": (lambda people: [recording(np.zeros((0, 17, 3)))], ("empty sequence",)),
    "shape": (lambda people: [recording(people().reshape(6, 51))], ("[6, 51]",)),
    "objects": (lambda people: [recording(np.array([[None]]))], ("numbers", "object")),
    "shorter 2D": (lambda people: [recording(people(), pixels=np.zeros((5, 17, 2)))], ("5 and 6",)),
    "2D nan": (lambda people: [recording(people(), pixels=np.full((6, 17, 2), np.nan))], ("2D", "finite")),
    "2D joints": (lambda people: [recording(people(), pixels=np.zeros((6, 16, 2)))], ("2D", "17 joints")),
    "none": (lambda people: [], ("at least one sequence",)),
    "flags": (lambda people: [recording(people(), counted=np.ones(5))], ("6 flags",)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_one_clear_error(people, fault: str, refused) -> None:
    make, words = FAULTS[fault]
    with refused(AnnotationError, "file", *words):
        check(*make(people))


def exploded() -> np.ndarray:
    pixels = np.full((8, 17, 2), 500.0)
    pixels[[0, 3, 4], 5] = 1e6
    return pixels


def test_exploded_keypoints_are_refused_or_cut_out(people, refused) -> None:
    poses = people(frames=8)
    with refused(AnnotationError, "10 half widths", "3 frames"):
        check(recording(poses, pixels=exploded()))
    clips = check(recording(poses, pixels=exploded()), drop_exploded=True)
    assert [len(clip.points) for clip in clips] == [2, 3]
    np.testing.assert_allclose(clips[1].joints, (poses - poses[:, :1])[5:], atol=1e-6)
    with refused(AnnotationError, "near the picture"):
        check(recording(poses, pixels=np.full((8, 17, 2), 1e6)), drop_exploded=True)


def test_what_is_tolerated(people) -> None:
    """Longer 2D, a confidence, an axis of one, flags of another shape."""
    pixels = np.full((9, 17, 3), 500.0)
    clip = check(recording(people(), pixels=pixels, counted=np.array([[1, 1, 0, 1, 1, 1]])))[0]
    assert clip.points.shape == (6, 17, 2)
    assert clip.counted.tolist() == [True, True, False, True, True, True]
    assert check(recording(people()[:, None]))[0].joints.shape == (6, 17, 3)


def test_entries_and_subjects(refused) -> None:
    content = {"S1": {"a": 1}, "S2": {}}
    assert entry(content, "file", "S1", "a") == 1
    with refused(AnnotationError, "`b`"):
        entry(content, "file", "S1", "b")
    with refused(AnnotationError, "`c`", "int"):
        entry(content, "file", "S1", "a", "c")
    assert chosen(content, ["S2"], "file") == ["S2"]
    with refused(UsageError, "S9"):
        chosen(content, ["S9"], "file")
    with refused(AnnotationError, "by subject"):
        chosen(3, None, "file")
