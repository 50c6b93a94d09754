"""Pinhole cameras with lens distortion, as VideoPose3D writes them (specification of SEAL-pose, §8).

Screen coordinates: x from -1 to 1 across the picture's width, y with the same scale and 0 in the middle of its height.
Intrinsics are nine numbers in screen coordinates: focal lengths (x, y), centre (x, y), radial terms of r², r⁴ and r⁶,
tangential terms. Nine zeros stand for a camera that is not known.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from cape.errors import UsageError


def to_screen(pixels: Float[Tensor, "*B 2"], size: tuple[int, int]) -> Float[Tensor, "*B 2"]:
    """Pixels to screen coordinates, `x / w * 2 - [1, h / w]`.

    Args:
        pixels: x right, y down.
        size: Width and height of the picture, pixels.
    """
    width, height = size
    return pixels * (2 / width) - pixels.new_tensor([1, height / width])


def to_pixels(points: Float[Tensor, "*B 2"], size: tuple[int, int]) -> Float[Tensor, "*B 2"]:
    """Screen coordinates to pixels; the inverse of `to_screen`."""
    width, height = size
    return (points + points.new_tensor([1, height / width])) * (width / 2)


def intrinsics(
    focal: Sequence[float],
    centre: Sequence[float],
    size: tuple[int, int],
    *,
    radial: Sequence[float] = (0.0, 0.0, 0.0),
    tangential: Sequence[float] = (0.0, 0.0),
) -> Float[Tensor, "9"]:
    """The nine numbers of a camera, double precision.

    Args:
        focal: Focal lengths in x and y, pixels.
        centre: Principal point, pixels.
        size: Width and height of the picture, pixels.
        radial: Factors of r², r⁴ and r⁶.
        tangential: Two factors in Human3.6M's order, which is not OpenCV's: the first goes with x.
    """
    principal = to_screen(torch.tensor(centre, dtype=torch.float64), size)
    lengths = torch.tensor(focal, dtype=torch.float64) * (2 / size[0])
    lens = torch.tensor([*radial, *tangential], dtype=torch.float64)
    return torch.cat([lengths, principal, lens])


def project(points: Float[Tensor, "*B J 3"], camera: Float[Tensor, "*B 9"]) -> Float[Tensor, "*B J 2"]:
    """Where a camera sees points, screen coordinates.

    Human3.6M's model (VideoPose3D's `project_to_2d`, without its clamp of x / z and y / z to [-1, 1]): with
    u = (x, y) / z and r² = |u|², it is `f * (u * (1 + k1 r² + k2 r⁴ + k3 r⁶ + p · u) + p r²) + c`. Points that are not
    in front of the camera give numbers without meaning.

    Args:
        points: Camera frame, any unit.
        camera: Intrinsics; its leading axes are those of the points.
    """
    camera = camera[..., None, :]
    u = points[..., :2] / points[..., 2:]
    square = (u**2).sum(dim=-1, keepdim=True)
    powers = torch.cat([square, square**2, square**3], dim=-1)
    lens, tangential = camera[..., 4:7], camera[..., 7:9]
    factor = 1 + (lens * powers).sum(dim=-1, keepdim=True) + (tangential * u).sum(dim=-1, keepdim=True)
    return camera[..., :2] * (u * factor + tangential * square) + camera[..., 2:4]


def to_camera(
    points: Float[Tensor, "*B 3"], rotation: Float[Tensor, "3 3"], translation: Float[Tensor, "3"]
) -> Float[Tensor, "*B 3"]:
    """World to camera: R x + t."""
    return points @ rotation.transpose(-1, -2) + translation


def to_world(
    points: Float[Tensor, "*B 3"], rotation: Float[Tensor, "3 3"], translation: Float[Tensor, "3"]
) -> Float[Tensor, "*B 3"]:
    """Camera to world; the inverse of `to_camera`."""
    return (points - translation) @ rotation


def quaternion_rotation(quaternion: Float[Tensor, "4"]) -> Float[Tensor, "3 3"]:
    """The rotation matrix of a quaternion (w, x, y, z), which is brought to length 1 before.

    VideoPose3D's `orientation` turns camera axes into the world's and its `translation` is where the camera stands:
    with R the transpose of this matrix, camera = R (world - translation).
    """
    w, x, y, z = (quaternion / quaternion.norm()).unbind()
    return torch.stack([
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)]),
        torch.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)]),
        torch.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]),
    ])  # fmt: skip


def mirrored(points: Float[Tensor, "*B J _"], order: Int64[Tensor, "J"]) -> Float[Tensor, "*B J _"]:
    """Points or poses in a mirror: x changes its sign and left joints change places with right ones.

    Args:
        points: Screen coordinates, or metres in the camera's frame.
        order: `Skeleton.mirror()`.
    """
    flipped = points[..., order, :]
    return torch.cat([-flipped[..., :1], flipped[..., 1:]], dim=-1)


def mirrored_camera(camera: Float[Tensor, "*B 9"]) -> Float[Tensor, "*B 9"]:
    """The camera that sees a mirrored person where the picture's mirror image shows it."""
    signs = camera.new_ones(9)
    signs[[2, 7]] = -1  # the centre's x, and the tangential term that goes with x
    return camera * signs


def reprojection_errors(
    hypotheses: Float[Tensor, "R *B J 3"],
    points: Float[Tensor, "*B J 2"],
    root: Float[Tensor, "*B 3"],
    camera: Float[Tensor, "*B 9"],
) -> Float[Tensor, "R *B"]:
    """Mean distance over the joints between where a hypothesis is seen and where the keypoints are, screen units.

    Args:
        hypotheses: Metres relative to the root joint; they are moved to `root` as they are.
        points: Screen coordinates that were lifted.
        root: Of the true root joint, metres from the camera. (SEAL-pose's A.4 takes it from the ground truth, too.)
        camera: Intrinsics.

    Raises:
        UsageError: A camera that is not known, or a root behind it.
    """
    if not bool((camera[..., :2] > 0).all() and (root[..., 2] > 0).all()):
        raise UsageError(
            "reprojection", expected="intrinsics and a root in front of the camera", got="zeros or a negative depth",
            fix="Take a data set that has cameras, or choose hypotheses by another measure.",
        )  # fmt: skip
    seen = project(hypotheses + root[..., None, :], camera.expand(*hypotheses.shape[:-2], 9))
    return (seen - points).norm(dim=-1).mean(dim=-1)


def choose_by_reprojection(
    hypotheses: Float[Tensor, "R *B J 3"],
    points: Float[Tensor, "*B J 2"],
    root: Float[Tensor, "*B 3"],
    camera: Float[Tensor, "*B 9"],
) -> tuple[Float[Tensor, "*B J 3"], Int64[Tensor, "*B"]]:
    """Of R hypotheses, each frame's with the least reprojection error (SEAL-pose §3.6; D3DP's P-Best).

    A hypothesis that is not finite is never chosen unless all are. Arguments and errors as `reprojection_errors`.

    Returns:
        The poses, and which hypothesis each is.
    """
    errors = reprojection_errors(hypotheses, points, root, camera)
    chosen = torch.where(errors.isfinite(), errors, torch.inf).argmin(dim=0)
    index = chosen[None, ..., None, None].expand(1, *hypotheses.shape[1:])
    return hypotheses.gather(0, index)[0], chosen
