"""Other bones and other cameras: what changes, what stays, and what cannot be."""

from pathlib import Path

import numpy as np
import pytest
import torch
from motion_files import write_motion

from cape.cameras import project
from cape.data.lifting import LiftingData
from cape.data.motion import CmuMotion, Reprojected
from cape.errors import DataError, UsageError
from cape.evaluation.structure import limb_pairs


@pytest.fixture
def motion(tmp_path: Path) -> CmuMotion:
    write_motion(tmp_path / "motion.npz")
    return CmuMotion(path=tmp_path / "motion.npz")


def bones(clip, edges) -> np.ndarray:
    return clip.joints[:, [a for a, _ in edges]] - clip.joints[:, [b for _, b in edges]]


def test_no_change_is_none(motion: CmuMotion) -> None:
    for one, other in zip(Reprojected(source=motion).clips, motion.clips, strict=True):
        np.testing.assert_allclose(one.joints, other.joints, atol=1e-6)
        np.testing.assert_allclose(one.root, other.root, atol=1e-5)
        np.testing.assert_allclose(one.points, other.points, atol=1e-4)
        assert one.name == other.name


def test_2d_is_what_the_camera_sees(motion: CmuMotion) -> None:
    changed = Reprojected(source=motion, bones=0.1, size=0.1, turn=90.0, tilt=10.0, distance=0.2, seed=3)
    for clip in changed.clips:
        camera = torch.from_numpy(clip.camera).expand(len(clip.joints), 9)
        seen = project(torch.from_numpy(clip.joints + clip.root[:, None]), camera)
        np.testing.assert_allclose(seen.numpy(), clip.points, atol=1e-4)
        np.testing.assert_allclose(clip.joints[:, 0], 0, atol=1e-6)
    assert len(LiftingData(source=changed)) == len(LiftingData(source=motion))


def test_bones_keep_length_and_direction_and_sides_are_equal(motion: CmuMotion) -> None:
    edges = motion.skeleton.edges
    pairs = [(edges.index(one), edges.index(other)) for one, other in limb_pairs(motion.skeleton)]
    found = Reprojected(source=motion, bones=0.2, seed=1)
    for one, other in zip(found.clips, motion.clips, strict=True):
        new, old = bones(one, edges), bones(other, edges)
        ratio = np.linalg.norm(new, axis=-1) / np.linalg.norm(old, axis=-1)
        np.testing.assert_allclose(ratio, ratio[:1].repeat(len(ratio), axis=0), rtol=1e-4)
        np.testing.assert_allclose(new / ratio[..., None], old, atol=1e-5)
        assert ratio[0].std() > 0.02
        for left, right in pairs:
            assert ratio[0, left] == pytest.approx(ratio[0, right], rel=1e-4)


def test_a_turned_camera_changes_no_distance(motion: CmuMotion) -> None:
    found = Reprojected(source=motion, turn=180.0, tilt=20.0, distance=0.3, seed=2)
    for one, other in zip(found.clips, motion.clips, strict=True):
        lengths = [np.linalg.norm(each.joints[:, :, None] - each.joints[:, None], axis=-1) for each in (one, other)]
        np.testing.assert_allclose(*lengths, atol=1e-5)
        assert np.abs(one.joints - other.joints).max() > 0.05


def test_copies_differ_and_seeds_repeat(motion: CmuMotion) -> None:
    one, again, other = (Reprojected(source=motion, bones=0.1, copies=2, seed=seed) for seed in (1, 1, 2))
    count = len(motion.clips)
    assert len(one.clips) == 2 * count and one.clips[0].name == one.clips[count].name
    assert not np.array_equal(one.clips[0].joints, one.clips[count].joints)
    for a, b, c in zip(one.clips, again.clips, other.clips, strict=True):
        assert np.array_equal(a.points, b.points) and not np.array_equal(a.points, c.points)


def test_refused(motion: CmuMotion, refused) -> None:
    with refused(UsageError, "Reprojected", "-0.1"):
        Reprojected(source=motion, bones=-0.1)
    with refused(UsageError, "copies"):
        Reprojected(source=motion, copies=0)
    near = [clip._replace(root=clip.root * 0.01) for clip in motion.clips]
    motion.clips = near
    with refused(DataError, "front of the camera"):
        Reprojected(source=motion)
    motion.clips = [clip._replace(camera=0 * clip.camera) for clip in near]
    with refused(UsageError, "camera"):
        Reprojected(source=motion)
