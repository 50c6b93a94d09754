"""`cape.annotator.pictures` and `decoding`: what is let in, what is shown, and that originals stay as they are."""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import annotating as an
import numpy as np
import pytest
from PIL import Image

SAVED = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}}


def exif(orientation: int) -> bytes:
    found = Image.Exif()
    found[0x0112] = orientation
    found[0x010E] = "<script>alert(1)</script>"
    return found.tobytes()


def shown(project: an.Project, picture: dict, kind: str = "image") -> Image.Image:
    answer = project.get(f"/pictures/{picture['id']}/{kind}")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in answer.headers["cache-control"]
    return Image.open(io.BytesIO(answer.content))


def test_a_folder_is_looked_through_and_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    an.fill(folder, 3)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*.png")}
    (folder / "set" / "copy.png").write_bytes(an.picture_bytes(0))
    (folder / "set" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (folder / "notes.txt").write_text("no picture")
    (folder / "set" / "out.png").symlink_to("/etc/hostname")
    project = an.Project(folder)
    project.desk.scan().join(30)
    assert [each["file"] for each in project.pictures()] == ["set/00.png", "set/01.png", "set/02.png"]
    assert len(project.desk.left_out) == 1
    assert "broken.png" in project.desk.left_out[0]
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    assert all(
        hashlib.sha256(path.read_bytes()).hexdigest()[:20] == each["id"]
        for path, each in zip(sorted(before), project.pictures(), strict=True)
    )
    project.close()


def test_a_picture_that_was_moved_is_the_same_picture(tmp_path: Path) -> None:
    project = an.Project(tmp_path / "project", pictures=2)
    picture = project.pictures()[0]
    project.operate(an.set_picture(picture, "done"))
    project.close()
    (project.folder / picture["file"]).rename(project.folder / "moved.png")
    again = an.Project(project.folder)
    again.desk.scan().join(30)
    (found,) = [each for each in again.pictures() if each["id"] == picture["id"]]
    assert (found["file"], found["state"], len(again.pictures())) == ("moved.png", "done", 2)
    again.close()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_eight_orientations_are_shown_alike(project: an.Project, format: str) -> None:
    upright = Image.open(io.BytesIO(an.picture_bytes(1, size=(64, 48))))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    for orientation in range(1, 9):
        turned = upright.transpose(back[orientation]) if orientation > 1 else upright
        content = io.BytesIO()
        turned.save(content, format, exif=exif(orientation), **SAVED.get(format, {}))
        answer = project.send("/pictures", content.getvalue(), name="photo")
        picture = answer["picture"]
        assert (picture["width"], picture["height"]) == (64, 48), orientation
        copy = shown(project, picture)
        assert not copy.getexif()
        assert np.abs(np.asarray(copy.convert("RGB"), float) - np.asarray(upright, float)).mean() < 4, orientation


@pytest.mark.parametrize(
    ("mode", "format"),
    [
        ("1", "PNG"),
        ("L", "PNG"),
        ("P", "PNG"),
        ("LA", "PNG"),
        ("RGBA", "PNG"),
        ("I;16", "PNG"),
        ("CMYK", "JPEG"),
        ("L", "TIFF"),
    ],
)
def test_kinds_of_pixels_that_are_read(project: an.Project, mode: str, format: str) -> None:
    grey = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (24, 1))
    source = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    content = io.BytesIO()
    source.save(content, format)
    copy = shown(project, project.send("/pictures", content.getvalue(), name="x")["picture"])
    assert copy.mode == "RGB"
    ramp = np.asarray(copy, float).mean(axis=(0, 2))
    assert ramp[-4:].mean() - ramp[:4].mean() > 150


def test_an_upload_gets_a_name_of_ours(project: an.Project) -> None:
    for number, name in enumerate(
        ("../../x.png", "CON", "..\\..\\y", "<img onerror=alert(1)>.png", ".hidden", "é ü.PNG", "a" * 200)
    ):
        answer = project.send("/pictures", an.picture_bytes(60 + number), name=name)
        file = answer["picture"]["file"]
        assert file.startswith("pictures/")
        assert ".." not in file
        assert "<" not in file
        assert (project.folder / file).is_file()
    assert {path.name for path in project.folder.parent.iterdir()} == {"project"}


def test_the_same_content_is_one_picture(project: an.Project) -> None:
    first = project.send("/pictures", an.picture_bytes(70), name="a.png")
    again = project.send("/pictures", an.picture_bytes(70), name="b.png")
    assert (first["existing"], again["existing"]) == (False, True)
    assert first["picture"] == again["picture"]
    assert len(list((project.folder / "pictures").iterdir())) == 1


def test_uploads_at_once_of_one_name_are_several_files(project: an.Project) -> None:
    contents = [an.picture_bytes(number) for number in (90, 91, 92, 93, 90)]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda content: project.send("/pictures", content, name="same.png"), contents))
    files = {answer["picture"]["file"] for answer in answers}
    assert len(files) == 4
    assert {(project.folder / file).read_bytes() for file in files} == set(contents)
    assert len(list((project.folder / "pictures").iterdir())) == 4


def test_a_zip_behind_a_picture_is_not_handed_on(project: an.Project) -> None:
    content = an.picture_bytes(71, format="JPEG") + b"PK\x03\x04<script>alert(1)</script>"
    picture = project.send("/pictures", content, name="polyglot.jpg")["picture"]
    assert b"script" not in project.get(f"/pictures/{picture['id']}/image").content
    assert (project.folder / picture["file"]).read_bytes() == content


def test_thumbnails_and_an_emptied_cache(project: an.Project) -> None:
    picture = project.send("/pictures", an.picture_bytes(5, size=(1000, 400)), name="wide")["picture"]
    assert shown(project, picture, "thumbnail").size == (256, 102)
    for path in (project.folder / "cache").rglob("*.*g"):
        path.unlink()
    assert shown(project, picture).size == (1000, 400)
    (project.folder / picture["file"]).write_bytes(an.picture_bytes(6))
    for path in (project.folder / "cache").rglob("*.*g"):
        path.unlink()
    project.get(f"/pictures/{picture['id']}/image", 415)


def test_a_child_that_dies_is_replaced(project: an.Project) -> None:
    child = project.desk.album._child._process
    assert child is not None
    child.kill()
    child.wait()
    project.send("/pictures", an.picture_bytes(80), name="next")
