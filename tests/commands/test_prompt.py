"""`cape prompt`: clicks in every form come out as the same prompt, and what does not fit is said in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cape import formats
from cape.commands import main as program
from cape.commands.clicks import read_box, read_pairs
from cape.commands.labelled import Labelled
from cape.commands.prompt import main
from cape.errors import UsageError
from cape.formats import LabelledPose, Labels, PictureLabels
from cape.prompting import Prompt
from cape.skeleton import Skeleton
from cape.visualize import keypoint_colours


@pytest.fixture
def attempt(fishes, checkpoint, tmp_path: Path) -> Callable[..., tuple[int, Path]]:
    """`attempt(*arguments)`: on the first fish unless they name a picture; the status, and where the prompt is."""

    def call(*arguments: object, kind: str = "visual", image: bool = True) -> tuple[int, Path]:
        out = tmp_path / "fish.prompt"
        first = ["--image", fishes.folder / "f0.png"] if image else []
        given = ["--out", out, "--model", checkpoint(kind), "--device", "cpu", *first, *arguments]
        return main([str(each) for each in given]), out

    return call


def same(one: Prompt, other: Prompt) -> bool:
    return one.skeleton == other.skeleton and all(
        bool((a == b).all()) for a, b in zip(one.tokens, other.tokens, strict=True)
    )


def labels_of(fishes: SimpleNamespace, *, poses: int = 1) -> Labels:
    points = np.array([point or [0.0, 0.0] for point in fishes.points])
    visibility = np.array([2 if point else 0 for point in fishes.points], dtype=np.int8)
    pose = LabelledPose(1, "fish", points, visibility)
    several = tuple(pose._replace(id=number) for number in range(1, poses + 1))
    return Labels({"fish": fishes.skeleton}, (PictureLabels("f0.png", (96, 96), several),))


# ---- what comes out


def test_a_prompt_of_clicks(fishes, attempt, checkpoint, tmp_path: Path, capsys) -> None:
    drawn = tmp_path / "drawn.png"
    status, out = attempt("--points", fishes.clicks, "--draw", drawn)
    assert status == 0
    made = Prompt.load(out)
    assert made.skeleton.names == fishes.skeleton.names and made.skeleton.edges == fishes.skeleton.edges
    assert made.shots[0].visible.tolist() == [point is not None for point in fishes.points]
    printed = capsys.readouterr().out
    for word in ("counterpart", "1 of 1", "pictures alone", str(checkpoint("visual")), made.model, "Written to"):
        assert word in printed
    (shot,) = made.shots
    side = shot.crop.shape[0]
    with Image.open(drawn) as file:
        tile = np.asarray(file)[30 : 30 + side, 6 : 6 + side]
    places, colours = (shot.points * side).round().int().tolist(), keypoint_colours(len(made.skeleton))
    there = [tuple(tile[y, x]) == colour for (x, y), colour in zip(places, colours, strict=True)]
    assert sum(there) >= shot.visible.sum() - 1, "a dot of its own colour at each click; one may cover another"


def test_a_prompt_of_a_person(attempt, body, capsys) -> None:
    names = ("--names", "nose,left eye,wrist,left elbow,left ankle", "--human", body)
    status, out = attempt(*names, kind="both", image=False)
    assert status == 0 and Prompt.load(out).human.keypoints == ("nose", "left_eye", "", "left_elbow", "left_ankle")
    printed = " ".join(capsys.readouterr().out.split())
    assert "finds 4 of 5" in printed and "wrist: few-shot (not said which: left_wrist, right_wrist" in printed
    status, out = attempt(*names, "--no-person", kind="both", image=False)
    assert status == 0 and Prompt.load(out).human.found == ()
    assert attempt("--names", "nose", "--person", kind="both", image=False)[0] == 1
    assert "whole-body model" in capsys.readouterr().err


def test_json_csv_and_labels_say_the_same(fishes, attempt, tmp_path: Path) -> None:
    status, out = attempt("--points", fishes.clicks)
    wanted = Prompt.load(out)
    edges = ",".join(f"{a}-{b}" for a, b in fishes.skeleton.edges)
    rows = [
        f'"{name}",' + (",".join(map(str, point)) if point else ",")
        for name, point in zip(fishes.skeleton.names, fishes.points, strict=True)
    ]
    for head in ([], ["name,x,y"]):
        table = tmp_path / "clicks.csv"
        table.write_text("\n".join([*head, *rows]))
        status, out = attempt("--points", table, "--edges", edges)
        assert status == 0 and same(Prompt.load(out), wanted)
    plain = tmp_path / "plain.json"
    plain.write_text(json.dumps(fishes.points))
    status, out = attempt("--points", plain, "--edges", edges, "--names", ",".join(fishes.skeleton.names))
    assert status == 0 and same(Prompt.load(out), wanted)
    for form, name in (("coco", "l.json"), ("csv", "l.csv"), ("cvat", "l.xml"), ("labelstudio", "l"), ("dlc", "d.csv")):
        formats.write(labels_of(fishes), tmp_path / name, form, lossy=True)
        more = ["--edges", edges] if form == "dlc" else []
        status, out = attempt("--points", f"{form}:{tmp_path / name}", *more)
        found = Prompt.load(out)
        assert status == 0, form
        assert found.skeleton.edges == wanted.skeleton.edges, form
        assert np.allclose(found.tokens.places.numpy(), wanted.tokens.places.numpy(), atol=1e-4), form


def test_several_pictures_and_poses(fishes, attempt, tmp_path: Path, capsys) -> None:
    second = tmp_path / "second.json"
    points = fishes.instances[1].points.tolist()
    second.write_text(json.dumps([None, *points[1:]]))
    status, out = attempt("--points", fishes.clicks, "--image", fishes.folder / "f1.png", "--points", second,
                          "--box", "0,0,96,96", "--box", "8,8,80,80", "--draw", tmp_path / "two.png")  # fmt: skip
    assert status == 0
    assert len(Prompt.load(out).shots) == 2
    assert "1 of 2" in capsys.readouterr().out
    formats.write(labels_of(fishes, poses=3), tmp_path / "three.json", "coco")
    status, out = attempt("--points", f"coco:{tmp_path / 'three.json'}")
    assert status == 0 and len(Prompt.load(out).shots) == 3


def test_swap_pairs_and_names_of_flags(fishes, attempt, tmp_path: Path, capsys) -> None:
    points = tmp_path / "three.json"
    points.write_text(
        json.dumps({"points": [[10, 10], [20, 10], None], "names": ["a", "b", "c"], "box": [0, 0, 60, 60]})
    )
    status, out = attempt("--points", points, "--names", "left fin, right fin,", "--edges", "0-1")
    made = Prompt.load(out)
    assert status == 0
    assert made.skeleton.swap == ((0, 1),) and made.skeleton.edges == ((0, 1),)
    assert made.texts == ("left fin", "right fin", "") and made.asked.tolist() == [True, True, False]
    assert "Not looked for" in capsys.readouterr().out
    assert (
        Prompt.load(attempt("--points", points, "--names", "left fin,right fin,", "--swap", "")[1]).skeleton.swap == ()
    )


def test_names_alone(attempt, tmp_path: Path, capsys) -> None:
    status, out = attempt("--names", "left ear,right ear,nose", kind="text", image=False)
    assert status == 0 and not Prompt.load(out).shots
    assert "names alone" in capsys.readouterr().out
    assert attempt("--names", "nose", "--draw", tmp_path / "d.png", kind="text", image=False)[0] == 1
    assert "--draw" in capsys.readouterr().err


# ---- what is refused


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", ["points as JSON"]),
        ("3", ["a list of points"]),
        ('{"point": []}', ["point"]),
        ('{"points": [[1, 2]], "nmaes": ["a"]}', ["nmaes"]),
        ('{"points": {"a": 1}}', ["a list of points"]),
        ("[]", ["points or names"]),
        ("[null, null]", ["at least one point"]),
        ("[[1]]", ["point 0", "x and y"]),
        ('[["1", 2]]', ["point 0"]),
        ("[[1, NaN]]", ["point 0"]),
        ("[[1, true]]", ["point 0"]),
        ("[[1, 1e999]]", ["point 0"]),
        ("[[500, 2]]", ["96 x 96"]),
        ('{"points": [[1, 2]], "names": "a"}', ["a list of names"]),
        ('{"points": [[1, 2]], "names": ["a", "b"]}', ["1 strings"]),
        ('{"points": [[1, 2]], "names": ["a"], "edges": [[0, 4]]}', ["edges, swap and parts"]),
        ('{"points": [[1, 2]], "edges": 7}', ["edges as"]),
        ('{"points": [[1, 2]], "box": [1, 2, 0, 4]}', ["box"]),
        ('{"points": [[1, 2]], "box": "all"}', ["a box as"]),
        ('{"points": [[1, 2]], "swap": [[0, 1.0]]}', ["swap as"]),
        ('{"points": [[1, 2]], "swap": [[0]]}', ["swap as"]),
    ],
)
def test_broken_json(attempt, tmp_path: Path, capsys, content: str, words: list[str]) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    status, out = attempt("--points", path)
    error = capsys.readouterr().err
    assert status == 1 and not out.exists()
    for word in words:
        assert word in error


@pytest.mark.parametrize("content", ["a,1", "a,1,2,3", "a,one,2", "a,1,", "a,nan,2", 'a,"1,2', "a,inf,2"])
def test_broken_csv(attempt, tmp_path: Path, capsys, content: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(content)
    status, out = attempt("--points", path)
    assert status == 1 and not out.exists()
    assert "broken.csv" in capsys.readouterr().err


def test_flags_that_do_not_go_together(fishes, attempt, tmp_path: Path, capsys) -> None:
    clicks, image = fishes.clicks, fishes.folder / "f0.png"
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"points": [[1, 2]], "names": ["z"]}))
    for arguments, word in (
        ([], "as many"),
        (["--points", clicks, "--points", clicks], "as many"),
        (["--points", clicks, "--category", "fish"], "--category"),
        (["--points", tmp_path / "a.txt"], "FORMAT:PATH"),
        (["--points", tmp_path / "absent.json"], "no such file"),
        (["--points", f"coco:{tmp_path / 'absent.json'}"], "no such file"),
        (["--points", clicks, "--box", "1,2,3"], "x,y,width,height"),
        (["--points", clicks, "--box", "1,2,3,4", "--box", "1,2,3,4"], "one for each"),
        (["--points", clicks, "--edges", "0-1-2"], "0-1,1-2"),
        (["--points", clicks, "--edges", "0-99"], "edges, swap and parts"),
        (["--points", clicks, "--names", "a"], "names"),
        (["--points", clicks, "--image", image, "--points", other], "in its order"),
        (["--points", clicks, "--draw", image], "another file"),
        (["--points", clicks, "--draw", tmp_path / "a.jpg"], ".png"),
        (["--points", clicks, "--device", "toaster"], "toaster"),
        (["--points", clicks, "--model", tmp_path / "absent.safetensors"], "no such file"),
    ):
        status, out = attempt(*arguments)
        error = capsys.readouterr().err
        assert status == 1 and not out.exists(), arguments
        assert word in error, arguments
    assert attempt(image=False)[0] == 1 and "points or names" in capsys.readouterr().err
    assert main(["--names", "a", "--out", str(tmp_path / "a.json")]) == 1
    assert ".prompt" in capsys.readouterr().err


def test_labels_that_do_not_fit(fishes, attempt, tmp_path: Path, capsys) -> None:
    labels = labels_of(fishes)
    (picture,) = labels.pictures
    dot = LabelledPose(9, "dot", np.array([[3.0, 4.0]]), np.array([2], dtype=np.int8))
    both = Labels({**labels.categories, "dot": Skeleton(("dot",))}, (picture._replace(poses=(*picture.poses, dot)),))
    cases = {
        "absent": (labels._replace(pictures=(picture._replace(file="g0.png"),)), [], "a picture f0.png"),
        "empty": (labels._replace(pictures=(picture._replace(poses=()),)), [], "expected a pose"),
        "larger": (labels._replace(pictures=(picture._replace(size=(200, 200)),)), [], "200 x 200"),
        "both": (both, [], "one of fish, dot"),
        "other": (both, ["--category", "cat"], "a pose of cat"),
        "twice": (
            labels._replace(pictures=(picture._replace(file="a/f0.png", poses=()), picture._replace(file="b/f0.png"))),
            [],
            "one picture",
        ),
    }
    for name, (content, more, word) in cases.items():
        path = formats.write(content, tmp_path / f"{name}.json", "coco")
        # `twice` is told apart by nothing where the picture lies in neither folder
        image = ["--image", Path("f0.png")] if name == "twice" else ["--image", fishes.folder / "f0.png"]
        assert attempt(*image, "--points", f"coco:{path}", *more, image=False)[0] == 1, name
        assert word in capsys.readouterr().err, name
    exact = (picture, picture._replace(file="a/f0.png", poses=()))
    path = formats.write(labels._replace(pictures=exact), tmp_path / "exact.json", "coco")
    found = Labelled("--points", f"coco:{path}", pictures=tmp_path)
    assert found.find("f0.png").poses and not found.find("a/f0.png").poses
    assert found.find("elsewhere/a/f0.png").file == "a/f0.png" and found.find("0.png") is None
    status, out = attempt("--points", f"coco:{tmp_path / 'both.json'}", "--category", "dot")
    assert status == 0 and Prompt.load(out).skeleton.names == ("dot",)


def test_flags_in_words() -> None:
    assert read_pairs("--edges", "0-1, 2-3") == [(0, 1), (2, 3)] and read_pairs("--swap", "") == []
    assert read_box("--box", "1,2.5,3,4") == [1, 2.5, 3, 4]
    for text in ("0", "0-", "a-b", "0-1,", "1-2-3"):
        with pytest.raises(UsageError):
            read_pairs("--edges", text)


def test_help_teaches(capsys) -> None:
    assert program(["prompt", "--help"]) == 0
    printed = capsys.readouterr().out
    for word in ("Example: cape prompt", "cape predict", "--points", "null"):
        assert word in printed
