"""`cape predict`: the whole path, every format, boxes and instances, and what is refused before the work."""

from pathlib import Path
from typing import get_args, get_type_hints

import cv2
import numpy as np
import pytest
from asked import boxes_of, pose_of, read
from PIL import Image

from cape import formats
from cape.commands import main as program
from cape.commands.predict import predict
from cape.commands.prompt import main as compile_prompt
from cape.formats import FORMATS

LOSSY = ("cvat", "yolo", "dlc")


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


def test_a_person_is_a_whole_body_models(ask, checkpoint, body, tmp_path: Path, capsys) -> None:
    both, prompt = str(checkpoint("both")), tmp_path / "person.prompt"
    names = ["--names", "nose,left wrist,right wrist,left knee,ball", "--model", both, "--device", "cpu"]
    assert compile_prompt([*names, "--human", str(body), "--out", str(prompt)]) == 0
    few, mixed = tmp_path / "few.json", tmp_path / "mixed.json"
    capsys.readouterr()
    assert ask.run("--prompt", prompt, "--model", both, "--out", few) == 0
    assert "few-shot for all" in " ".join(capsys.readouterr().out.split())
    assert ask.run("--prompt", prompt, "--model", both, "--out", mixed, "--human", body) == 0
    assert "finds 4 of 5" in " ".join(capsys.readouterr().out.split())
    one, other = (pose_of(read(path), "f1.png").points for path in (few, mixed))
    assert (np.abs(one - other).max(axis=1) > 1e-6).tolist() == [True, True, True, True, False]


def test_help_teaches(capsys) -> None:
    assert program(["predict", "--help"]) == 0
    printed = capsys.readouterr().out
    for word in ("Example: cape predict", "--resume", "clip.mp4#12", "--boxes"):
        assert word in printed
