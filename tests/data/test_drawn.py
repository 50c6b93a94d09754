"""The drawn data set: deterministic, exact to a fraction of a pixel, and a source of episodes like any other."""

import json
from importlib import resources

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate as mmengine_collate
from torch.utils.data import default_collate

from cape.data import Drawn
from cape.data.blueprints import blueprints, read_blueprint
from cape.data.episodes import Episodes, official_pairs
from cape.data.layout import Style, lay_out
from cape.errors import AnnotationError, UsageError
from cape.registry import DATASETS

NAMES = tuple(blueprints())


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_same_seed_same_bits():
    one, two, other = Drawn(instances=3), Drawn(instances=3), Drawn(instances=3, seed=1)
    assert all(same(a, b) for a, b in zip(one.instances, two.instances, strict=True))
    forward = [one.picture(index) for index in range(len(one))]
    backward = [two.picture(index) for index in reversed(range(len(two)))][::-1]
    for index, (a, b) in enumerate(zip(forward, backward, strict=True)):
        assert np.array_equal(a, b), one.instances[index].picture
        assert not np.array_equal(a, other.picture(index))
    assert len({picture.tobytes() for picture in forward}) == len(forward)


def test_an_instance_depends_on_its_category_and_number_only():
    everything, few = Drawn(instances=300), Drawn(instances=2, categories=("fish", "arrow"))
    assert [category.name for category in few.categories.values()] == ["fish", "arrow"]
    pools = everything.by_category()
    for number, pool in few.by_category().items():
        for mine, its in zip(pool, pools[number], strict=False):
            assert same(few.instances[mine], everything.instances[its])
            assert np.array_equal(few.picture(mine), everything.picture(its))


@pytest.mark.parametrize("size", [96, 192])
def test_contract_of_a_source(size):
    source = Drawn(instances=100, size=size)
    assert len({instance.id for instance in source.instances}) == len(source) == 100 * len(NAMES)
    for number, pool in source.by_category().items():
        category = source.categories[number]
        assert category.id == number and category.texts == category.skeleton.names and all(category.texts)
        states = set()
        for instance in (source.instances[index] for index in pool):
            assert instance.category == number and instance.size == (size, size)
            assert instance.points.shape == (len(category.skeleton), 2) and instance.points.dtype == np.float32
            x, y, width, height = instance.box
            assert min(x, y) >= 0 and min(width, height) > 1 and max(x + width, y + height) <= size - 1
            labelled = instance.visibility > 0
            inside = instance.points[labelled]
            assert (inside >= (x - 1, y - 1)).all() and (inside <= (x + width + 1, y + height + 1)).all()
            assert (instance.points[~labelled] == 0).all() and labelled.mean() >= 0.5
            states |= set(instance.visibility.tolist())
        assert states == {0, 1, 2}, category.name
    picture = source.picture(0)
    assert picture.shape == (size, size, 3) and picture.dtype == np.uint8


def test_categories_are_varied_and_their_skeletons_connected():
    counts = {name: len(blueprint.keypoints) for name, blueprint in blueprints().items()}
    assert len(counts) >= 6 and min(counts.values()) == 2 and max(counts.values()) >= 15
    for blueprint in blueprints().values():
        skeleton = blueprint.category.skeleton
        reached, adjacency = {0}, skeleton.adjacency()
        for _ in skeleton.names:
            reached |= {int(other) for one in reached for other in np.flatnonzero(adjacency[one])}
        assert len(reached) == len(skeleton), blueprint.category.name
        sided = [name for name in skeleton.names if "left" in name or "right" in name]
        assert len(sided) == 2 * len(skeleton.swap), blueprint.category.name


@pytest.mark.parametrize(
    ("name", "family", "keypoints"),
    [
        ("face", "iris", ["left eye", "right eye"]),
        ("truck", "hub", ["rear wheel", "front wheel"]),
        ("scissors", "screw", ["screw"]),
        ("fish", "eye", ["eye"]),
    ],
)
def test_keypoints_lie_where_the_thing_is_drawn(name, family, keypoints):
    """The centroid of an eye that is the only red thing is the eye's keypoint."""
    source = Drawn(categories=(name,), instances=25, occlusion=0.0, truncation=0.0, size=256)
    (number, blueprint), red = next(iter(source._blueprints.items())), np.array([[0, 0], [1, 1], [1, 1.0]])
    grey = {key: ranges * [[1], [0], [1]] for key, ranges in blueprint.colours.items()}
    source._blueprints[number] = blueprint._replace(colours=grey | {family: red})
    columns = [blueprint.category.texts.index(keypoint) for keypoint in keypoints]
    errors = []
    for index, instance in enumerate(source.instances):
        picture = source.picture(index).astype(float)
        redness = picture[..., 0] - picture[..., 1:].max(axis=-1)
        _, labels = cv2.connectedComponents((redness > 60).astype(np.uint8))
        for column in columns:
            x, y = instance.points[column]
            blob = labels == labels[round(float(y)), round(float(x))]
            assert labels[round(float(y)), round(float(x))] > 0
            rows, cols = np.nonzero(blob)
            weight = redness[blob]
            errors.append(((cols * weight).sum() / weight.sum() - x, (rows * weight).sum() / weight.sum() - y))
    errors = np.array(errors)
    assert np.hypot(*errors.T).max() < 0.5
    assert np.abs(errors.mean(axis=0)).max() < 0.1  # a shift of half a pixel is no accident


def test_box_is_where_the_picture_changes():
    """Painting the same object in black and in white changes the pixels of the box and no others."""
    for name in NAMES:
        source = Drawn(categories=(name,), instances=4, occlusion=0.0, truncation=0.0)
        (number, blueprint) = next(iter(source._blueprints.items()))
        painted = []
        for value in (0.0, 1.0):
            colours = {key: np.array([[0, 0], [0, 0], [value, value]]) for key in blueprint.colours}
            source._blueprints[number] = blueprint._replace(colours=colours)
            painted.append([source.picture(index).astype(int) for index in range(4)])
        for instance, black, white in zip(source.instances, *painted, strict=True):
            rows, cols = np.nonzero(np.abs(white - black).max(axis=-1) > 20)
            x, y, width, height = instance.box
            found = np.array([cols.min(), rows.min(), cols.max(), rows.max()])
            assert np.abs(found - (x, y, x + width, y + height)).max() < 2.0, name


def test_keypoints_lie_on_their_parts():
    for blueprint in blueprints().values():
        draws = np.random.default_rng(0).random((10, blueprint.draws))
        draws[:, 0] = 0.9  # unmirrored: the keypoints are in the description's order
        layout = lay_out(blueprint, draws, Style())
        for column, (part, _, _) in enumerate(blueprint.keypoints):
            first_contour = layout.outlines[part][:, : blueprint.parts[part].contours[1]]
            for outline, point in zip(first_contour, layout.points[:, column], strict=True):
                depth = cv2.pointPolygonTest(outline.astype(np.float32)[:, None], point.tolist(), True)
                assert depth > -0.5, (blueprint.category.name, blueprint.category.texts[column])


def test_facing_left_is_the_mirror_of_facing_right():
    for blueprint in blueprints().values():
        draws = np.random.default_rng(0).random((20, blueprint.draws))
        draws[:, 6] = 0.5  # in the middle, so that both lie mirrored about the picture's axis
        draws[:, [2, 3]] = 0.5  # not turned, not tilted
        right, left = draws.copy(), draws.copy()
        right[:, 0], left[:, 0] = 0.9, 0.1
        style = Style(occlusion=0.0, truncation=0.0)
        one, two = lay_out(blueprint, right, style), lay_out(blueprint, left, style)
        mirror = blueprint.category.skeleton.mirror()
        points = one.points[:, mirror] * (-1, 1) + (style.size - 1, 0)
        np.testing.assert_allclose(two.points, points, atol=1e-9)
        assert np.array_equal(two.visibility, one.visibility[:, mirror])


def column(source, name):
    (category,) = source.categories.values()
    index = category.texts.index(name)
    return np.array([instance.points[index] for instance in source.instances])


def test_left_and_right_mean_what_the_frame_says():
    upright = {"rotation": 0.0, "occlusion": 0.0, "truncation": 0.0, "instances": 30}
    for name, part, sign in (("face", "eye", 1), ("person", "shoulder", -1), ("ant", "front foot", 1)):
        source = Drawn(categories=(name,), **upright)
        gap = column(source, f"right {part}")[:, 0] - column(source, f"left {part}")[:, 0]
        assert (gap * sign > 0).all(), name  # the viewer's on a face, the subject's own on a person who faces us
    animal = Drawn(categories=("quadruped",), **upright)
    right = column(animal, "nose")[:, 0] > column(animal, "tail base")[:, 0]
    assert 5 < right.sum() < 25
    left_seen, right_seen = (
        np.array([instance.visibility[animal.categories[1].texts.index(name)] for instance in animal.instances]) == 2
        for name in ("left hind knee", "right hind knee")
    )
    assert right_seen[right].all() and left_seen[~right].all()  # the near side hides the far one, never the reverse
    assert not (left_seen[right].all() and right_seen[~right].all())


TOY = {
    "id": 1, "name": "toy", "supercategory": "toy", "frame": "viewer", "colours": {"any": [[0, 0], [0, 0], [1, 1]]},
    "parts": [
        {"name": "plate", "shape": "box", "length": [2, 2], "width": [1, 1], "colour": "any"},
        {"name": "ring", "parent": "plate", "at": [0.25, 0], "pivot": [0.5, 0], "shape": "ring", "length": [0.5, 0.5],
         "width": [0.5, 0.5], "colour": "any"},
        {"name": "lid", "parent": "plate", "at": [0.75, 0], "shape": "disc", "width": [0.4, 0.4], "colour": "any"},
        {"name": "{side} horn", "parent": "plate", "at": [1, 0.5], "shape": "limb", "length": [0.5, 0.5],
         "width": [0.1, 0.1], "angle": [30, 60], "colour": "any", "sides": "mirror", "rigid": True},
    ],
    "keypoints": [["corner", "plate", [0, -1]], ["in the ring", "plate", [0.25, 0]],
                  ["under the rim", "plate", [0.15, 0]],
                  ["under the lid", "plate", [0.7, 0]], ["lid", "lid", [0, 0]], ["joint", "plate", [0.75, 0]],
                  ["{side} tip", "{side} horn", [1, 0]]],
    "edges": [["corner", "lid"]], "groups": {"{side} horn": ["{side} tip"]},
}  # fmt: skip


def test_what_covers_what():
    """A ring shows what lies in its hole; a disc hides all but the place that it is attached to."""
    blueprint = read_blueprint(json.dumps(TOY))
    layout = lay_out(blueprint, np.full((1, blueprint.draws), 0.5), Style(occlusion=0.0, truncation=0.0))
    state = dict(zip(blueprint.category.texts, layout.visibility[0].tolist(), strict=True))
    assert state["under the rim"] == state["under the lid"] == 1
    assert {state[name] for name in ("corner", "in the ring", "lid", "joint", "left tip", "right tip")} == {2}
    draws = np.random.default_rng(0).random((200, blueprint.draws))
    free, covered = (
        lay_out(blueprint, draws, Style(occlusion=often, truncation=0.0)).visibility for often in (0.0, 1.0)
    )
    assert (covered <= free).all() and 0.02 < (covered < free).mean() < 0.3


def test_mirrored_parts_are_reflected():
    blueprint = read_blueprint(json.dumps(TOY))
    draws = np.full((1, blueprint.draws), 0.5)
    draws[0, 0] = 0.9
    layout = lay_out(blueprint, draws, Style(truncation=0.0))
    points = dict(zip(blueprint.category.texts, layout.points[0], strict=True))
    axis = points["lid"][1]  # of the plate, which lies along x: its right is below
    assert points["right tip"][1] > axis and points["right tip"][0] == pytest.approx(points["left tip"][0])
    assert points["right tip"][1] - axis == pytest.approx(axis - points["left tip"][1])


def test_pictures_are_not_constant_and_instances_not_alike():
    source = Drawn(instances=3)
    for index in range(len(source)):
        assert source.picture(index).std() > 10
    for pool in source.by_category().values():
        poses = [source.instances[index].points for index in pool]
        assert not np.allclose(poses[0], poses[1], atol=3)


@pytest.mark.parametrize("collate", [default_collate, mmengine_collate])
def test_episodes_and_official_pairs(collate):
    source = Drawn(instances=17, categories=("arrow", "quadruped", "face"))
    training = Episodes(source=source, shots=2, size=64)
    batch = collate([training[index] for index in (0, 20, 33, 50)])
    assert batch.support.image.shape == (4, 2, 3, 64, 64) and batch.query.points.shape == (4, 15, 2)
    assert batch.mask.shape == (4, 15) and batch.mask.any(dim=1).all()
    pairs = official_pairs(source.by_category(), episodes=2)
    assert not pairs.skipped and len(pairs.table) == 3 * 2 * 15
    testing = Episodes(source=source, pairs=pairs, size=64)
    batch = collate([testing[index] for index in (0, 30, 60, 89)])
    assert [int(number) for number in batch.category] == [8, 1, 6, 6]
    points = batch.query.points[batch.query.visible]
    assert torch.isfinite(points).all() and points.min() > -0.01 and points.max() < 1.01


def test_builds_from_a_config():
    source = DATASETS.build({"type": "Drawn", "categories": ["chair"], "instances": 2})
    assert isinstance(source, Drawn) and len(source) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"categories": ("unicorn",)}, "unicorn"),
        ({"categories": ()}, "quadruped"),
        ({"categories": ("fish", "fish")}, "different"),
        ({"instances": 0}, "at least 1"),
        ({"size": 0}, "at least 16"),
        ({"seed": -1}, "at least 0"),
        ({"rotation": -1.0}, "0 to 180"),
        ({"occlusion": 1.5}, "0 to 1"),
        ({"truncation": float("nan")}, "0 to 1"),
    ],
)
def test_bad_arguments(arguments, said):
    with pytest.raises(UsageError, match=said) as caught:
        Drawn(**arguments)
    assert caught.value.fix


@pytest.mark.parametrize(
    "change",
    [
        {"frame": "mine"},
        {"keypoints": [["corner", "nothing", [0, 0]]]},
        {"edges": [["corner", "nothing"]]},
        {"colours": {}},
        {"parts": []},
        {"parts": [TOY["parts"][0] | {"shape": "blob"}]},
        {"parts": [TOY["parts"][0] | {"witdh": [1, 1]}]},
        {"parts": [TOY["parts"][1], TOY["parts"][0]]},
        {"parts": [TOY["parts"][0], TOY["parts"][0]]},
    ],
)
def test_bad_descriptions(change):
    with pytest.raises(AnnotationError, match=r"toy\.json"):
        read_blueprint(json.dumps(TOY | change), where="toy.json")
    with pytest.raises(AnnotationError):
        read_blueprint("{")


def test_one_description_a_file_named_like_it():
    folder = resources.files("cape.annotations") / "drawn"
    files = {file.name for file in folder.iterdir() if file.name.endswith(".json")}
    assert files == {f"{name.replace(' ', '_')}.json" for name in NAMES}
