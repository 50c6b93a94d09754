"""mmpose's data sets behind our checks: the four kinds, and files that are wrong."""

import json

import numpy as np
import pytest
from people_files import write_people

from cape.data.people import People
from cape.data.skeletons import read_skeleton
from cape.errors import AnnotationError, CapeError, DataError


def open_people(root, **options):
    return People(**{"root": root, "annotations": "people.json", "pictures": "images", **options})


KINDS = {"coco_wholebody": 133, "ubody": 133, "coco": 17, "crowdpose": 14}


@pytest.mark.parametrize("kind", KINDS)
def test_records_hold_what_the_file_says(tmp_path, kind):
    files = write_people(tmp_path, whole=KINDS[kind] == 133, keypoints=min(17, KINDS[kind]))
    people = open_people(tmp_path, kind=kind)
    assert len(people) == 3
    assert len(read_skeleton(people.skeleton)) == KINDS[kind] == people.metainfo["num_keypoints"]
    for index, annotation in enumerate(files.content["annotations"]):
        record = people.record(index)
        keys = [key for key in annotation if key == "keypoints" or key.endswith("_kpts")]
        numbers = np.concatenate([annotation[key] for key in keys]).reshape(1, -1, 3)
        np.testing.assert_allclose(record["keypoints"], numbers[..., :2], rtol=1e-6)
        assert (record["keypoints_visible"] == 1).all() and record["keypoints_visible"].dtype == np.float32
        assert (record["img_id"], record["id"], record["size"]) == (
            annotation["image_id"],
            annotation["id"],
            (120, 160),
        )
        np.testing.assert_allclose(record["bbox"], [[20, 30, 80, 130]])
        assert record["bbox_score"] == 1


def test_who_is_left_out(tmp_path):
    def spoil(content):
        first, second, third, fourth = content["annotations"][:4]
        first["iscrowd"] = 1
        second["bbox"][2] = 0.0
        third["num_keypoints"] = 0
        fourth["keypoints"][2::3] = [0] * 17
        content["annotations"].append({"id": 999, "image_id": 10, "category_id": 1})

    write_people(tmp_path, images=5, change=spoil)
    people = open_people(tmp_path)
    assert [people.record(index)["id"] for index in range(len(people))] == [103, 104]
    assert people.record(0)["keypoints_visible"].sum() == 133 - 17


def test_every_nth_picture(tmp_path):
    write_people(tmp_path, images=12)
    people = open_people(tmp_path, kind="ubody", every=10)
    assert [people.record(index)["img_id"] for index in range(len(people))] == [10, 20]


def test_keys_that_the_crowdpose_and_ubody_files_may_lack(tmp_path):
    def spoil(content):
        for record in content["annotations"]:
            for key in ("iscrowd", "segmentation", "num_keypoints", "area"):
                del record[key]

    write_people(tmp_path, change=spoil)
    assert len(open_people(tmp_path, kind="ubody")) == 3


def test_detections_replace_the_boxes(tmp_path):
    files = write_people(tmp_path)
    boxes = [*files.boxes, {**files.boxes[0], "bbox": [0, 0, 50, 40], "score": 0.05}]
    boxes += [{**files.boxes[0], "category_id": 3}, {**files.boxes[0], "image_id": 77}]
    boxes += [{**files.boxes[0], "bbox": [5, 5, 0, 10]}]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    people = open_people(tmp_path, detections="boxes.json")
    assert people.detected and people.foreign == 1
    found = [people.record(index) for index in range(len(people))]
    np.testing.assert_allclose([each["bbox_score"][0] for each in found], [0.9, 0.8, 0.7, 0.05], rtol=1e-6)
    np.testing.assert_allclose(found[3]["bbox"], [[0, 0, 50, 40]])
    assert len({each["id"] for each in found}) == 4 and found[0]["keypoints"].shape == (1, 133, 2)
    assert len(open_people(tmp_path, detections="boxes.json", threshold=0.1)) == 3


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "boxes.json"),
        ("{", "boxes.json"),
        ("{}", "dict"),
        ("[3]", "record 0"),
        ("[" * 100_000, "RecursionError"),
        ('[{"image_id": 10, "category_id": 1, "score": 1}]', "bbox"),
        ('[{"image_id": 10, "category_id": 1, "bbox": [0, 0, 1, NaN], "score": 1}]', "nan"),
        ('[{"image_id": 10, "category_id": 1, "bbox": [0, 0, 1, 1], "score": NaN}]', "record 0"),
        ('[{"image_id": "10", "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]', "record 0"),
    ],
)
def test_damaged_detections(tmp_path, text, word):
    write_people(tmp_path)
    (tmp_path / "boxes.json").write_text(text)
    with pytest.raises(DataError, match=r"boxes\.json") as caught:
        open_people(tmp_path, detections="boxes.json")
    assert word in str(caught.value)


def test_detections_absent_of_other_pictures_or_empty(tmp_path, refused):
    files = write_people(tmp_path)
    with refused(DataError, "none.json", "no such file"):
        open_people(tmp_path, detections="none.json")
    (tmp_path / "boxes.json").write_text(json.dumps([{**each, "image_id": 5} for each in files.boxes]))
    with refused(DataError, "boxes.json", "none of them in common", "3 pictures"):
        open_people(tmp_path, detections="boxes.json")
    (tmp_path / "boxes.json").write_text("[]")
    with refused(DataError, "boxes.json", "at least one person"):
        open_people(tmp_path, detections="boxes.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"images": []}', '{"annotations": [{}], "images": [{}]}'])
def test_not_coco(tmp_path, text):
    write_people(tmp_path)
    (tmp_path / "people.json").write_text(text)
    with pytest.raises(CapeError, match=r"people\.json"):
        open_people(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("foot_kpts", None, "`foot_kpts`: 18 numbers"),
        ("keypoints", [1.0] * 50, "50 numbers"),
        ("face_kpts", [float("nan")] * 204, "finite"),
        ("face_kpts", [1e60] * 204, "finite"),
        ("lefthand_kpts", ["1"] * 63, "finite"),
        ("bbox", [0, 0, float("inf"), 1], "bbox"),
        ("bbox", None, "bbox"),
        ("image_id", 12345, "people.json"),
    ],
)
def test_a_bad_record_is_named(tmp_path, refused, key, value, word):
    write_people(tmp_path, change=lambda content: content["annotations"][1].update({key: value}))
    if key == "image_id":
        # a person of no picture is never met: pictures are walked, not people
        assert len(open_people(tmp_path)) == 2
        return
    with refused(AnnotationError, "annotation 101", word):
        open_people(tmp_path)


@pytest.mark.parametrize(("key", "value"), [("width", 0), ("height", None), ("file_name", "../0.png")])
def test_a_bad_picture_record_is_named(tmp_path, refused, key, value):
    write_people(tmp_path, change=lambda content: content["images"][1].update({key: value}))
    with refused(AnnotationError, "image 11"):
        open_people(tmp_path)


def test_coco_given_as_whole_body_is_refused(tmp_path, refused):
    write_people(tmp_path, whole=False)
    with refused(AnnotationError, "foot_kpts", "file of this data set"):
        open_people(tmp_path)


def test_nothing_is_printed_and_no_file_of_the_working_folder_is_run(tmp_path, capsys, monkeypatch):
    """mmpose describes data sets in Python files, which it looks for under the working folder first."""
    write_people(tmp_path)
    bad = tmp_path / "configs" / "_base_" / "datasets"
    bad.mkdir(parents=True)
    (bad / "coco_wholebody.py").write_text("raise SystemExit('run')")
    monkeypatch.chdir(tmp_path)
    assert len(open_people(tmp_path)) == 3
    assert capsys.readouterr().out == ""


def test_the_real_file(shared_data):
    folder = shared_data / "wholebody_mini"
    options = {"annotations": "annotations/coco_wholebody_mini.json", "pictures": "images"}
    people = open_people(folder, **options)
    assert len(people) == 24  # of 26: two have no labelled body keypoint
    found = open_people(folder, **options, detections="annotations/coco_person_detections_AP56.json")
    assert len(found) == 118 and found.foreign == 0
