"""`cape.annotator.exchange`: out in every format and in again, inert texts, matching, nothing brought in twice."""

import contextlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import annotating as an
import numpy as np
import pytest
from pycocotools.coco import COCO

ALL = ("coco", "csv", "cvat", "labelstudio", "yolo", "dlc")


def export(project: an.Project, *wanted: str, **more: Any) -> zipfile.ZipFile:
    answer = project.get("/export", formats=list(wanted), **more)
    assert "attachment" in answer.headers["content-disposition"]
    return zipfile.ZipFile(io.BytesIO(answer.content))


def annotated(project: an.Project, **fields: Any) -> dict[str, Any]:
    """Four pictures, the third with an absent and an occluded point."""
    made = project.add_category("tile", an.NAMES, edges=[["k0", "k1"], ["k1", "k2"]], swap=[["k0", "k1"]], **fields)
    for number, picture in enumerate(project.pictures()[:4]):
        drafted = an.instance(picture, made, move=number / 3, state="accepted")
        drafted["box"] = {"x": 10.5, "y": 8.25, "width": 100.0, "height": 90.0}
        if number == 2:
            drafted["points"][1] |= {"x": None, "y": None, "visibility": 0}
            drafted["points"][2] |= {"visibility": 1}
        project.operate(an.put_instance(drafted), an.set_picture(picture, "done"))
    return made


def points_of(project: an.Project) -> dict[str, list[tuple]]:
    found = {}
    for picture in project.pictures():
        for each in project.get(f"/pictures/{picture['id']}")["instances"]:
            found[picture["file"]] = [(point["x"], point["y"], point["visibility"]) for point in each["points"]]
    return found


def test_coco_is_read_by_pycocotools(project: an.Project, tmp_path: Path) -> None:
    annotated(project)
    archive = export(project, "coco")
    assert "NOTES.txt" in archive.namelist()
    (tmp_path / "labels.json").write_bytes(archive.read("coco/labels.json"))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(tmp_path / "labels.json")
    assert len(coco.getAnnIds()) == 4
    told = points_of(project)
    for each in coco.loadAnns(coco.getAnnIds()):
        file = coco.loadImgs(each["image_id"])[0]["file_name"]
        keypoints = np.array(each["keypoints"]).reshape(-1, 3)
        for (x, y, v), mine in zip(keypoints, told[file], strict=True):
            assert v == mine[2]
            if v:
                assert abs(x - mine[0]) <= 0.01
                assert abs(y - mine[1]) <= 0.01
    assert coco.loadCats(coco.getCatIds())[0]["keypoints"] == list(an.NAMES)


@pytest.mark.parametrize("form", ALL)
def test_out_and_in_again(project: an.Project, tmp_path: Path, form: str) -> None:
    annotated(project)
    told = points_of(project)
    archive = export(project, form)
    members = [name for name in archive.namelist() if name.startswith(f"{form}/")]
    other = an.Project(tmp_path / "other", pictures=6)
    if len(members) == 1:
        content = archive.read(members[0])
    else:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as again:
            for name in members:
                again.writestr(name.removeprefix(f"{form}/"), archive.read(name))
        content = packed.getvalue()
    query = {"id": "in", "client": "me", "format": form}
    trial = other.send("/import", content, **query, dry_run=True)
    assert (trial["instances"], trial["pictures"], trial["operation"]) == (4, 4, None)
    assert other.get("/operations")["seq"] == 0
    done = other.send("/import", content, **query)
    assert done["operation"]["seq"] == 1
    back = points_of(other)
    assert set(back) == set(told)
    for file, points in told.items():
        for (x, y, v), (u, w, seen) in zip(points, back[file], strict=True):
            assert bool(v) == bool(seen)
            assert form == "dlc" or v == seen  # DeepLabCut's tables know no occlusion
            assert not v or (abs(x - u) < 0.05 and abs(y - w) < 0.05)
    assert other.send("/import", content, **query)["operation"]["repeated"]
    again = other.send("/import", content, **(query | {"id": "in2"}))
    assert again["instances"] == 0
    assert "4 poses were there already" in again["words"]
    other.undo()
    assert points_of(other) == {}
    other.close()


def test_an_import_joins_a_category_and_adds_what_it_lacks(project: an.Project) -> None:
    made = project.add_category("tile", an.NAMES[:2])
    content = {
        "images": [
            {"id": 1, "file_name": "elsewhere/00.png", "width": an.WIDTH, "height": an.HEIGHT},
            {"id": 2, "file_name": "01.png", "width": 7, "height": 7},
            {"id": 3, "file_name": "nobody.png", "width": 7, "height": 7},
        ],
        "categories": [{"id": 1, "name": "tile", "keypoints": ["right top", "antenna"], "skeleton": []}],
        "annotations": [
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "keypoints": [3, 4, 2, 5, 6, 1],
                "bbox": [0, 0, 9, 9],
                "area": 81,
                "iscrowd": 0,
                "num_keypoints": 2,
            }
            for number in (1, 2, 3)
        ],
    }
    found = project.send("/import", json.dumps(content).encode(), id="i", client="me", format="coco")
    assert (found["instances"], found["unmatched"]) == (1, ["01.png", "nobody.png"])
    (category,) = project.get("/categories")
    assert [each["name"] for each in category["keypoints"]] == [*an.NAMES[:2], "antenna"]
    assert [each["id"] for each in category["keypoints"][:2]] == [each["id"] for each in made["keypoints"]]
    (instance,) = project.get(f"/pictures/{project.pictures()[0]['id']}")["instances"]
    assert {point["keypoint"]: point["visibility"] for point in instance["points"]}["k1"] == 2


def test_formulas_and_markup_stay_text(project: an.Project) -> None:
    names = ("=1+1", "@SUM(A1)", "<img onerror=alert(1)>", "+x")
    made = project.add_category("=cmd|' /C calc'!A0", names)
    picture = project.pictures()[0]
    project.accept_one(picture, made)
    archive = export(project, *ALL)
    for line in archive.read("csv/labels.csv").decode().splitlines():
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in line.split(","))
    xml = archive.read("cvat/labels.xml").decode()
    assert "<img" not in xml
    # DeepLabCut's table has no way to write them safely: it is left out, and said
    assert not any(name.startswith("dlc/") for name in archive.namelist())
    assert "dlc: not written" in archive.read("NOTES.txt").decode()
    assert not any(".." in name or name.startswith("/") for name in archive.namelist())


def test_what_cannot_be_held_is_said(project: an.Project) -> None:
    made = annotated(project)
    other = project.add_category("pair", ("a", "b"))
    project.accept_one(project.pictures()[5], other)
    archive = export(project, "yolo", "dlc", "coco")
    notes = archive.read("NOTES.txt").decode()
    assert {name.split("/")[1] for name in archive.namelist() if name.startswith("yolo/")} >= {"1_tile", "2_pair"}
    assert {name for name in archive.namelist() if name.startswith("dlc/")} == {"dlc/1_tile.csv", "dlc/2_pair.csv"}
    assert "yolo" in notes
    assert {name for name in archive.namelist() if name.startswith("prompts/")} == {
        "prompts/1_tile.prompt",
        "prompts/2_pair.prompt",
    }
    assert made


def test_drafts_and_rejected_ones_stay_in(project: an.Project) -> None:
    made = project.add_category()
    first, second, third, *_ = project.pictures()
    project.operate(an.put_instance(an.instance(first, made, state="accepted")))
    project.operate(an.put_instance(an.instance(second, made)))
    project.operate(an.put_instance(an.instance(third, made, state="rejected")))
    for drafts, count in ((False, 1), (True, 2)):
        labels = json.loads(export(project, "coco", drafts=drafts).read("coco/labels.json"))
        assert len(labels["annotations"]) == count


def test_an_empty_project_is_exported_too(project: an.Project) -> None:
    archive = export(project, "coco")
    assert json.loads(archive.read("coco/labels.json"))["annotations"] == []


def test_only_so_many_exports_are_kept(project: an.Project) -> None:
    folder = project.folder / "exports"
    folder.mkdir()
    for number in range(20):
        (folder / f"old-{number}.zip").write_bytes(b"x")
    export(project, "coco")
    assert len(list(folder.iterdir())) == 10
