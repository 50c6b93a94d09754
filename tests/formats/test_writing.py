"""What the writers of `cape.formats` put into files, figure by figure, as the other tools read it."""

import csv
import json
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest
import yaml
from labelled import fitting_labels, small_labels

from cape.errors import FormatError
from cape.formats import FORMATS, Labels, PictureLabels, read, write
from cape.formats.table import escape, unescape
from cape.formats.writing import numbered
from cape.skeleton import Skeleton


def test_coco(tmp_path):
    content = json.loads(write(small_labels(score=0.5), tmp_path / "x.json", "coco").read_text())
    assert content["categories"][0]["skeleton"] == [[1, 2], [1, 3]]
    assert content["categories"][0]["swap"] == [[2, 3]]
    assert content["images"][0] == {"id": 1, "file_name": "a/b.png", "width": 64, "height": 48}
    assert content["annotations"] == [
        {
            "id": 1, "image_id": 1, "category_id": 1, "num_keypoints": 2, "iscrowd": 0, "score": 0.5,
            "keypoints": [10.0, 20.0, 2, 12.5, 16.25, 1, 0.0, 0.0, 0], "bbox": [5.0, 8.0, 20.0, 30.0], "area": 600.0,
        }
    ]  # fmt: skip


def test_pycocotools_takes_it(tmp_path, capsys):
    coco = pytest.importorskip("pycocotools.coco")
    tool = coco.COCO(str(write(small_labels(), tmp_path / "x.json", "coco")))
    (annotation,) = tool.loadAnns(tool.getAnnIds(catIds=[1]))
    assert annotation["num_keypoints"] == 2
    assert "index created" in capsys.readouterr().out


def test_yolo(tmp_path):
    folder = write(small_labels(), tmp_path / "x", "yolo")
    head = yaml.safe_load((folder / "data.yaml").read_text())
    assert head["kpt_shape"] == [3, 3]
    assert head["flip_idx"] == [0, 2, 1]
    assert head["names"] == {0: "cat"}
    assert head["kpt_names"] == {0: ["nose", "left eye", "right eye"]}
    cells = [float(cell) for cell in (folder / "labels/a/b.txt").read_text().split()]
    wanted = [0, 15 / 64, 23 / 48, 20 / 64, 30 / 48, 10 / 64, 20 / 48, 2, 12.5 / 64, 16.25 / 48, 1, 0, 0, 0]
    assert np.allclose(cells, wanted, atol=1e-9)
    assert (folder / "labels/c.txt").read_text() == ""


def test_yolo_lossy_keeps_everything_inside(tmp_path):
    points = np.array([[-10.0, 20.0], [70.0, 50.0], [0.0, 0.0]])
    out = small_labels(points=points, box=None, id=9)
    folder = write(out, tmp_path / "x", "yolo", lossy=True)
    cells = [float(cell) for cell in (folder / "labels/a/b.txt").read_text().split()]
    assert np.allclose(cells, [0, 0.5, 34 / 48, 1, 28 / 48, 0, 20 / 48, 2, 1, 1, 1, 0, 0, 0], atol=1e-9)


def test_yolo_refuses_mixed_counts_and_shared_files(tmp_path, refused):
    mixed = Labels({"cat": Skeleton(("a",)), "dog": Skeleton(("a", "b"))}, ())
    for lossy in (False, True):
        with refused(FormatError, "cat 1, dog 2"):
            write(mixed, tmp_path / "x", "yolo", lossy=lossy)
    twins = small_labels()._replace(pictures=tuple(PictureLabels(f"a.{end}", (1, 1), ()) for end in ("png", "jpg")))
    with refused(FormatError, "a.jpg"):
        write(twins, tmp_path / "x", "yolo")
    assert list(tmp_path.iterdir()) == []


def test_cvat(tmp_path):
    root = fromstring(write(small_labels(box=None), tmp_path / "x.xml", "cvat").read_text())
    labels = root.findall("meta/task/labels/label")
    assert [(each.findtext("name"), each.findtext("type"), each.findtext("parent")) for each in labels] == [
        ("cat", "skeleton", None),
        *((name, "points", "cat") for name in ("nose", "left eye", "right eye")),
    ]
    drawing = fromstring(f"<svg>{labels[0].findtext('svg')}</svg>")
    assert [(each.get("data-node-from"), each.get("data-node-to")) for each in drawing.iter("line")] == [
        ("1", "2"),
        ("1", "3"),
    ]
    assert [(each.get("data-node-id"), each.get("data-label-name")) for each in drawing.iter("circle")] == [
        ("1", "nose"),
        ("2", "left eye"),
        ("3", "right eye"),
    ]
    points = [
        tuple(each.get(key) for key in ("label", "outside", "occluded", "points"))
        for each in root.findall("image/skeleton/points")
    ]
    assert points == [
        ("nose", "0", "0", "10.5,20.5"),
        ("left eye", "0", "1", "13.0,16.75"),
        ("right eye", "1", "0", "0.5,0.5"),
    ]


def test_label_studio(tmp_path):
    folder = write(small_labels(), tmp_path / "x", "labelstudio")
    first, second = json.loads((folder / "tasks.json").read_text())
    assert first["data"]["image"] == "/data/local-files/?d=a/b.png"
    assert second["annotations"] == [{"result": []}]
    box, nose, eye, choice = first["annotations"][0]["result"]
    assert box["value"] | {} == {
        "x": 5 / 64 * 100, "y": pytest.approx(8 / 48 * 100), "width": 20 / 64 * 100, "height": pytest.approx(62.5),
        "rotation": 0, "rectanglelabels": ["cat"],
    }  # fmt: skip
    assert (nose["parentID"], nose["value"]["keypointlabels"]) == (box["id"], ["nose"])
    assert nose["value"]["x"] == pytest.approx(10.5 / 64 * 100)
    assert nose["value"]["y"] == pytest.approx(20.5 / 48 * 100)
    assert (choice["id"], choice["value"]["choices"]) == (eye["id"], ["occluded"])
    set_up = fromstring((folder / "config.xml").read_text())
    names = {each.get("name") for each in set_up.iter() if each.get("name")}
    assert {region["from_name"] for region in (box, nose, eye, choice)} | {"image"} == names
    scored = small_labels(score=0.25, scores=np.array([0.5, 0.75, 0]))
    folder = write(scored, tmp_path / "y", "labelstudio")
    task = json.loads((folder / "tasks.json").read_text())[0]
    assert "annotations" not in task
    assert task["predictions"][0]["score"] == 0.25
    assert [region.get("score") for region in task["predictions"][0]["result"]] == [0.25, 0.5, 0.75, None]


def test_dlc(tmp_path):
    lines = write(fitting_labels("dlc"), tmp_path / "x.csv", "dlc").read_text().splitlines()
    assert lines == [
        "scorer,cat,cat,cat,cat,cat,cat",
        "bodyparts,nose,nose,left eye,left eye,right eye,right eye",
        "coords,x,y,x,y,x,y",
        "a/b.png,10.0,20.0,12.5,16.25,,",
        "c.png,,,,,,",
    ]


@pytest.mark.parametrize("name", ["=1+1", "@x", "-a", "+a", "'a"])
def test_dlc_refuses_formulas_and_several_categories(name, tmp_path, refused):
    with refused(FormatError, "formula"):
        write(Labels({"cat": Skeleton((name,))}, ()), tmp_path / "x", "dlc", lossy=True)
    with refused(FormatError, "exactly one category"):
        write(Labels({"cat": Skeleton(("a",)), "dog": Skeleton(("a",))}, ()), tmp_path / "x", "dlc", lossy=True)


@pytest.mark.parametrize("form", ["cvat", "yolo", "labelstudio", "dlc"])
@pytest.mark.parametrize("name", ["two\nlines", "\t", "\x1b[1m", "\x85", "\u2028", "\ufffe"])
def test_control_characters_are_refused(form, name, tmp_path, refused):
    with refused(FormatError, "control characters"):
        write(Labels({"cat": Skeleton((name,))}, ()), tmp_path / "x", form, lossy=True)
    assert list(tmp_path.iterdir()) == []


def test_csv_is_a_table_of_points(tmp_path):
    path = write(small_labels(), tmp_path / "x.csv", "csv")
    with path.open(newline="") as file:
        points = [row for row in csv.DictReader(file) if row["row"] == "point"]
    assert [(row["name"], row["x"], row["y"], row["visibility"]) for row in points] == [
        ("nose", "10.0", "20.0", "2"),
        ("left eye", "12.5", "16.25", "1"),
        ("right eye", "0.0", "0.0", "0"),
    ]
    assert {tuple(row[key] for key in ("box_x", "box_y", "box_width", "box_height")) for row in points} == {
        ("5.0", "8.0", "20.0", "30.0")
    }


@pytest.mark.parametrize("text", ["=1", "'", "''=", "a", "", "-5", "\r", "x'"])
def test_no_cell_is_a_formula(text):
    assert not escape(text).startswith(tuple("=+-@\t\r\n"))
    assert unescape(escape(text)) == text


@pytest.mark.parametrize("form", ["cvat", "labelstudio", "dlc"])
def test_lossy_names_are_numbers(form, tmp_path):
    unnamed = Labels({"cat": Skeleton(("2", "", ""))}, ())
    found = read(write(unnamed, tmp_path / "x", form, lossy=True), form)
    assert found.categories["cat"].names == numbered(unnamed.categories["cat"]) == ("2", "2'", "3")


def test_every_loss_is_in_the_list_of_formats():
    assert {form for form, module in FORMATS.items() if not module.losses(small_labels(id=7))} == {
        "coco",
        "csv",
        "labelstudio",
    }


def test_dlc_says_each_loss():
    whole = fitting_labels("dlc")
    pose = whole.pictures[0].poses[0]
    changes = {
        "occlusion": {"visibility": np.array([2, 1, 0], dtype=np.int8)},
        "without a labelled": {"visibility": np.zeros(3, dtype=np.int8), "points": np.zeros((3, 2))},
        "boxes": {"box": np.zeros(4)},
        "scores of poses": {"score": 0.5},
        "ids": {"id": 2},
    }
    for words, change in changes.items():
        changed = whole._replace(pictures=(whole.pictures[0]._replace(poses=(pose._replace(**change),)),))
        (loss,) = FORMATS["dlc"].losses(changed)
        assert words in loss
    graph = whole._replace(categories=small_labels().categories)
    assert FORMATS["dlc"].losses(graph) == ("edges", "swap pairs")
