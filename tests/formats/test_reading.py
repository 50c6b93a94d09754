"""The readers of `cape.formats` on files of other tools, and on damaged ones: only CapeError leaves them."""

import json
import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import assert_same, draw_pictures, fitting_labels, small_labels
from PIL import Image

from cape.errors import AnnotationError, CapeError, UsageError
from cape.formats import FORMATS, read, write

PIECES = [
    b"", b"0", b"-1", b"3", b"NaN", b"1e999", b"9" * 30, b"9" * 5000, b"null", b"[]", b"{}", b'"', b",", b"\n", b"\0",
    b"\xff", b"\xed\xa0\x80", b"<", b"&x;", b"'", b"../", b" ", b"true", b"\\ud800", b"*a", b"!!python/name:os.system",
]  # fmt: skip


@pytest.mark.parametrize("examples", [100, pytest.param(400, marks=pytest.mark.soak)])
@pytest.mark.parametrize("form", FORMATS)
def test_damaged_files(form, examples, tmp_path):
    """A legal file, cut or changed in one to three places, is read or refused; nothing else happens."""
    labels = fitting_labels(form)
    target = write(labels, tmp_path / "target", form)
    pictures = draw_pictures(labels, tmp_path / "pictures")
    files = [target] if target.is_file() else sorted(each for each in target.rglob("*") if each.is_file())
    whole = {each: each.read_bytes() for each in files}
    outcomes = set()

    @settings(max_examples=examples)
    @given(st.integers(0, 2**32))
    def check(seed):
        dice = random.Random(seed)
        damaged = dice.choice(files)
        content = whole[damaged]
        for _ in range(dice.randint(1, 3)):
            first = dice.randrange(len(content) + 1)
            last = min(len(content), first + dice.choice([0, 1, 1, 4, 40]))
            content = content[:first] + dice.choice([*PIECES, content[last : last + 30]]) + content[last:]
            if dice.random() < 0.1:
                content = content[:first]
        try:
            damaged.write_bytes(content)
            read(target, form, pictures=pictures)
            outcomes.add("read")
        except CapeError as error:
            assert error.expected and error.fix
            outcomes.add("refused")
        finally:
            damaged.write_bytes(whole[damaged])

    check()
    wanted = {"read", "refused"} if examples > 100 else {"refused"}  # few changes of a small file leave it legal
    assert wanted <= outcomes


@pytest.mark.parametrize("form", ["coco", "labelstudio"])
def test_damaged_json_values(form, tmp_path):
    """Each value of a legal file in turn is one of a wrong kind."""
    target = write(fitting_labels(form), tmp_path / "target", form)
    path = target if target.is_file() else target / "tasks.json"
    whole = path.read_text()

    def places(value, trail=()):
        yield trail
        for key, inner in (
            value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else [])
        ):
            yield from places(inner, (*trail, key))

    count = 0
    for trail in list(places(json.loads(whole)))[1:]:
        for put in (
            None,
            True,
            -1,
            1.5,
            2**70,
            float("nan"),
            float("inf"),
            "",
            "x",
            "\ud800",
            [],
            {},
            [[]],
            [None],
            {"a": 1},
        ):
            content = json.loads(whole)
            inner = content
            for key in trail[:-1]:
                inner = inner[key]
            inner[trail[-1]] = put
            path.write_text(json.dumps(content))
            count += 1
            try:
                read(target, form)
            except CapeError as error:
                assert error.fix
    assert count > 500


def test_coco_as_the_official_files_are(tmp_path):
    content = {
        "info": {"year": 2017},
        "licenses": [],
        "images": [{"id": 397133, "file_name": "000000397133.jpg", "height": 427, "width": 640}],
        "annotations": [
            {
                "id": 1218137, "image_id": 397133, "category_id": 1, "iscrowd": 0, "num_keypoints": 2, "area": 17376.9,
                "bbox": [388.66, 69.92, 109.41, 277.62], "keypoints": [433, 94, 2, 434, 90, 1, 7, 7, 0],
                "segmentation": [[1, 2, 3, 4, 5, 6]],
            },
            {"id": 2, "image_id": 397133, "category_id": 1, "iscrowd": 1, "keypoints": [0] * 9, "bbox": [0, 0, 5, 5]},
        ],
        "categories": [
            {"id": 1, "name": "person", "keypoints": ["nose", "left_eye", "right_eye"], "skeleton": [[3, 1], [1, 2]]}
        ],
    }  # fmt: skip
    path = tmp_path / "person_keypoints.json"
    path.write_text(json.dumps(content))
    found = read(path, "coco")
    assert found.categories["person"].edges == ((0, 2), (0, 1))
    assert found.pictures[0].size == (640, 427)
    (pose,) = found.pictures[0].poses
    assert (pose.id, pose.box.tolist()) == (1218137, [388.66, 69.92, 109.41, 277.62])
    assert pose.points.tolist() == [[433, 94], [434, 90], [0, 0]]
    assert pose.visibility.tolist() == [2, 1, 0]
    content["categories"][0]["skeleton"] = [[0, 1]]
    path.write_text(json.dumps(content))
    assert read(path, "coco").categories["person"].edges == ((0, 1),)


def test_yolo_as_ultralytics_has_it(tmp_path, refused):
    folder = tmp_path / "tiger"
    for part in ("labels/train", "images/train"):
        (folder / part).mkdir(parents=True)
    (folder / "data.yaml").write_text(
        "path: tiger\ntrain: images/train\nkpt_shape: [3, 3]\nflip_idx: [0, 2, 1]\nnames:\n  0: tiger\n"
    )
    line = "0 0.5 0.5 0.25 0.5 0.1 0.2 2 0.3 0.4 1 0 0 0\n"
    (folder / "labels/train/a.txt").write_text(line)
    Image.new("RGB", (200, 100)).save(folder / "images/train/a.jpg")
    Image.new("RGB", (20, 10)).save(folder / "images/train/background.jpg")
    found = read(folder / "data.yaml", "yolo", pictures=folder / "images")
    assert [(each.file, each.size) for each in found.pictures] == [
        ("train/a.jpg", (200, 100)),
        ("train/background.jpg", (20, 10)),
    ]
    (pose,) = found.pictures[0].poses
    assert np.allclose(pose.points, [[20, 20], [60, 40], [0, 0]])
    assert np.allclose(pose.box, [75, 25, 50, 50])
    assert pose.visibility.tolist() == [2, 1, 0]
    assert found.categories["tiger"].swap == ((1, 2),)
    with refused(UsageError, "pictures="):
        read(folder, "yolo")
    (folder / "labels/train/b.txt").write_text(line)
    with refused(AnnotationError, "b.txt", "a picture of this name"):
        read(folder, "yolo", pictures=folder / "images")


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><id>1</id><labels>
    <label><name>1</name><color>#d2</color><type>points</type><attributes></attributes><parent>bird</parent></label>
    <label><name>beak</name><color>#d3</color><type>points</type><attributes></attributes><parent>bird</parent></label>
    <label><name>bird</name><color>#5c</color><type>skeleton</type><attributes></attributes>
      <svg>&lt;line x1="36" y1="47" x2="54" y2="21" stroke="black" data-type="edge" data-node-from="2"
      data-node-to="3"&gt;&lt;/line&gt;&lt;circle r="1.5" stroke="black" fill="#b3b3b3" cx="36" cy="47"
      data-type="element node" data-element-id="3" data-node-id="2" data-label-name="beak"&gt;&lt;/circle&gt;&lt;circle
      r="1.5" cx="5" cy="6" data-type="element node" data-element-id="2" data-node-id="3"
      data-label-name="1"&gt;&lt;/circle&gt;</svg></label>
    <label><name>box</name><type>rectangle</type><attributes></attributes></label>
  </labels></task></meta>
  <image id="0" name="frames/b.png" width="40" height="30">
    <box label="box" source="manual" occluded="0" xtl="1" ytl="2" xbr="3" ybr="4" z_order="0"></box>
    <skeleton label="bird" source="manual" z_order="0">
      <points label="1" source="manual" outside="0" occluded="1" points="10.50,20.25"></points>
      <points label="beak" source="manual" outside="1" occluded="0" points="3.00,4.00"></points>
    </skeleton>
  </image>
</annotations>
"""


def test_cvat_as_it_exports(tmp_path):
    path = tmp_path / "annotations.xml"
    path.write_text(CVAT)
    found = read(path, "cvat")
    assert found.categories["bird"].names == ("beak", "1")
    assert found.categories["bird"].edges == ((0, 1),)
    (pose,) = found.pictures[0].poses
    assert pose.points.tolist() == [[0, 0], [10, 19.75]]
    assert pose.visibility.tolist() == [0, 1]


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE a [<!ENTITY x "y">]>',
        '<!DOCTYPE a [<!ENTITY a "aa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
        "<!DOCTYPE a>",
    ],
)
def test_document_types_are_refused(head, tmp_path, refused):
    path = tmp_path / "annotations.xml"
    path.write_text(CVAT.replace("<annotations>", f"{head}<annotations>"))
    with refused(AnnotationError, "annotations.xml", "DOCTYPE"):
        read(path, "cvat")


@pytest.mark.parametrize("form", ["cvat", "coco", "labelstudio"])
def test_deep_nesting(form, tmp_path, refused):
    path = tmp_path / "deep"
    path.write_text("<a>" * 100_000 if form == "cvat" else "[" * 100_000)
    with refused(AnnotationError, "deep"):
        read(path, form)


@pytest.mark.parametrize("text", ["a: &a [1, 1]\nkpt_shape: *a\n", "kpt_shape: !!python/object/apply:os.getcwd []\n"])
def test_aliases_and_objects_in_yaml(text, tmp_path, refused):
    (tmp_path / "data.yaml").write_text(text)
    with refused(AnnotationError, "data.yaml", "YAML"):
        read(tmp_path, "yolo")


def test_a_bomb_of_aliases_takes_no_time(tmp_path, refused):
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    (tmp_path / "data.yaml").write_text("\n".join([*lines, "kpt_shape: *a29"]))
    with refused(AnnotationError, "data.yaml"):
        read(tmp_path, "yolo")


def test_label_studio_as_it_exports(tmp_path):
    same = {"original_width": 200, "original_height": 100, "image_rotation": 0, "to_name": "img", "origin": "manual"}
    result = [
        {"id": "Kp1", "type": "keypointlabels", "from_name": "kp", "parentID": "Box", **same,
         "value": {"x": 25.25, "y": 50.5, "width": 0.3, "keypointlabels": ["nose"]}},
        {"id": "Kp2", "type": "keypointlabels", "from_name": "kp", "parentID": "Box", **same,
         "value": {"x": 0.25, "y": 0.5, "width": 0.3, "keypointlabels": ["tail"]}},
        {"id": "Box", "type": "rectanglelabels", "from_name": "label", **same,
         "value": {"x": 10, "y": 20, "width": 50, "height": 40, "rotation": 0, "rectanglelabels": ["dog"]}},
    ]  # fmt: skip
    tasks = [
        {
            "id": 12,
            "annotations": [{"id": 3, "was_cancelled": True, "result": []}, {"id": 4, "result": result}],
            "predictions": [{"result": []}],
            "data": {"image": "/data/upload/1/1a2b3c-dog.jpg"},
        }
    ]  # fmt: skip
    path = tmp_path / "project-1-at-2024.json"
    path.write_text(json.dumps(tasks))
    found = read(path, "labelstudio")
    assert found.categories["dog"].names == ("nose", "tail")
    assert (found.pictures[0].file, found.pictures[0].size) == ("1a2b3c-dog.jpg", (200, 100))
    (pose,) = found.pictures[0].poses
    assert pose.points.tolist() == [[50, 50], [0, 0]]
    assert pose.box.tolist() == [20, 20, 100, 40]
    assert pose.visibility.tolist() == [2, 2]


DLC = {
    "one column": "scorer,Ann,Ann,Ann,Ann\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\n"
    "labeled-data/day1/img001.png,10.5,20.25,,\nlabeled-data\\day1\\img002.png,,,,\n",
    "three columns": "scorer,,,Ann,Ann,Ann,Ann\nbodyparts,,,nose,nose,tail,tail\ncoords,,,x,y,x,y\n"
    "labeled-data,day1,img001.png,10.5,20.25,nan,NaN\nlabeled-data,day1,img002.png,,,,\n",
    "animals": "scorer,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann\nindividuals,m1,m1,m1,m1,m2,m2,m2,m2\n"
    "bodyparts,nose,nose,tail,tail,nose,nose,tail,tail\ncoords,x,y,x,y,x,y,x,y\n"
    "labeled-data/day1/img001.png,,,,,10.5,20.25,,\nlabeled-data/day1/img002.png,,,,,,,,\n",
}


@pytest.mark.parametrize("layout", DLC)
def test_dlc_tables(layout, tmp_path, refused):
    path = tmp_path / "CollectedData_Ann.csv"
    path.write_text(DLC[layout])
    (tmp_path / "labeled-data/day1").mkdir(parents=True)
    for number in (1, 2):
        Image.new("RGB", (64, 48)).save(tmp_path / f"labeled-data/day1/img00{number}.png")
    found = read(path, "dlc", pictures=tmp_path)
    assert [each.file for each in found.pictures] == ["labeled-data/day1/img001.png", "labeled-data/day1/img002.png"]
    assert found.categories["Ann"].names == ("nose", "tail")
    assert [len(each.poses) for each in found.pictures] == [1, 0]
    (pose,) = found.poses()
    assert pose.points.tolist() == [[10.5, 20.25], [0, 0]]
    assert (pose.visibility.tolist(), pose.scores) == ([2, 0], None)
    with refused(UsageError, "pictures="):
        read(path, "dlc")


def test_nothing_is_read_outside_the_folder(tmp_path, refused):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "x.csv"
        path.write_text(DLC["one column"].replace("labeled-data/day1", "../../etc"))
        with refused(AnnotationError, "inside the picture folder"):
            read(path, "dlc", pictures=tmp_path)


def test_label_studio_keeps_a_pose_without_a_labelled_keypoint(tmp_path):
    absent = small_labels(visibility=np.zeros(3, dtype=np.int8), points=np.zeros((3, 2)), box=None)
    assert_same(read(write(absent, tmp_path / "x", "labelstudio"), "labelstudio"), absent, "labelstudio")
