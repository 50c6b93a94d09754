"""`cape predict` on pictures that are anything but ordinary."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from asked import pose_of, read
from PIL import Image


@pytest.mark.parametrize("lenient", [False, True])
def test_a_broken_picture(ask, fishes, capsys, lenient: bool) -> None:
    (fishes.folder / "f2.png").write_bytes((fishes.folder / "f2.png").read_bytes()[:300])
    (fishes.folder / "f4.png").write_text("no picture")
    assert ask.run("--lenient" if lenient else "--overwrite") == (0 if lenient else 1)
    said = capsys.readouterr()
    if lenient:
        assert [each.file for each in read(ask.out).pictures] == ["f0.png", "f1.png", "f3.png"]
        assert "2 pictures could not be used" in said.out and "f2.png" in said.out and "f4.png" in said.out
        return
    assert "f2.png" in said.err and not ask.out.exists()
    assert "Nothing is lost: 2 pictures" in said.out, "those before it were looked at"
    assert ask.run("--lenient", "--resume") == 0
    assert len(read(ask.out).pictures) == 3


def test_nothing_but_broken_pictures(ask, fishes, capsys) -> None:
    for path in fishes.folder.iterdir():
        path.write_bytes(b"")
    assert ask.run("--lenient") == 1
    assert "none of 5" in capsys.readouterr().err
    assert not ask.out.exists() and not ask.partial.exists()


def test_orientations(ask, fishes, tmp_path: Path) -> None:
    """Eight files that are the same picture upright; how the pixels are stored is undone by hand."""
    folder = tmp_path / "turned"
    folder.mkdir()
    with Image.open(fishes.folder / "f1.png") as file:
        upright = file.crop((0, 10, 96, 80)).convert("RGB")
    turns = Image.Transpose
    stored = [None, turns.FLIP_LEFT_RIGHT, turns.ROTATE_180, turns.FLIP_TOP_BOTTOM, turns.TRANSPOSE, turns.ROTATE_90,
              turns.TRANSVERSE, turns.ROTATE_270]  # fmt: skip
    for orientation, turn in enumerate(stored, start=1):
        exif = Image.Exif()
        exif[0x0112] = orientation
        (upright if turn is None else upright.transpose(turn)).save(folder / f"{orientation}.png", exif=exif)
    assert ask.run("--source", folder, "--draw", tmp_path / "drawn") == 0
    labels = read(ask.out)
    assert {picture.size for picture in labels.pictures} == {(96, 70)}
    first = pose_of(labels, "1.png")
    for orientation in range(2, 9):
        assert np.allclose(pose_of(labels, f"{orientation}.png").points, first.points, atol=1e-3), orientation
    assert len({(tmp_path / "drawn" / f"{number}.png.png").read_bytes() for number in range(1, 9)}) == 1


def bomb(side: int) -> bytes:
    """A PNG of few bytes whose header promises a picture of this side."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


def odd_pictures(plain: Image.Image) -> dict[str, bytes]:
    def encoded(picture: Image.Image, form: str, **options) -> bytes:
        data = io.BytesIO()
        picture.save(data, form, **options)
        return data.getvalue()

    grey = Image.fromarray(np.asarray(plain.convert("L")).astype(np.uint16) * 257)
    jpeg = encoded(plain, "JPEG")
    return {
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "moving.gif": encoded(plain, "GIF", save_all=True, append_images=[plain.transpose(Image.Transpose.ROTATE_90)]),
        "gif.png": encoded(plain, "GIF"),
        "bomb.png": bomb(20_000),
        "empty.png": b"",
        "deep.png": encoded(grey, "PNG"),
        "cmyk.jpg": encoded(plain.convert("CMYK"), "JPEG"),
        "palette.png": encoded(plain.convert("P"), "PNG"),
        "clear.png": encoded(plain.convert("RGBA"), "PNG"),
        "dot.png": encoded(plain.resize((1, 1)), "PNG"),
        "line.png": encoded(plain.resize((400, 1)), "PNG"),
    }


BROKEN = {
    "cut.jpg": "readable",
    "moving.gif": "something else",
    "gif.png": "something else",
    "bomb.png": "at most 100,000,000 pixels",
    "empty.png": "something else",
}


def test_odd_pictures(ask, fishes, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    with Image.open(fishes.folder / "f1.png") as plain:
        odd = odd_pictures(plain.convert("RGB"))
    for name, content in odd.items():
        (folder / name).write_bytes(content)
    for name, word in BROKEN.items():
        assert ask.run("--source", folder / name, "--out", tmp_path / "x.json") == 1, name
        error = capsys.readouterr().err
        assert name in error, error
        assert word in error and ".. " not in error, error
    assert ask.run("--source", folder, "--lenient", "--draw", tmp_path / "drawn") == 0
    found = {each.file: each.size for each in read(ask.out).pictures}
    assert found == {"deep.png": (96, 96), "cmyk.jpg": (96, 96), "palette.png": (96, 96), "clear.png": (96, 96),
                     "dot.png": (1, 1), "line.png": (400, 1)}  # fmt: skip
    printed = capsys.readouterr().out
    assert "4 pictures could not be used" in printed and "Left out: 1 .gif. cape reads" in printed
