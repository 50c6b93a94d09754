"""`cape.data.transforms`: maps and their inverses, flips, and pictures that agree with the points on them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cape.data.transforms import (
    Augmentation,
    Square,
    apply,
    crop_matrix,
    crop_square,
    flip,
    from_crop,
    invert,
    make_view,
    normalise,
    to_crop,
    warp,
)
from cape.structures import IMAGENET_MEAN, IMAGENET_STD

SIZE = 256
ALL = Augmentation(scale=0.3, rotation=90.0, rotation_probability=0.8, flip=0.5, colour=0.2)

side = st.floats(4, 4000)
boxes = st.builds(lambda *values: np.array([values]), st.floats(0, 4000), st.floats(0, 4000), side, side)
squares = st.builds(Square, st.floats(0, 4000), st.floats(0, 4000), st.floats(5, 5000), st.floats(-180, 180))
seeds = st.integers(0, 2**32 - 1)
mirrors = st.sampled_from([np.array([0, 1, 2]), np.array([1, 0, 2]), np.array([2, 1, 0])])


def points_near(square, seed, count=3):
    """Keypoints in and around a crop: at most one side away from its centre."""
    offset = np.random.default_rng(seed).uniform(-1, 1, (count, 2)) * square.side
    return np.array([square.x, square.y]) + offset


@given(boxes, seeds)
def test_crop_and_inverse(box, seed):
    points = points_near(crop_square(box[0]), seed)[None]
    assert np.abs(from_crop(to_crop(points, box), box) - points).max() < 0.01
    assert np.abs(to_crop(from_crop(points / 1000, box), box) - points / 1000).max() < 1e-6


@given(squares, seeds)
def test_crop_matrix_and_inverse_with_rotation(square, seed):
    points = points_near(square, seed)
    matrix = crop_matrix(square)
    assert np.abs(apply(invert(matrix), apply(matrix, points)) - points).max() < 0.01


@given(boxes, seeds)
def test_both_ways_into_the_crop_agree(box, seed):
    points = points_near(crop_square(box[0]), seed)
    np.testing.assert_allclose(
        apply(crop_matrix(crop_square(box[0])), points), to_crop(points[None], box)[0], atol=1e-9
    )


@given(boxes)
def test_official_crop_is_a_quarter_longer_than_the_longest_side(box):
    x, y, width, height = box[0]
    square = crop_square(box[0])
    assert square.side == pytest.approx(1.25 * max(width, height))
    assert (square.x, square.y, square.rotation) == (pytest.approx(x + width / 2), pytest.approx(y + height / 2), 0)
    long, corner = max(width, height), np.array([[[x, y], [x + width, y + height]]])
    expected = [
        [0.5 - 0.4 * width / long, 0.5 - 0.4 * height / long],
        [0.5 + 0.4 * width / long, 0.5 + 0.4 * height / long],
    ]
    np.testing.assert_allclose(to_crop(corner, box)[0], expected, atol=1e-6)


def test_positive_rotation_turns_the_content_against_the_clock():
    right_of_centre = np.array([[60.0, 50.0]])
    turned = apply(crop_matrix(Square(50, 50, 40, rotation=90)), right_of_centre)
    np.testing.assert_allclose(turned, [[0.5, 0.25]], atol=1e-12)  # above it: y points down


@given(squares, seeds, mirrors, st.booleans())
def test_view_leads_back_to_the_pixels_of_the_picture(square, seed, mirror, augmented):
    # What is lost is 32-bit rounding: coordinates below 4 (wrong by 2**-23) times sides below 2**13 px (wrong by
    # 2**-12), on two axes, and a shift below 2**14 px (wrong by 2**-11, twice if flipped): 0.005 px at the worst.
    points = points_near(square, seed)
    visible = np.array([True, False, True])
    rng = np.random.default_rng(seed) if augmented else None
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    view = make_view(picture, points, visible, square, size=16, mirror=mirror, augmentation=ALL, rng=rng)
    back = apply(view.to_pixels.double().numpy(), view.points.double().numpy())
    flipped = bool(torch.det(view.to_pixels[:, :2]) < 0)
    order = mirror if flipped else np.arange(3)
    assert np.abs(back - points[order]).max() < 0.01
    assert view.visible.tolist() == visible[order].tolist()
    assert augmented or not flipped


def drawn(square, seed, count=3, size=400):
    """A picture with a soft blob at each of some keypoints, one channel each, well inside the crop."""
    rng = np.random.default_rng(seed)
    inner = rng.uniform(0.2, 0.8, (count, 2))
    points = apply(invert(crop_matrix(square)), inner)
    y, x = np.mgrid[:size, :size]
    spread = max(2.0, square.side / SIZE * 4)
    distance = (x[..., None] - points[:, 0]) ** 2 + (y[..., None] - points[:, 1]) ** 2
    return (255 * np.exp(-distance / (2 * spread**2))).astype(np.uint8), points


def found(image):
    """Centre of mass of each channel's blob, in pixels x, y."""
    weight = np.where(image > 40, image, 0).astype(float)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    mass = weight.sum((0, 1))
    return np.stack([(weight * x[..., None]).sum((0, 1)) / mass, (weight * y[..., None]).sum((0, 1)) / mass], axis=-1)


def pixels(view):
    """Undo the normalisation."""
    return (view.image.permute(1, 2, 0).numpy() * np.array(IMAGENET_STD) + np.array(IMAGENET_MEAN)) * 255


# Small enough that the blobs, at 0.2 to 0.8 of any rotation of the crop, stay on the 400 px picture.
inside = st.builds(Square, st.floats(150, 250), st.floats(150, 250), st.floats(60, 220), st.floats(-180, 180))


@given(inside, seeds)
def test_picture_and_points_go_to_the_same_place(square, seed):
    picture, points = drawn(square, seed)
    view = make_view(picture, points, np.ones(3, dtype=bool), square)
    assert np.abs(found(pixels(view)) - view.points.numpy() * SIZE).max() < 0.6


@given(inside, seeds, mirrors)
def test_augmented_picture_and_points_agree(square, seed, mirror):
    mild = Augmentation(scale=0.15, rotation=10.0, flip=0.5)
    picture, points = drawn(square, seed)
    rng = np.random.default_rng(seed)
    view = make_view(picture, points, np.ones(3, dtype=bool), square, mirror=mirror, augmentation=mild, rng=rng)
    flipped = bool(torch.det(view.to_pixels[:, :2]) < 0)
    channel_of_keypoint = mirror if flipped else np.arange(3)
    assert np.abs(found(pixels(view))[channel_of_keypoint] - view.points.numpy() * SIZE).max() < 0.6


@given(inside, seeds, mirrors)
def test_flip_is_an_involution_and_moves_the_picture_with_the_points(square, seed, mirror):
    picture, points = drawn(square, seed)
    view = make_view(picture, points, np.array([True, False, True]), square)
    flipped = flip(view, mirror)
    twice = flip(flipped, mirror)
    assert torch.equal(twice.image, view.image)
    assert torch.equal(twice.visible, view.visible)
    torch.testing.assert_close(twice.points, view.points, atol=1e-6, rtol=0)
    torch.testing.assert_close(twice.to_pixels, view.to_pixels, atol=1e-3, rtol=0)
    assert np.abs(found(pixels(flipped))[mirror] - flipped.points.numpy() * SIZE).max() < 0.6
    np.testing.assert_allclose(found(pixels(flipped))[:, 0], SIZE - 1 - found(pixels(view))[:, 0], atol=1e-2)
    assert flipped.visible.tolist() == np.array([True, False, True])[mirror].tolist()


def test_flip_takes_a_stack():
    square = Square(200, 200, 100)
    picture, points = drawn(square, 1)
    view = make_view(picture, points, np.array([True, False, True]), square)
    stack = type(view)(*(torch.stack([field, field]) for field in view))
    mirror = np.array([1, 0, 2])
    for many, one in zip(flip(stack, mirror), flip(view, mirror), strict=True):
        assert torch.equal(many[1], one)


def test_warp_is_bilinear_with_zeros_outside():
    picture = np.full((20, 20, 3), 200, dtype=np.uint8)
    crop = warp(picture, Square(10, 10, 40), size=40)
    assert crop.shape == (40, 40, 3)
    assert not crop[:10].any()
    assert not crop[:, :10].any()
    assert (crop[10:30, 10:30] == 200).all()
    edge = warp(np.repeat(np.array([[[0] * 3, [100] * 3]], dtype=np.uint8), 4, axis=0), Square(1, 2, 4), size=8)
    assert edge[4, 3].tolist() == [50] * 3  # crop pixel 3 is picture pixel 0.5


def test_normalisation_is_imagenets():
    image = np.array([[[0, 128, 255]]], dtype=np.uint8)
    expected = [(0 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    np.testing.assert_allclose(normalise(image).flatten(), expected, rtol=1e-6)


@given(squares, seeds)
def test_augmentation_keeps_its_limits(square, seed):
    augmentation = Augmentation()
    new = augmentation.square(square, np.random.default_rng(seed))
    assert 0.85 - 1e-9 <= new.side / square.side <= 1.15 + 1e-9
    assert abs(new.rotation - square.rotation) <= 30 + 1e-9
    assert (new.x, new.y) == (square.x, square.y)


def test_augmentation_has_the_papers_statistics():
    rng = np.random.default_rng(0)
    new = [Augmentation().square(Square(0, 0, 1), rng) for _ in range(4000)]
    turned = np.array([square.rotation for square in new if square.rotation])
    assert len(turned) / 4000 == pytest.approx(0.6, abs=0.03)
    assert np.abs(turned).max() == 30
    assert turned.std() == pytest.approx(14.1, abs=0.6)  # of a normal with deviation 15, clipped at two
    assert np.std([square.side for square in new]) == pytest.approx(0.108, abs=0.005)  # of 0.15, clipped at one


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (300, 2, 3)])
def test_tiny_pictures_make_a_view(shape):
    view = make_view(np.full(shape, 255, dtype=np.uint8), np.zeros((1, 2)), np.array([True]), Square(0.0, 0.0, 1.0))
    assert view.image.shape == (3, SIZE, SIZE)
    assert bool(view.image.isfinite().all())


def test_light_changes_the_picture_only_if_asked():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    rng = np.random.default_rng(1)
    np.testing.assert_array_equal(Augmentation().light(image, rng), image)
    changed = Augmentation(colour=0.4).light(image, rng)
    assert changed.dtype == np.uint8
    assert np.abs(changed.astype(int) - image).mean() > 2
