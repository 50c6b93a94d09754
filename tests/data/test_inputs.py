"""`cape.data.inputs`: whatever holds pictures, in the order that one expects."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cape.data.inputs import left_out, looks_at, names_of, pictures_of
from cape.errors import CapeError, PictureError, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place, name in enumerate(["b.png", "a.JPG", "c.jpeg"]):
        Image.new("RGB", (20 + place, 10), (40 * place, 0, 0)).save(
            tmp_path / name, "JPEG" if "J" in name.upper() else "PNG"
        )
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def names(inputs: object) -> list[str]:
    return [Path(each.name).name for each in pictures_of(inputs)]


def test_files_folders_patterns_and_mixtures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(folder) == names(str(folder)) == ["a.JPG", "b.png", "c.jpeg"]
    assert names(folder / "b.png") == ["b.png"]
    assert names(str(folder / "*.png")) == ["b.png"] and names(str(folder / "?.j*")) == ["c.jpeg"]
    assert names([folder / "b.png", folder]) == ["b.png", "a.JPG", "b.png", "c.jpeg"]
    monkeypatch.chdir(folder)
    assert names("*.png") == ["b.png"] and names_of(".")[0] == "a.JPG"
    odd = folder / "what[1].png"
    Image.new("RGB", (5, 5)).save(odd)
    assert names(odd) == ["what[1].png"]  # a file that exists is no pattern


def test_pictures_of_other_formats_are_left_out_and_counted(folder: Path) -> None:
    assert left_out(folder) == "" == left_out(folder / "b.png")
    for name in ("x.gif", "y.GIF", "z.heic"):
        (folder / name).write_bytes(b"")
    assert left_out(folder) == "2 .gif, 1 .heic" and left_out(str(folder / "z.*")) == "1 .heic"
    with pytest.warns(UserWarning, match="left out 2 .gif, 1 .heic, cape reads .bmp, .jpeg"):
        assert names(folder) == ["a.JPG", "b.png", "c.jpeg"]
    with pytest.raises(UsageError, match=r"got 2 \.gif"):
        names_of(str(folder / "*.[gG]*"))


def test_arrays_and_pillow_pictures(folder: Path) -> None:
    array = np.zeros((4, 6, 3), dtype=np.uint8)
    opened = Image.open(folder / "b.png")
    found = [*pictures_of([array, opened, Image.new("L", (3, 2))])]
    assert [each.pixels.shape for each in found] == [(4, 6, 3), (10, 20, 3), (2, 3, 3)]
    assert [Path(each.name).name for each in found] == ["", "b.png", ""]


def test_an_iterable_is_read_as_needed(folder: Path) -> None:
    def some():
        yield folder / "b.png"
        raise AssertionError("read too far")

    assert next(pictures_of(some())).name.endswith("b.png")


def test_frames_of_a_video(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, (64, 48))
    for shade in (0, 120, 240):
        video.write(np.full((48, 64, 3), (shade, 0, 0), dtype=np.uint8))  # blue, as OpenCV orders colours
    video.release()
    found = [*pictures_of(path)]
    assert [Path(each.name).name for each in found] == ["clip.avi#0", "clip.avi#1", "clip.avi#2"]
    assert abs(int(found[2].pixels[20, 20, 2]) - 240) < 12 and found[2].pixels[20, 20, 0] < 12
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(PictureError, match="frame"):
        next(pictures_of(tmp_path / "broken.mp4"))


@pytest.mark.parametrize(
    ("inputs", "kind", "words"),
    [
        ("none.png", PictureError, "no such file"),
        ("no*.png", UsageError, "none"),
        (3, UsageError, "int"),
        (np.zeros((4, 4), dtype=np.uint8), PictureError, "4 x 4"),
        (np.zeros((4, 4, 3)), PictureError, "float64"),
        (np.zeros((0, 4, 3), dtype=np.uint8), PictureError, "0 x 4"),
    ],
)
def test_what_is_no_picture_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: object, kind: type[CapeError], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=words):
        list(pictures_of(inputs))
    with pytest.raises(UsageError, match="none"):
        list(pictures_of(tmp_path))


def test_looks(folder: Path) -> None:
    whole = next(looks_at(folder / "b.png", None))
    assert whole.box.tolist() == [0, 0, 21, 10] or whole.box.tolist() == [0, 0, 20, 10]
    assert whole.square.side == pytest.approx(whole.box[2])  # all of it, nothing around
    (boxed,) = looks_at(folder / "b.png", [2, 2, 8, 4])
    assert boxed.square.side == pytest.approx(10) and (boxed.square.x, boxed.square.y) == (6, 4)
    several = [*looks_at([folder / "a.JPG", folder / "b.png"], [None, [[0, 0, 4, 4], [1, 1, 4, 4]]])]
    assert [each.box.tolist()[2] for each in several][1:] == [4, 4] and len(several) == 3
