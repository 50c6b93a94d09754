"""Augmentation of person crops: geometry moves labels with pixels, light and holes move none."""

import numpy as np
import pytest

from cape.data.topdown import Cropper, Stage, blur, jitter, punch

SIZE = (96, 128)
STILL = Stage(flip=0.0, half_body=0.0, shift=0.0, scale=(1.0, 1.0), rotation=0.0, jitter=(0, 0, 0), blur=0.0, hole=0.0)
MIRROR = [1, 0, 2]


@pytest.fixture(scope="module")
def cropper():
    return Cropper(size=SIZE, sigma=(4.9, 5.66), split_ratio=2.0)


def scene(places):
    """A dark picture with one bright spot per keypoint, each in a channel of its own, and its record."""
    yy, xx = np.mgrid[:200, :200]
    picture = np.zeros((200, 200, 3), np.uint8)
    for channel, (x, y) in enumerate(places):
        picture[..., channel] = (255 * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / 18)).astype(np.uint8)
    record = {
        "id": 1, "img_id": 2, "img_path": "drawn", "bbox": np.array([[50, 40, 140, 160]], np.float32),
        "bbox_score": np.ones(1, np.float32), "keypoints": np.array(places, np.float32)[None],
        "keypoints_visible": np.ones((1, 3), np.float32), "flip_indices": MIRROR, "upper_body_ids": [0, 1],
        "lower_body_ids": [2], "dataset_keypoint_weights": np.ones(3, np.float32),
    }  # fmt: skip
    return record, picture


def spots(image):
    """Where the brightest place of each channel is, in crop pixels."""
    flat = image.reshape(3, -1).argmax(1).numpy()
    return np.column_stack([flat % SIZE[0], flat // SIZE[0]])


def targets(crop):
    labels = crop["data_samples"].gt_instance_labels
    x, y = labels.keypoint_x_labels[0].argmax(-1), labels.keypoint_y_labels[0].argmax(-1)
    return np.column_stack([x.numpy(), y.numpy()]) / 2, labels.keypoint_weights[0].numpy()


PLACES = [(80, 80), (115, 90), (95, 135)]


@pytest.mark.parametrize("seed", range(12))
def test_labels_move_with_the_pixels(cropper, seed):
    """Shift, scale, rotation and mirror: what was drawn on a keypoint is where its target is."""
    record, picture = scene(PLACES)
    stage = STILL._replace(flip=0.5, shift=0.1, scale=(0.8, 1.3), rotation=50.0)
    crop = cropper(record, picture, stage=stage, rng=np.random.default_rng(seed))
    found, weights = targets(crop)
    order = MIRROR if crop["data_samples"].metainfo["flip"] else [0, 1, 2]
    drawn = spots(crop["inputs"])[order]  # channel c shows keypoint c; mirrored, it is labelled as the other side
    inside = ((found > 4) & (found < np.array(SIZE) - 4)).all(1) & (weights > 0)
    assert inside.any()
    np.testing.assert_allclose(found[inside], drawn[inside], atol=2.0)


def test_without_augmentation_a_crop_is_that_of_an_evaluation(cropper):
    record, picture = scene(PLACES)
    still = cropper(dict(record), picture, stage=STILL, rng=np.random.default_rng(0))
    plain = cropper(dict(record), picture, stage=None, rng=np.random.default_rng(0))
    assert (still["inputs"] == plain["inputs"]).all()
    found, weights = targets(still)
    # 1.25 times the box of 90 x 120, which has the crop's shape
    exact = (np.array(PLACES) - (95, 100)) / (112.5, 150) * SIZE + np.array(SIZE) / 2
    assert np.abs(found - exact).max() <= 0.25 + 1e-4 and (weights == 1).all()


def test_light_and_holes_change_no_label(cropper):
    record, picture = scene(PLACES)
    stage = STILL._replace(jitter=(5, 30, 30), blur=1.0, hole=1.0)
    first = cropper(dict(record), picture, stage=STILL, rng=np.random.default_rng(3))
    second = cropper(dict(record), picture, stage=stage, rng=np.random.default_rng(3))
    assert (first["inputs"] != second["inputs"]).any()
    np.testing.assert_array_equal(targets(first)[0], targets(second)[0])
    np.testing.assert_array_equal(targets(first)[1], targets(second)[1])


def test_a_label_far_outside_has_no_weight(cropper):
    record, picture = scene([(80, 80), (115, 90), (199, 5)])
    found = targets(cropper(record, picture, stage=STILL, rng=np.random.default_rng(0)))[1]
    assert found.tolist() == [1, 1, 0]


def test_half_bodies_cut_what_they_say(cropper):
    """All nine keypoints of one half lie in the upper quarter: the crop is 1.5 times their extent."""
    record, picture = scene(PLACES)
    rng = np.random.default_rng(1)
    upper = rng.uniform((60, 45), (130, 75), (9, 2))
    record |= {
        "keypoints": upper.astype(np.float32)[None], "keypoints_visible": np.ones((1, 9), np.float32),
        "upper_body_ids": list(range(9)), "lower_body_ids": [], "flip_indices": list(range(9)),
        "dataset_keypoint_weights": np.ones(9, np.float32),
    }  # fmt: skip
    crop = cropper(record, picture, stage=STILL._replace(half_body=1.0), rng=np.random.default_rng(0))
    extent = np.ptp(upper, axis=0) * 1.5
    scale = crop["data_samples"].metainfo["input_scale"]
    assert (scale >= extent - 1e-3).all() and np.isclose(scale, extent, rtol=1e-4).any()


def test_holes_have_the_size_they_should_and_are_inside():
    image = np.full((128, 96, 3), 200, np.uint8)
    sides = []
    for seed in range(200):
        black = (punch(image, Stage(), np.random.default_rng(seed)) == 0).all(-1)
        rows, columns = np.flatnonzero(black.any(1)), np.flatnonzero(black.any(0))
        assert black.sum() == len(rows) * len(columns) > 0
        sides.append((len(rows) / 128, len(columns) / 96))
    low, high = np.min(sides, 0), np.max(sides, 0)
    assert (low > 0.18).all() and (low < 0.22).all() and (high > 0.37).all() and (high <= 0.4).all()
    assert (image == 200).all(), "the picture itself stays"


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_holes_come_as_often_as_they_should(probability):
    image, stage = np.full((16, 12, 3), 200, np.uint8), Stage(hole=probability)
    found = [(punch(image, stage, np.random.default_rng(seed)) == 0).any() for seed in range(400)]
    assert abs(np.mean(found) - probability) < 0.08


def test_jitter_stays_within_its_range_and_often_does_nothing():
    image = np.full((4, 4, 3), (120, 90, 60), np.uint8)
    found = np.array([jitter(image, Stage(), np.random.default_rng(seed))[0, 0] for seed in range(400)]).astype(int)
    same = (found == (120, 90, 60)).all(1).mean()
    assert 0.1 < same < 0.35
    assert np.abs(found.max(1) - 120).max() <= 31 and np.abs(found.max(1) - 120).max() > 20
    assert (jitter(image, STILL, np.random.default_rng(1)) == image).all()


def test_blur_comes_as_often_as_it_should():
    image = np.random.default_rng(0).integers(0, 256, (16, 12, 3), dtype=np.uint8)
    found = [(blur(image, Stage(blur=0.1), np.random.default_rng(seed)) != image).any() for seed in range(600)]
    assert abs(np.mean(found) - (1 - 0.9**2)) < 0.05
