"""`cape.data.coco`: what is legal is read as it stands, in the official order; strict and lenient reading."""

import gzip
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cape.data import CocoKeypoints
from cape.data.episodes import Episodes, Pairs
from cape.errors import AnnotationError, PictureError, SkeletonError

coordinate = st.integers(-5000, 60000).map(lambda value: value / 100) | st.integers(-20, 600)
wholly_random_id = st.integers(0, 2**53)


@st.composite
def coco_contents(draw):
    """Any legal file: ids of any size, order of any kind, points outside the picture, unused pictures."""
    content = {"images": [], "annotations": [], "categories": [], "info": {"description": "extra keys are tolerated"}}
    for number in draw(st.lists(wholly_random_id, min_size=1, max_size=4, unique=True)):
        width, height = draw(st.integers(1, 600)), draw(st.integers(1, 600))
        content["images"].append({"id": number, "file_name": f"{number}.jpg", "width": width, "height": height})
    for number in draw(st.lists(wholly_random_id, min_size=1, max_size=3, unique=True)):
        count = draw(st.integers(1, 6))
        index = st.integers(0, count - 1)
        edges = draw(
            st.lists(st.tuples(index, index).filter(lambda pair: pair[0] != pair[1]), max_size=5 * (count > 1))
        )
        names = [f"joint {'abcdef'[k]}" for k in range(count)]
        content["categories"].append({"id": number, "name": f"thing {number}", "keypoints": names, "skeleton": edges})
    for number in draw(st.lists(wholly_random_id, max_size=8, unique=True)):
        category = draw(st.sampled_from(content["categories"]))
        size = st.floats(0.01, 700)
        count = len(category["keypoints"])
        keypoints = draw(
            st.lists(st.tuples(coordinate, coordinate, st.sampled_from([0, 1, 2])), min_size=count, max_size=count)
        )
        record = {
            "id": number,
            "image_id": draw(st.sampled_from(content["images"]))["id"],
            "category_id": category["id"],
            "bbox": [draw(coordinate), draw(coordinate), draw(size), draw(size)],
            "keypoints": [value for triple in keypoints for value in triple],
        }
        for key, values in (("area", [0, 5.5, None]), ("num_keypoints", [0, 1]), ("iscrowd", [0, 1])):
            if draw(st.booleans()):
                record[key] = draw(st.sampled_from(values))
        content["annotations"].append(record)
    return content


def reference(content):
    """What the official loaders make of it: POMNet's test_base_dataset, written again from the specification §2.1."""
    counts = {category["id"]: len(category["keypoints"]) for category in content["categories"]}
    for image in content["images"]:
        for record in (record for record in content["annotations"] if record["image_id"] == image["id"]):
            x, y, width, height = record["bbox"]
            x1, y1 = max(0, x), max(0, y)
            x2 = min(image["width"] - 1, x1 + max(0, width - 1))
            y2 = min(image["height"] - 1, y1 + max(0, height - 1))
            table = np.array(record["keypoints"], dtype=float).reshape(counts[record["category_id"]], 3)
            empty = not (x2 > x1 and y2 > y1) or record.get("area") == 0
            if not (empty or record.get("iscrowd") or record.get("num_keypoints") == 0 or not table.any()):
                yield record, image, [x1, y1, x2 - x1, y2 - y1], table


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("coco")


@given(content=coco_contents(), zipped=st.booleans(), base=st.sampled_from([0, 1]))
def test_any_legal_file_is_read_as_it_stands(scratch, content, zipped, base):
    written = json.loads(json.dumps(content))
    for category in written["categories"]:
        category["skeleton"] = [[a + base, b + base] for a, b in category["skeleton"]]
    raw = json.dumps(written).encode()
    path = scratch / ("any.json.gz" if zipped else "any.json")
    path.write_bytes(gzip.compress(raw, 1) if zipped else raw)
    expected = list(reference(content))
    if not expected:
        with pytest.raises(AnnotationError, match="at least one usable instance"):
            CocoKeypoints(annotations=path, strict=False, skeleton_base=base)
        return
    dataset = CocoKeypoints(annotations=path, strict=False, skeleton_base=base)

    assert [instance.id for instance in dataset.instances] == [record["id"] for record, *_ in expected]
    for instance, (record, image, box, table) in zip(dataset.instances, expected, strict=True):
        assert (instance.category, instance.picture) == (record["category_id"], image["file_name"])
        assert instance.size == (image["width"], image["height"])
        np.testing.assert_allclose(instance.box, box, atol=1e-9)
        np.testing.assert_array_equal(instance.visibility, table[:, 2])
        labelled = table[:, 2:] > 0
        np.testing.assert_allclose(instance.points, np.where(labelled, table[:, :2], 0), rtol=1e-6)
    used = {record["category_id"] for record, *_ in expected}
    assert list(dataset.categories) == [record["id"] for record in content["categories"] if record["id"] in used]
    for record in content["categories"]:
        if record["id"] in used:
            skeleton = dataset.categories[record["id"]].skeleton
            assert skeleton.names == tuple(record["keypoints"])
            assert set(skeleton.edges) == {tuple(sorted(edge)) for edge in record["skeleton"]}
    assert sum(map(len, dataset.by_category().values())) == len(dataset)
    dropped = dataset.dropped.total() - dataset.dropped["category without an instance"]
    assert len(dataset) + dropped == len(content["annotations"])


def test_order_is_images_then_their_annotations(coco_file):
    def shuffle(content):
        content["images"] = [content["images"][i] for i in (2, 0, 3, 1)]
        content["annotations"].reverse()

    dataset = CocoKeypoints(annotations=coco_file(shuffle).annotations)
    assert [instance.picture for instance in dataset.instances[::2]] == [
        "set/2.png",
        "set/0.png",
        "set/3.png",
        "set/1.png",
    ]
    assert [instance.category for instance in dataset.instances] == [7, 1] * 4
    assert dataset.by_category() == {1: [1, 3, 5, 7], 7: [0, 2, 4, 6]}


@pytest.mark.parametrize(
    ("box", "clean"),
    [
        ([10, 20, 30, 40], [10, 20, 29, 39]),
        ([-10, -5, 30, 40], [0, 0, 29, 39]),
        ([80, 50, 40, 40], [80, 50, 15, 13]),
        ([0, 0, 96, 64], [0, 0, 95, 63]),
        ([10, 20, 1, 40], None),
        ([200, 20, 30, 40], None),
    ],
)
def test_boxes_are_clipped_as_in_the_official_code(coco_file, box, clean):
    dataset = CocoKeypoints(
        annotations=coco_file(lambda content: content["annotations"][0].update(bbox=box)).annotations
    )
    if clean is None:
        assert len(dataset) == 7
        assert dataset.dropped == {"empty box or no labelled keypoint": 1}
    else:
        assert dataset.instances[0].box.tolist() == clean


def test_visibility_and_points_outside_are_legal(coco_file):
    keypoints = [-20.5, 300, 2, 33, 44, 1, 0, 0, 0]
    file = coco_file(lambda content: content["annotations"][0].update(keypoints=keypoints))
    instance = CocoKeypoints(annotations=file.annotations).instances[0]
    assert instance.points.tolist() == [[-20.5, 300], [33, 44], [0, 0]]
    assert instance.visibility.tolist() == [2, 1, 0]


def test_a_place_without_a_label_is_zero(coco_file):
    keypoints = [20, 30, 2, 33, 44, 1, 55, 60, 0]
    file = coco_file(lambda content: content["annotations"][0].update(keypoints=keypoints))
    assert CocoKeypoints(annotations=file.annotations).instances[0].points[2].tolist() == [0, 0]


@pytest.mark.parametrize(
    "changed",
    [{"iscrowd": 1}, {"keypoints": []}, {"keypoints": [0] * 9}, {"num_keypoints": 0}, {"area": 0}, {"area": -3.5}],
)
def test_what_the_official_code_leaves_out_is_counted(coco_file, changed):
    dataset = CocoKeypoints(
        annotations=coco_file(lambda content: content["annotations"][0].update(changed)).annotations
    )
    assert len(dataset) == 7
    assert dataset.dropped.total() == 1


@pytest.mark.parametrize("edges", [[[0, 1], [0, 2]], [[1, 2], [1, 3]]])
def test_skeletons_count_from_zero_or_one(coco_file, edges):
    file = coco_file(lambda content: content["categories"][0].update(skeleton=edges))
    assert CocoKeypoints(annotations=file.annotations).categories[1].skeleton.edges == ((0, 1), (0, 2))


@pytest.mark.parametrize(("base", "edges"), [(0, ((1, 2),)), (1, ((0, 1),)), (None, ((1, 2),))])
def test_an_ambiguous_skeleton_follows_its_base(coco_file, base, edges):
    file = coco_file(lambda content: content["categories"][0].update(skeleton=[[1, 2]]))
    assert CocoKeypoints(annotations=file.annotations, skeleton_base=base).categories[1].skeleton.edges == edges


@pytest.mark.parametrize("skeleton", [[], None])
def test_empty_skeleton_is_legal(coco_file, skeleton):
    file = coco_file(lambda content: content["categories"][0].update(skeleton=skeleton))
    assert not CocoKeypoints(annotations=file.annotations).categories[1].skeleton.adjacency().any()


def test_names_become_texts_and_swap_pairs(coco_file):
    names = ["kp_0", "left_eye", "right_eye"]
    file = coco_file(lambda content: content["categories"][0].update(keypoints=names))
    category = CocoKeypoints(annotations=file.annotations).categories[1]
    assert category.texts == category.skeleton.names == ("", "left eye", "right eye")
    assert category.skeleton.swap == ((1, 2),)


def test_declared_parts_are_read_and_reach_the_episode(coco_file):
    parts = {"face": [0, 1], "eyes": [1, 2]}
    file = coco_file(lambda content: content["categories"][0].update(parts=parts))
    source = CocoKeypoints(annotations=file.annotations, pictures=file.pictures)
    assert source.categories[1].skeleton.parts == {"face": (0, 1), "eyes": (1, 2)}
    pairs = Pairs(np.array([[0, 2], [1, 3]]), {})
    first, second = (Episodes(source=source, pairs=pairs, size=16).labels(item) for item in range(2))
    assert first.parts[:2, :3].tolist() == [[True, True, False], [False, True, True]] and first.parts.sum() == 4
    assert not second.parts.any(), "the other category declares none"


@pytest.mark.parametrize("parts", [[[0, 1]], {"face": 1}, {"face": [0, True]}, {"face": [9]}])
def test_parts_that_are_none_are_refused(coco_file, refused, parts):
    file = coco_file(lambda content: content["categories"][0].update(parts=parts))
    with refused(SkeletonError if parts == {"face": [9]} else AnnotationError, "part"):
        CocoKeypoints(annotations=file.annotations)


def test_without_names_annotations_tell_how_many(coco_file):
    file = coco_file(lambda content: content["categories"][1].update(keypoints=[]))
    assert CocoKeypoints(annotations=file.annotations).categories[7].skeleton.names == ("", "")


def test_pictures_are_read(coco_file):
    file = coco_file()
    dataset = CocoKeypoints(annotations=file.annotations, pictures=file.pictures)
    with Image.open(file.pictures / "set/1.png") as picture:
        np.testing.assert_array_equal(dataset.picture(2), np.asarray(picture))


def test_annotations_decide_whether_exif_counts(coco_file):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = coco_file(lambda content: content["images"][0].update(width=64, height=96))
    for name in ("0", "1"):
        with Image.open(file.pictures / f"set/{name}.png") as picture:
            picture.save(file.pictures / f"set/{name}.png", exif=exif)
    dataset = CocoKeypoints(annotations=file.annotations, pictures=file.pictures)
    assert dataset.picture(0).shape == (96, 64, 3)  # annotated upright
    assert dataset.picture(2).shape == (64, 96, 3)  # annotated as stored


def test_strict_counts_the_missing_pictures_by_source(coco_file, refused):
    def sources(content):
        content["images"][1]["source"] = "zoo"
        content["images"][2]["source"] = "zoo"

    file = coco_file(sources)
    for name in ("0", "1", "2"):
        (file.pictures / f"set/{name}.png").unlink()
    with refused(
        PictureError,
        "4 pictures of annotations.json",
        "got 1",
        "zoo 2 missing, set 1 missing",
        "set/0.png",
        "strict=False",
    ):
        CocoKeypoints(annotations=file.annotations, pictures=file.pictures)


def test_lenient_drops_and_counts(coco_file):
    file = coco_file(lambda content: content["annotations"][5].update(keypoints=[1, 2, 3]))
    (file.pictures / "set/1.png").unlink()
    dataset = CocoKeypoints(annotations=file.annotations, pictures=file.pictures, strict=False)
    assert dataset.dropped == {"instance whose picture is missing": 2, "bad record": 1}
    assert dataset.by_category() == {1: [0, 2, 3], 7: [1, 4]}
    assert [instance.id for instance in dataset.instances] == [1000, 1001, 1004, 1006, 1007]


def test_lenient_drops_a_category_that_lost_its_instances(coco_file):
    def only_in_one_picture(content):
        content["annotations"] = content["annotations"][:2] + content["annotations"][2::2]

    file = coco_file(only_in_one_picture)
    (file.pictures / "set/0.png").unlink()
    dataset = CocoKeypoints(annotations=file.annotations, pictures=file.pictures, strict=False)
    assert list(dataset.categories) == [1]
    assert dataset.dropped["category without an instance"] == 1


def test_no_picture_at_all_is_an_error_even_if_lenient(coco_file, refused, tmp_path):
    file = coco_file()
    (tmp_path / "empty").mkdir()
    with refused(PictureError, "empty", "set 4"):
        CocoKeypoints(annotations=file.annotations, pictures=tmp_path / "empty", strict=False)


def test_pictures_nobody_needs_may_be_missing(coco_file):
    file = coco_file(
        lambda content: content["images"].append({"id": 5, "file_name": "no.png", "width": 9, "height": 9})
    )
    assert len(CocoKeypoints(annotations=file.annotations, pictures=file.pictures)) == 8


def test_only_pictures_of_instances_are_looked_at(coco_file):
    file = coco_file(lambda content: [record.update(num_keypoints=0) for record in content["annotations"][:2]])
    (file.pictures / "set/0.png").unlink()
    assert len(CocoKeypoints(annotations=file.annotations, pictures=file.pictures)) == 6


@pytest.mark.parametrize("key", ["image_id", "category_id"])
def test_lenient_leaves_out_what_refers_to_nothing(coco_file, key, refused):
    file = coco_file(lambda content: content["annotations"][0].update({key: 999}))
    assert CocoKeypoints(annotations=file.annotations, strict=False).dropped.total() == 1
    with refused(AnnotationError, "annotation 1000", key, "999"):
        CocoKeypoints(annotations=file.annotations)
