"""`cape lift` and `cape predict --lift`: the three files, what is filled in, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lifter_files import CRITIC, SEQUENCE, write_lifter, write_poses
from PIL import Image

from cape.commands.lift import main as lift
from cape.commands.prompt import main as compile_prompt
from cape.data.skeletons import read_skeleton


def run(tmp_path: Path, *flags: str, lifter: dict[str, Any] | None = None, poses: Path | None = None) -> int:
    path = poses or write_poses(tmp_path / "poses.json")
    weights = write_lifter(tmp_path / "x.safetensors", **(lifter or {}))
    return lift([f"coco:{path}", str(weights), str(tmp_path / "out" / "space.json"), "--device", "cpu", *flags])


def test_the_three_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == 0
    content = json.loads((tmp_path / "out" / "space.json").read_text())
    assert content["joints"] == list(read_skeleton("cmu17").names) and "metres" in content["unit"]
    assert [person["name"] for person in content["people"]] == ["v.mp4", "a.jpg"]
    frames = content["people"][0]["frames"]
    assert [frame["picture"] for frame in frames] == [f"v.mp4#{frame}" for frame in range(5)]
    assert all(len(frame["joints"]) == 17 and isinstance(frame["energy"], float) for frame in frames)
    with Image.open(tmp_path / "out" / "space.png") as picture:
        assert min(picture.size) > 300
    assert "v.mp4#4" in (tmp_path / "out" / "space.html").read_text()
    printed = capsys.readouterr().out
    assert "Poses in space: 6. People: 2." in printed and "Highest energy" in printed


def test_without_a_loss_net_there_are_no_energies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, lifter={"critic": None}) == 0
    content = json.loads((tmp_path / "out" / "space.json").read_text())
    assert {frame["energy"] for person in content["people"] for frame in person["frames"]} == {None}
    assert "no loss-net" in content["energy"] and "Highest energy" not in capsys.readouterr().out


def test_short_sequences_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, lifter={"lifter": SEQUENCE}) == 0
    assert "looks at 9 frames: 2 shorter sequences were extended" in capsys.readouterr().out


def test_pictures_in_a_sequence_fill_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole of a film and a picture as one: two people, as they are far apart, or one where they are not."""
    poses = write_poses(tmp_path / "poses.json")
    content = json.loads(poses.read_text())
    for record in content["annotations"]:
        record["keypoints"] = content["annotations"][0]["keypoints"][:]
    content["annotations"][2]["keypoints"][3 * 9 : 3 * 10] = [0, 0, 0]  # the left wrist
    poses.write_text(json.dumps(content))
    for image in content["images"]:
        image.update(width=100, height=100)
    poses.write_text(json.dumps(content))
    assert run(tmp_path, "--sequence", poses=poses) == 0
    (person,) = json.loads((tmp_path / "out" / "space.json").read_text())["people"]
    assert [frame["filled"] for frame in person["frames"]] == [[], [], ["left_wrist"], [], [], []]
    assert "between their neighbours in time: 1." in capsys.readouterr().out


def annotation(change: Callable[[list], None]) -> Callable[[dict], None]:
    """Spoil the keypoints of the picture of its own."""
    return lambda content: change(content["annotations"][-1]["keypoints"])


BAD = {
    "nan": (annotation(lambda points: points.__setitem__(3, float("nan"))), "annotation 6"),
    "exploded": (annotation(lambda points: points.__setitem__(3 * 9, 1e7)), "half widths"),
    "a joint that is not seen": (annotation(lambda points: points.__setitem__(3 * 9 + 2, 0)), "left_wrist"),
    "no pose": (lambda content: content.update(annotations=[]), "an empty sequence"),
    "fewer keypoints": (
        lambda content: (
            content["categories"][0].update(keypoints=content["categories"][0]["keypoints"][:13], skeleton=[], swap=[]),
            content["categories"][0].pop("parts", None),
            [each.update(keypoints=each["keypoints"][:39]) for each in content["annotations"]],
        ),
        "left_knee",
    ),
    "another count": (annotation(lambda points: points.pop()), "annotation 6"),
}


@pytest.mark.parametrize(("change", "words"), BAD.values(), ids=BAD)
def test_bad_keypoints(tmp_path: Path, change: Callable[[dict], Any], words: str, capsys) -> None:
    """One error that names the place; nothing is written."""
    poses = write_poses(tmp_path / "poses.json")
    content = json.loads(poses.read_text())
    change(content)
    poses.write_text(json.dumps(content))
    assert run(tmp_path, poses=poses) == 1
    printed = capsys.readouterr().err
    assert words in printed and "expected" in printed and "Traceback" not in printed
    assert not (tmp_path / "out" / "space.json").exists()


def test_lenient_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    poses = write_poses(tmp_path / "poses.json")
    content = json.loads(poses.read_text())
    content["annotations"][-1]["keypoints"][3 * 9 + 2] = 0
    poses.write_text(json.dumps(content))
    assert run(tmp_path, "--lenient", poses=poses) == 0
    assert len(json.loads((tmp_path / "out" / "space.json").read_text())["people"]) == 1
    assert "People who were left out: 1. The first: a.jpg" in " ".join(capsys.readouterr().out.split())


def test_what_is_refused_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == 0
    (tmp_path / "out" / "space.json").unlink()
    assert run(tmp_path) == 1
    assert "space.png: expected a new name" in " ".join(capsys.readouterr().err.split())
    assert run(tmp_path, "--overwrite") == 0
    argv = [f"coco:{tmp_path / 'poses.json'}", str(tmp_path / "x.safetensors")]
    assert lift([*argv, str(tmp_path / "space.html")]) == 1
    assert "ends in .json" in capsys.readouterr().err
    assert lift([str(tmp_path / "poses.json"), argv[1], str(tmp_path / "b.json")]) == 1
    assert "FORMAT:PATH" in capsys.readouterr().err


def test_predict_lifts_what_it_finds(ask, checkpoint, body, tmp_path: Path, capsys) -> None:
    """A prompt of COCO's names, found by a whole-body model: as `cape lift` of what was written."""
    model, prompt = str(checkpoint("both")), tmp_path / "person.prompt"
    names = ",".join(name.replace("_", " ") for name in read_skeleton("coco").names)
    common = ["--model", model, "--device", "cpu"]
    assert compile_prompt(["--names", names, *common, "--human", str(body), "--out", str(prompt)]) == 0
    weights = write_lifter(tmp_path / "x.safetensors", critic=CRITIC)
    flags = ("--prompt", prompt, "--model", model, "--human", body, "--lift", weights)
    assert ask.run(*flags) == 0
    found = json.loads((ask.out.parent / "poses_3d.json").read_text())
    assert len(found["people"]) == 5 and (ask.out.parent / "poses_3d.html").exists()
    assert lift([f"coco:{ask.out}", str(weights), str(tmp_path / "again.json"), "--device", "cpu"]) == 0
    assert json.loads((tmp_path / "again.json").read_text())["people"] == found["people"]
    capsys.readouterr()
    assert ask.run(*flags, "--out", tmp_path / "b.json", "--lift", body) == 1
    assert "a lifter" in capsys.readouterr().err and not (tmp_path / "b.json").exists()


def test_predict_refuses_what_no_lifter_takes(ask, tmp_path: Path, capsys) -> None:
    """A fish has no hips: said before the work."""
    assert ask.run("--lift", write_lifter(tmp_path / "x.safetensors")) == 1
    assert "pelvis" in capsys.readouterr().err and not ask.out.exists()
