"""Turned views: pictures, points and the way back turn together, and sides change places in a mirror."""

import pytest
import torch

from cape.models.turning import doubts, turned_views
from cape.structures import View

SIZE = 64


def dotted(pixels: list[tuple[int, int]]) -> View:
    """A picture with a bright dot of another colour at each keypoint, cut out of a larger one."""
    image = torch.zeros(1, 1, 3, SIZE, SIZE)
    for channel, (x, y) in enumerate(pixels):
        image[..., channel, y - 1 : y + 2, x - 1 : x + 2] = torch.tensor(
            [[0.3, 0.6, 0.3], [0.6, 1, 0.6], [0.3, 0.6, 0.3]]
        )
    points = torch.tensor(pixels, dtype=torch.float32)[None, None] / SIZE
    to_pixels = torch.tensor([[200.0, 30.0, 5.0], [-10.0, 150.0, 7.0]])[None, None]
    return View(image, points, torch.ones(1, 1, len(pixels), dtype=torch.bool), to_pixels)


def mapped(points: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    return points @ matrix[..., :2].transpose(-1, -2) + matrix[..., 2][..., None, :]


@pytest.mark.parametrize("rotations", [1, 4, 8])
def test_the_first_turn_is_the_view_itself(rotations: int) -> None:
    view = dotted([(20, 40), (45, 18), (30, 50)])
    turned = turned_views(view, torch.arange(3)[None], rotations=rotations)
    assert turned.image.shape[1] == 2 * rotations
    for field, other in zip(turned, view, strict=True):
        torch.testing.assert_close(field[:, 0].to(other.dtype), other[:, 0], atol=1e-5, rtol=0)


def test_each_keypoint_stays_on_its_dot() -> None:
    """Without counterparts; in a mirror image, too."""
    view = dotted([(24, 40), (40, 22), (30, 44)])
    turned = turned_views(view, torch.arange(3)[None], rotations=8)
    for image, points in zip(turned.image[0], turned.points[0], strict=True):
        for channel, point in enumerate(points):
            y, x = divmod(int(image[channel].argmax()), SIZE)
            assert (torch.tensor([x, y]) / SIZE - point).abs().max() < 0.9 / SIZE


def test_sides_change_places_in_a_mirror() -> None:
    view = dotted([(24, 40), (40, 22), (30, 44)])
    plain, swapped = (turned_views(view, torch.tensor([order]), rotations=4) for order in ([0, 1, 2], [1, 0, 2]))
    torch.testing.assert_close(swapped.points[:, :4], plain.points[:, :4])
    torch.testing.assert_close(swapped.points[:, 4:], plain.points[:, 4:][:, :, [1, 0, 2]])
    torch.testing.assert_close(swapped.image, plain.image)
    hidden = view._replace(visible=torch.tensor([[[True, False, True]]]))
    swapped = turned_views(hidden, torch.tensor([[1, 0, 2]]), rotations=4)
    assert swapped.visible[0, :4].tolist() == [[True, False, True]] * 4
    assert swapped.visible[0, 4:].tolist() == [[False, True, True]] * 4


def test_the_way_back_leads_to_the_original_picture() -> None:
    view = dotted([(24, 40), (40, 22)])
    turned = turned_views(view, torch.arange(2)[None], rotations=8)
    expected = mapped(view.points, view.to_pixels).expand(-1, 16, -1, -1)
    torch.testing.assert_close(mapped(turned.points, turned.to_pixels), expected, atol=1e-3, rtol=0)


def test_what_leaves_the_frame_is_not_visible() -> None:
    view = dotted([(2, 2), (32, 32)])
    turned = turned_views(view, torch.arange(2)[None], rotations=8)
    assert turned.visible[0, :, 0].tolist() == [True, False] * 8  # a corner leaves at each turn by 45 degrees
    assert turned.visible[0, :, 1].all()


def test_shots_are_turned_one_by_one() -> None:
    one, other = dotted([(24, 40), (40, 22)]), dotted([(10, 33), (50, 50)])
    both = View(*(torch.cat(pair, dim=1) for pair in zip(one, other, strict=True)))
    together = turned_views(both, torch.tensor([[1, 0]]), rotations=4)
    alone = [turned_views(each, torch.tensor([[1, 0]]), rotations=4) for each in (one, other)]
    for field, pair in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(field, torch.cat(pair, dim=1))


def test_doubts() -> None:
    mirror = torch.tensor([[0, 1, 2], [1, 0, 2]])
    found = doubts(mirror, rotations=4, tilt=0.2, chirality=1.0)
    lying = torch.tensor([0.0, 0.1, 0.2, 0.1])
    torch.testing.assert_close(found, torch.stack([torch.cat([lying, lying + 1]), torch.cat([lying, lying])]))
