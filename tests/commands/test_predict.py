"""`cape predict`: the whole path, what a kill leaves, every format, and pictures that are anything but ordinary."""

import io
import json
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import get_args, get_type_hints

import cv2
import numpy as np
import pytest
from PIL import Image

from cape import formats
from cape.commands import main as program
from cape.commands.predict import main, predict
from cape.commands.prompt import main as compile_prompt
from cape.formats import FORMATS, LabelledPose, Labels, PictureLabels
from cape.predictor import Predictor
from cape.skeleton import Skeleton

LOSSY = ("cvat", "yolo", "dlc")


@pytest.fixture(scope="session")
def compiled() -> dict[str, bytes]:
    """The prompt of the first fish, once it is made: every test's fish are the same."""
    return {}


@pytest.fixture
def ask(fishes, checkpoint, compiled, tmp_path: Path) -> SimpleNamespace:
    """A compiled prompt, `out`, `partial`, and `ask.run(*arguments)`, on the five fish unless they say --source."""
    weights, out = checkpoint("visual"), tmp_path / "poses.json"
    common = ["--model", str(weights), "--device", "cpu"]
    prompt = tmp_path / "fish.prompt"
    image = str(fishes.folder / "f0.png")
    if not compiled:
        assert compile_prompt(["--image", image, "--points", str(fishes.clicks), "--out", str(prompt), *common]) == 0
        compiled["fish"] = prompt.read_bytes()
    prompt.write_bytes(compiled["fish"])

    def run(*arguments: object) -> int:
        usual = ["--prompt", prompt, "--source", fishes.folder, "--out", out, *common]
        return main([str(each) for each in (*usual, *arguments)])

    return SimpleNamespace(run=run, out=out, partial=tmp_path / "poses.json.partial", prompt=prompt, common=common)


def read(path: Path, format: str = "coco") -> Labels:
    return formats.read(path, format)


def pose_of(labels: Labels, file: str) -> LabelledPose:
    (pose,) = next(picture for picture in labels.pictures if picture.file == file).poses
    return pose


# ---- what comes out


def test_the_whole_path(ask, fishes, tmp_path: Path, capsys) -> None:
    drawn = tmp_path / "drawn"
    assert ask.run("--draw", drawn, "--batch-size", "2") == 0
    labels = read(ask.out)
    assert [picture.file for picture in labels.pictures] == [f"f{index}.png" for index in range(5)]
    assert labels.categories["fish"].names == fishes.skeleton.names
    assert {picture.size for picture in labels.pictures} == {(96, 96)}
    pose = pose_of(labels, "f0.png")
    asked = np.array([point is not None for point in fishes.points])
    assert ((pose.visibility == 2) == asked).all() and pose.box.tolist() == [0, 0, 96, 96]
    assert np.isclose(pose.score, pose.scores[asked].mean())
    for index in range(5):
        with Image.open(drawn / f"f{index}.png.png") as overlay, Image.open(fishes.folder / f"f{index}.png") as before:
            assert overlay.size == (96, 96) and not np.array_equal(np.asarray(overlay), np.asarray(before))
    printed = capsys.readouterr().out
    for word in ("5 pictures, 5 poses, mean score 0.", "Least sure:", "f3.png", str(ask.out)):
        assert word in printed
    assert not ask.partial.exists()


def test_the_same_as_the_library(ask, fishes, checkpoint) -> None:
    import cape

    assert ask.run() == 0
    predictor, labels = cape.load(checkpoint("visual"), device="cpu"), read(ask.out)
    for index, found in enumerate(predictor(cape.Prompt.load(ask.prompt), fishes.folder)):
        assert np.allclose(pose_of(labels, f"f{index}.png").points[found.asked], found.points[found.asked], atol=1e-6)


def test_a_pattern_and_a_file(ask, fishes, tmp_path: Path, capsys) -> None:
    assert ask.run("--source", fishes.folder.parent / "*" / "f[12].png") == 0
    assert [each.file for each in read(ask.out).pictures] == ["fishes/f1.png", "fishes/f2.png"]
    one = tmp_path / "one.json"
    assert ask.run("--source", fishes.folder / "f1.png", "--out", one, "--category", "carp") == 0
    assert [each.file for each in read(one).pictures] == ["f1.png"] and set(read(one).categories) == {"carp"}
    assert ask.run("--source", tmp_path / "*.webp", "--out", tmp_path / "a.json") == 1
    assert "got none" in capsys.readouterr().err


def test_least_leaves_out_what_is_unsure(ask, capsys) -> None:
    assert ask.run() == 0
    whole = pose_of(read(ask.out), "f1.png")
    shown = whole.visibility > 0
    middle = float(np.median(whole.scores[shown]))
    assert ask.run("--least", str(middle), "--overwrite") == 0
    part = pose_of(read(ask.out), "f1.png")
    assert ((part.visibility > 0) == (shown & (whole.scores >= middle))).all()
    assert 0 < (part.visibility > 0).sum() < shown.sum() and not part.points[part.visibility == 0].any()
    assert ask.run("--least", "1.5") == 2


def test_the_flag_knows_every_format() -> None:
    assert set(get_args(get_args(get_type_hints(predict, include_extras=True)["format"])[0])) == set(FORMATS)


@pytest.mark.parametrize("format", FORMATS)
def test_each_format(ask, fishes, tmp_path: Path, capsys, format: str) -> None:
    assert ask.run() == 0
    out = tmp_path / f"poses.{format}"
    if format in LOSSY:
        assert ask.run("--out", out, "--format", format) == 1
        assert "--lossy" in capsys.readouterr().err and not out.exists()
    assert ask.run("--out", out, "--format", format, *(["--lossy"] if format in LOSSY else [])) == 0
    wanted, found = read(ask.out), formats.read(out, format, pictures=fishes.folder)
    for picture in wanted.pictures:
        one, other = pose_of(wanted, picture.file), pose_of(found, picture.file)
        limit = 96 if format == "yolo" else np.inf  # which cannot say "outside"
        assert np.allclose(one.points.clip(0 if format == "yolo" else -np.inf, limit), other.points, atol=1e-3)
    assert ask.run("--out", out, "--format", format, "--lossy") == 1
    assert "--overwrite" in capsys.readouterr().err
    assert ask.run("--out", out, "--format", format, "--lossy", "--overwrite") == 0


def test_frames_of_a_video(ask, fishes, tmp_path: Path, capsys) -> None:
    clip = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 5, (96, 96))
    for index in range(3):
        with Image.open(fishes.folder / f"f{index}.png") as file:
            writer.write(np.ascontiguousarray(np.asarray(file)[..., ::-1]))
    writer.release()
    drawn = tmp_path / "drawn"
    assert ask.run("--source", clip, "--draw", drawn, "--batch-size", "2") == 0
    assert [each.file for each in read(ask.out).pictures] == ["clip.avi#0", "clip.avi#1", "clip.avi#2"]
    assert sorted(each.name for each in drawn.iterdir()) == [f"clip.avi#{index}.png" for index in range(3)]
    (tmp_path / "broken.avi").write_bytes(clip.read_bytes()[:40])
    assert ask.run("--source", tmp_path / "broken.avi", "--out", tmp_path / "b.json") == 1
    assert "broken.avi" in capsys.readouterr().err


# ---- boxes


def boxes_of(*pictures: tuple[str, list[list[float] | None]], size: tuple[int, int] = (96, 96)) -> Labels:
    number, listed = 0, []
    for file, boxes in pictures:
        poses = []
        for box in boxes:
            number += 1
            where = None if box is None else np.array(box)
            poses.append(LabelledPose(number, "x", np.zeros((1, 2)), np.zeros(1, dtype=np.int8), where))
        listed.append(PictureLabels(file, size, tuple(poses)))
    return Labels({"x": Skeleton(("x",))}, tuple(listed))


def test_boxes(ask, tmp_path: Path, capsys) -> None:
    box, other = [8.0, 8.0, 60.0, 60.0], [30.0, 20.0, 60.0, 70.0]
    labels = boxes_of(("f0.png", [box, other]), ("f1.png", []), ("f2.png", [other]))
    path = formats.write(labels, tmp_path / "boxes.json", "coco")
    assert ask.run("--boxes", f"coco:{path}", "--draw", tmp_path / "drawn") == 0
    found = {each.file: [pose.box.tolist() for pose in each.poses] for each in read(ask.out).pictures}
    assert found == {"f0.png": [box, other], "f1.png": [], "f2.png": [other],
                     "f3.png": [[0, 0, 96, 96]], "f4.png": [[0, 0, 96, 96]]}  # fmt: skip
    printed = capsys.readouterr().out
    assert "5 pictures, 5 poses" in printed and "2 pictures are not in" in printed
    first, second = read(ask.out).pictures[0].poses
    assert not np.allclose(first.points, second.points, atol=0.1)


def test_boxes_that_do_not_fit(ask, tmp_path: Path, capsys) -> None:
    box = [8.0, 8.0, 60.0, 60.0]
    for name, labels, word in (
        ("none", boxes_of(("f0.png", [None])), "f0.png: box"),
        ("flat", boxes_of(("f0.png", [[1.0, 1.0, 0.0, 5.0]])), "f0.png: box"),
        ("size", boxes_of(("f0.png", [box]), size=(50, 96)), "50 x 96"),
    ):
        path = formats.write(labels, tmp_path / f"{name}.json", "coco")
        assert ask.run("--boxes", f"coco:{path}") == 1, name
        assert word in capsys.readouterr().err, name
        assert not ask.partial.exists() and not ask.out.exists()
    assert ask.run("--boxes", str(tmp_path / "none.json")) == 1
    assert "FORMAT:PATH" in capsys.readouterr().err


# ---- several objects in a picture


def test_instances(ask, fishes, tmp_path: Path, capsys) -> None:
    wide = tmp_path / "wide"
    wide.mkdir()
    pictures = [np.asarray(Image.open(fishes.folder / f"f{index}.png").convert("RGB")) for index in (0, 1)]
    Image.fromarray(np.concatenate(pictures, axis=1)).save(wide / "two.png")
    Image.new("RGB", (200, 96)).save(wide / "blank.png")
    options = ["--source", wide, "--instances", "3", "--draw", tmp_path / "drawn"]
    assert ask.run(*options, "--sure", "0") == 0
    found = {each.file: each.poses for each in read(ask.out).pictures}
    assert 1 < len(found["two.png"]) <= 3 and all(pose.box[2] < 192 for pose in found["two.png"])
    middle = max(pose.score for pose in found["two.png"]) - 1e-6
    assert ask.run(*options, "--sure", str(middle), "--overwrite") == 0
    assert len({each.file: each.poses for each in read(ask.out).pictures}["two.png"]) == 1
    assert ask.run("--instances", "2", "--boxes", "coco:x.json", "--overwrite") == 1
    assert "no --boxes" in capsys.readouterr().err


# ---- kills


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, BaseException], None]:
    """`killed(n, error)`: the predictor raises at its call n, counted from 0."""
    plain = Predictor.__call__

    def arm(number: int, error: BaseException) -> None:
        calls = iter(range(1000))

        def call(self, *arguments, **options):
            if next(calls) == number:
                raise error
            return plain(self, *arguments, **options)

        monkeypatch.setattr(Predictor, "__call__", call)

    yield arm
    monkeypatch.setattr(Predictor, "__call__", plain)


@pytest.mark.parametrize("error", [RuntimeError("power cut"), KeyboardInterrupt()], ids=["crash", "interrupt"])
def test_a_kill_loses_nothing(ask, tmp_path: Path, killed, capsys, error: BaseException) -> None:
    whole = tmp_path / "whole.json"
    assert ask.run("--out", whole, "--batch-size", "2") == 0
    killed(1, error)
    if isinstance(error, KeyboardInterrupt):
        assert ask.run("--batch-size", "2") != 0
        assert "Nothing is lost: 2 pictures" in capsys.readouterr().out
    else:
        with pytest.raises(RuntimeError):
            ask.run("--batch-size", "2")
    assert not ask.out.exists()
    content = ask.partial.read_bytes()
    assert [json.loads(line).get("picture") for line in content.splitlines()] == [None, "f0.png", "f1.png"]

    assert ask.run("--batch-size", "2") == 1
    assert "--resume" in capsys.readouterr().err and ask.partial.read_bytes() == content
    seen: list[int] = []
    plain = Predictor.__call__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Predictor, "__call__", lambda self, prompt, pictures, *rest, **options: (
            seen.append(len(pictures)) or plain(self, prompt, pictures, *rest, **options)))  # fmt: skip
        assert ask.run("--batch-size", "2", "--resume") == 0
    assert seen == [2, 1], "what was done is not done again"
    assert "2 pictures are done already" in capsys.readouterr().out
    assert not ask.partial.exists() and equal(read(ask.out), read(whole))


def equal(one: Labels, other: Labels) -> bool:
    same = [each.file for each in one.pictures] == [each.file for each in other.pictures]
    pairs = zip(one.poses(), other.poses(), strict=True)
    return same and all(
        a.id == b.id and np.allclose(a.points, b.points, atol=1e-3) and np.allclose(a.scores, b.scores, atol=1e-5)
        for a, b in pairs
    )


@pytest.mark.parametrize("cut", [1, 40, 10_000])
def test_a_line_cut_short(ask, tmp_path: Path, killed, cut: int) -> None:
    """By a kill in the middle of writing; 10,000 bytes cut the head as well."""
    whole = tmp_path / "whole.json"
    assert ask.run("--out", whole) == 0
    killed(2, RuntimeError())
    with pytest.raises(RuntimeError):
        ask.run("--batch-size", "1")
    content = ask.partial.read_bytes()
    ask.partial.write_bytes(content[: max(20, len(content) - cut)])
    assert ask.run("--resume") == 0
    assert equal(read(ask.out), read(whole))


def test_overlays_that_are_missing_are_drawn(ask, tmp_path: Path, killed) -> None:
    killed(3, RuntimeError())
    with pytest.raises(RuntimeError):
        ask.run("--batch-size", "1")
    assert ask.run("--resume", "--draw", tmp_path / "drawn") == 0
    assert len(list((tmp_path / "drawn").iterdir())) == 5
    assert len(read(ask.out).pictures) == 5


@pytest.fixture
def cut_short(ask, killed) -> SimpleNamespace:
    """`ask`, after a run that was killed with two pictures done."""
    killed(1, RuntimeError())
    with pytest.raises(RuntimeError):
        ask.run("--batch-size", "2")
    return ask


def test_a_partial_of_another_run_is_refused(cut_short, fishes, checkpoint, tmp_path: Path, capsys) -> None:
    ask = cut_short
    content = ask.partial.read_bytes()
    prompt = tmp_path / "eye.prompt"
    clicks = tmp_path / "eye.json"
    clicks.write_text("[[40, 40]]")
    arguments = ["--image", fishes.folder / "f0.png", "--points", clicks, "--out", prompt, *ask.common]
    assert compile_prompt([str(each) for each in arguments]) == 0
    boxes = formats.write(boxes_of(("f0.png", [[8.0, 8.0, 60.0, 60.0]])), tmp_path / "boxes.json", "coco")
    for change, word in (
        (["--prompt", prompt], "another prompt"),
        (["--model", checkpoint("both")], "another model"),
        (["--source", fishes.folder / "*.png"], "another source"),
        (["--boxes", f"coco:{boxes}"], "another boxes"),
        (["--no-zoom"], "another zoom"),
        (["--instances", "2"], "another instances"),
    ):
        capsys.readouterr()
        assert ask.run("--resume", *change) == 1
        assert word in capsys.readouterr().err
        assert ask.partial.read_bytes() == content and not ask.out.exists()


def test_a_damaged_partial_is_refused(cut_short, capsys) -> None:
    ask = cut_short
    lines = ask.partial.read_bytes().splitlines(keepends=True)
    for damage in (b"null\n", b"{}\n", b"[]\n", b"\xff\n", lines[1].replace(b'"points": [[', b'"points": [[1], ['),
                   re.sub(rb'"scores": \[[^,]*', b'"scores": [NaN', lines[1])):  # fmt: skip
        ask.partial.write_bytes(lines[0] + damage + lines[2])
        assert ask.run("--resume") == 1
        assert "poses.json.partial" in capsys.readouterr().err
    assert ask.run("--overwrite") == 0
    assert len(read(ask.out).pictures) == 5 and not ask.partial.exists()


# ---- pictures that are anything but ordinary


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


# ---- what is refused before the work


def test_targets(ask, fishes, tmp_path: Path, capsys) -> None:
    there = tmp_path / "there.json"
    there.write_text("old")
    for arguments, word in (
        (["--out", there], "--overwrite"),
        (["--out", fishes.folder], "one that exists"),
        (["--out", there / "x.json"], "a file that can be written"),
        (["--draw", fishes.folder], "overlays are not taken for pictures"),
        (["--draw", fishes.folder.parent], "overlays are not taken for pictures"),
        (["--draw", there], "a file that can be written"),
        (["--prompt", tmp_path / "absent.prompt"], "no such file"),
        (["--prompt", there], "a whole .prompt file"),
        (["--source", tmp_path / "absent.png"], "no such file"),
        (["--category", "a\0b"], "whole characters"),
        (["--model", tmp_path / "absent.safetensors"], "no such file"),
    ):
        assert ask.run(*arguments) == 1, arguments
        assert word in capsys.readouterr().err, arguments
        assert there.read_text() == "old" and not ask.partial.exists()
    assert ask.run("--format", "tiff") == 2


def test_what_a_format_refuses_at_the_end_is_kept(ask, tmp_path: Path, capsys) -> None:
    """Label Studio has no place for the scores of a pose without a keypoint."""
    out = tmp_path / "tasks"
    assert ask.run("--out", out, "--format", "labelstudio", "--least", "1") == 1
    assert "Nothing is lost: 5 pictures" in capsys.readouterr().out
    assert ask.run("--out", out, "--format", "labelstudio", "--least", "1", "--lossy", "--resume") == 0


def test_another_model_compiles_the_prompt_again(ask, checkpoint, capsys) -> None:
    assert ask.run("--model", checkpoint("both")) == 0
    assert "compiled again" in capsys.readouterr().out


def test_help_teaches(capsys) -> None:
    assert program(["predict", "--help"]) == 0
    printed = capsys.readouterr().out
    for word in ("Example: cape predict", "--resume", "clip.mp4#12", "--boxes"):
        assert word in printed
