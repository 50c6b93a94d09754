"""Cameras: a plain reference, round trips, mirrors, and hypotheses chosen by reprojection."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cape.cameras import (
    choose_by_reprojection,
    intrinsics,
    mirrored,
    mirrored_camera,
    project,
    quaternion_rotation,
    reprojection_errors,
    to_camera,
    to_pixels,
    to_screen,
    to_world,
)
from cape.errors import UsageError

SIZE = (1000, 1002)
LENS = {"radial": (-0.2, 0.24, -0.003), "tangential": (-0.0009, -0.0014)}
CAMERA = intrinsics((1145.0, 1143.0), (512.0, 515.0), SIZE, **LENS)
seeds = st.integers(0, 2**32 - 1)


def in_front(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed % 2**31)
    points = torch.randn(*shape, 3, generator=generator, dtype=torch.float64)
    return points + torch.tensor([0.0, 0.0, 6.0], dtype=torch.float64)


def official(point: np.ndarray) -> list[float]:
    """Human3.6M's model in pixels, written out."""
    x, y = point[0] / point[2], point[1] / point[2]
    square = x * x + y * y
    k, p = LENS["radial"], LENS["tangential"]
    factor = 1 + k[0] * square + k[1] * square**2 + k[2] * square**3 + p[0] * x + p[1] * y
    return [1145 * (x * factor + p[0] * square) + 512, 1143 * (y * factor + p[1] * square) + 515]


@given(seeds)
def test_projection_is_the_official_one_in_pixels(seed: int) -> None:
    """The specification's round trip: project, then compare in the convention of data_2d_h36m_gt."""
    points = in_front(seed, 4)
    expected = torch.tensor([official(point) for point in points.numpy()], dtype=torch.float64)
    seen = project(points, CAMERA)
    torch.testing.assert_close(seen, to_screen(expected, SIZE), atol=1e-12, rtol=0)
    torch.testing.assert_close(to_pixels(seen, SIZE), expected, atol=1e-9, rtol=0)
    single = project(points.float(), CAMERA.float())
    torch.testing.assert_close(single.double(), seen, atol=1e-5, rtol=0)


def test_screen_coordinates_are_video_poses() -> None:
    corners = torch.tensor([[0.0, 0], [1000, 1002], [500, 501]])
    torch.testing.assert_close(to_screen(corners, SIZE), torch.tensor([[-1.0, -1.002], [1.0, 1.002], [0.0, 0.0]]))


@given(seeds)
def test_world_and_camera_are_inverse(seed: int) -> None:
    points = in_front(seed, 5)
    generator = torch.Generator().manual_seed(seed % 2**31)
    turn = quaternion_rotation(torch.randn(4, generator=generator, dtype=torch.float64))
    shift = torch.randn(3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(turn @ turn.T, torch.eye(3, dtype=torch.float64))
    assert torch.linalg.det(turn) == pytest.approx(1)
    torch.testing.assert_close(to_world(to_camera(points, turn, shift), turn, shift), points)


def test_a_quarter_turn() -> None:
    turn = quaternion_rotation(torch.tensor([1.0, 0, 0, 1]))  # about z
    torch.testing.assert_close(turn @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), atol=1e-6, rtol=0)


@given(seeds)
def test_mirrors(seed: int) -> None:
    """The mirrored camera sees the mirrored person in the mirror image; twice is the identity."""
    points = in_front(seed, 2, 3)
    order = torch.tensor([0, 2, 1])
    camera = CAMERA.expand(2, 9)
    seen = project(mirrored(points, order), mirrored_camera(camera))
    torch.testing.assert_close(seen, mirrored(project(points, camera), order))
    assert torch.equal(mirrored(mirrored(points, order), order), points)
    assert torch.equal(mirrored_camera(mirrored_camera(CAMERA)), CAMERA)


def test_real_frames_with_the_distortion_of_their_lenses(shared_data: Path) -> None:
    """Human3.6M's sample frames: 2.5 px without the lens' terms, 0.1 px with them."""
    content = json.loads((shared_data / "pose3d_mini" / "h36m_sample.json").read_text())
    samples, cameras = content["samples"], content["cameras"]
    for camera, pose, seen in zip(cameras.values(), samples["S"], samples["part"], strict=True):
        focal, centre, radial, tangential = (np.ravel(camera[key]).tolist() for key in "fckp")
        size = (camera["w"], camera["h"])
        lens = intrinsics(focal, centre, size, radial=radial, tangential=tangential[::-1])  # mmpose's order is OpenCV's
        pixels = to_pixels(project(torch.tensor(pose, dtype=torch.float64)[:, :3], lens), size)
        assert (pixels - torch.tensor(seen, dtype=torch.float64)[:, :2]).abs().max() < 0.1


def test_the_hypothesis_with_the_least_reprojection_error() -> None:
    true = in_front(0, 2, 7, 5)
    root = true[:, :, 0]
    camera = CAMERA.expand(2, 7, 9)
    points = project(true, camera)
    relative = true - root[:, :, None]
    noise = 0.1 * torch.randn(3, *relative.shape, dtype=torch.float64)
    noise[2] = 0
    noise[0, 0, 0] = 0
    noise[2, 0, 0] = torch.nan
    chosen, which = choose_by_reprojection(relative + noise, points, root, camera)
    assert which.flatten().tolist() == [0] + [2] * 13
    torch.testing.assert_close(chosen, relative)
    errors = reprojection_errors(relative + noise, points, root, camera)
    assert errors.shape == (3, 2, 7)
    assert errors[1, 1, 1] > 1e-3


@pytest.mark.parametrize("what", ["camera", "root"])
def test_unknown_cameras_and_roots_are_refused(what: str, refused) -> None:
    pose = torch.zeros(1, 2, 3, 3)
    root, camera = torch.ones(2, 3), CAMERA.float().expand(2, 9).clone()
    (camera if what == "camera" else root)[1] = 0
    with refused(UsageError, "reprojection"):
        choose_by_reprojection(pose, torch.zeros(2, 3, 2), root, camera)
