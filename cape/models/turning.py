"""Turned support pictures: the same prompt as it would look if the object lay otherwise in the picture.

Features of convolutional networks change when a picture is turned, so the best match of a keypoint is often wrong where
query and support lie differently. A prompt is compiled once and asked often: it can be compiled for every turn, and a
query is then matched with the one that fits it (`affine.robust_fit`).

In a mirror image left and right change places: the left ear of a mirrored head shows what a right ear looks like.
Without known swap pairs a mirrored support may be wrong about every keypoint, and has to fit better to be believed.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from cape.models.affine import turns
from cape.structures import View


def turned_views(support: View, mirror: Int64[Tensor, "B K"], *, rotations: int) -> View:
    """Each support view turned about its centre and mirrored, R = 2 rotations S of them, those of a shot together.

    Args:
        support: B stacks of S views with pictures; the first turn of each is the view as it is.
        mirror: Which keypoint each becomes in a mirror image: itself, or its counterpart on the other side.
        rotations: Evenly spread over the circle.

    Returns:
        The views [B, R, ...]; what a turn brings into the frame is the mean colour, and keypoints that it takes out of
        it are not visible. `to_pixels` leads back to the original picture.
    """
    batch, shots = support.image.shape[:2]
    affine = turns(rotations, like=support.points)
    count, (height, width) = len(affine), support.image.shape[-2:]
    linear = affine[:, :, :2]

    # Pictures: where each cell of the turned one comes from
    theta = F.pad(linear.transpose(-1, -2), (0, 1)).repeat(batch * shots, 1, 1).to(support.image.dtype)
    image = support.image.flatten(0, 1).repeat_interleave(count, dim=0)
    grid = F.affine_grid(theta, list(image.shape), align_corners=False)
    image = F.grid_sample(image, grid, align_corners=False)

    # Points, about the middle of the pixels: crop coordinate i / size is the centre of pixel i
    middle = 0.5 - 0.5 / torch.tensor([width, height], dtype=affine.dtype, device=affine.device)
    mirrored = (torch.arange(count, device=affine.device) >= rotations)[:, None]
    keypoints = torch.arange(mirror.shape[1], device=mirror.device)
    source = torch.where(mirrored, mirror[:, None], keypoints)[:, None].expand(-1, shots, -1, -1)  # [B, S, 2R', K]
    points = support.points[:, :, None].expand(-1, -1, count, -1, -1)
    points = points.gather(-2, source[..., None].expand_as(points))
    points = (points - middle) @ linear.transpose(-1, -2) + middle
    visible = support.visible[:, :, None].expand(-1, -1, count, -1).gather(-1, source)
    visible = visible & ((points > 0) & (points < 1)).all(dim=-1)

    # Back to pixels of the original: undo the turn, then what led there before
    back = linear.transpose(-1, -2)
    before, shift = support.to_pixels[:, :, None].split([2, 1], dim=-1)
    to_pixels = torch.cat([before @ back, shift + before @ (middle - back @ middle)[..., None]], dim=-1)
    view = View(image.unflatten(0, (batch, shots, count)), points, visible, to_pixels)
    return View(*(field.flatten(1, 2) for field in view))


def doubts(
    mirror: Int64[Tensor, "B K"], *, rotations: int, tilt: float = 0.02, chirality: float = 0.08
) -> Float[Tensor, "B R"]:
    """How much better a turn must fit to be preferred, in units of cosine similarity.

    Args:
        mirror: As for `turned_views`.
        rotations: As for `turned_views`.
        tilt: Of an object upside down against one as the support shows it.
        chirality: Of a mirrored one where no keypoint has a counterpart.
    """
    angle = torch.arange(rotations, device=mirror.device) * 2 * torch.pi / rotations
    lying = tilt * (1 - angle.cos()) / 2
    unpaired = (mirror == torch.arange(mirror.shape[1], device=mirror.device)).all(dim=1, keepdim=True)
    plain = lying.expand(len(mirror), -1)
    return torch.cat([plain, plain + chirality * unpaired], dim=1)
