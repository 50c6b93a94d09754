"""`cape robustness` on two untrained models and drawn pictures: scores are kept, shared and told."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_files import save_drawn
from PIL import Image

import cape.features
from cape.checkpoints import save_weights
from cape.commands import main
from cape.commands.robustness import main as tools_robustness
from cape.configuration import load_config
from cape.engine import make_model

REPOSITORY = Path(__file__).parents[2]
CONFIG = f"""
_base_ = ["{REPOSITORY}/configs/_base_/mp100.py", "{REPOSITORY}/configs/_base_/runtime.py"]
model = dict(
    type="FewShotPose", width=32,
    visual=dict(type="VisualEncoder", name="resnet10t", strides=(16,), options=dict(zero_init_last=False)),
    support=dict(type="SupportEncoder"),
    text=dict(type="TextEncoder", name="random", width=32),
    matching=dict(type="Matching", layers=1, heads=4, hidden=32, gate=16),
    decoder=dict(type="KeypointDecoder", layers=1, heads=4, graph=dict(type="GraphFeedForward", hidden=32)),
)
backbone_weights = "random"
"""
KINDS = ["--kinds", "drop,jitter,occluded", "--rates", "0.5,1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configs, data and runs as `cape table` leaves them."""
    folder = tmp_path_factory.mktemp("robustness")
    save_drawn(folder / "data", "own_split1_test.json", side=64)
    for name, without in (("both", ""), ("names", "model['support'] = None\n"), ("clicks", "model['text'] = None\n")):
        (folder / f"{name}.py").write_text(CONFIG + without)
        torch.manual_seed(0)
        model = make_model(load_config(folder / f"{name}.py"))
        leave_run(folder / "work" / name / "split1_seed0", model)
    return folder


def leave_run(run: Path, model: torch.nn.Module, *options: str) -> None:
    """As `cape table` leaves it; its own scores are not looked at."""
    save_weights(run / "checkpoints" / "best.safetensors", model.state_dict(), about={})
    flags = [word for option in options for word in ("--cfg-options", option)]
    (run / "command.json").write_text(json.dumps([[], [], flags]))
    np.savez(run / "scores.npz")


def arguments(folder: Path, *more: str) -> list[str]:
    configs = [str(folder / f"{name}.py") for name in ("clicks", "names", "both")]
    paths = ["--data", str(folder / "data"), "--work-dir", str(folder / "work"), "--keep", str(folder / "keep")]
    rest = ["--out", str(folder / "found.md"), "--splits", "1", "--episodes", "1", "--device", "cpu"]
    return [*configs, *paths, *rest, *KINDS, *more]


def test_scores_tables_and_plot(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    encoded = []
    encode = cape.features.encode_crops
    monkeypatch.setattr(cape.features, "encode_crops", lambda *a, **b: encoded.append(len(a[1])) or encode(*a, **b))
    assert tools_robustness(arguments(folder)) == 0
    # 1 clean score each; 2 rates of the names for two models, of jitter and occlusion for two
    assert "split 1: 15 new scores" in capsys.readouterr().out
    # All pictures once for the three models, whose backbones are equal, and the two supports once a rate of occlusion.
    assert encoded == [32, 2, 2]
    text = (folder / "found.md").read_text()
    assert text.startswith("Command:\n\n    python tools/robustness.py")
    for line in ("- drop: both loses", "- jitter: both loses", "- occluded: both loses", "![", "(found.png)"):
        assert line in text
    assert (
        "names " in text.split("- drop")[1].splitlines()[0] and "clicks " in text.split("- jitter")[1].splitlines()[0]
    )
    rows = {(head, row.split(" | ")[0].strip("| ")): row.strip("| ").split(" | ")[1:]
            for head in ("drop", "jitter", "occluded")
            for row in text.split(f"| {head} | clean")[1].split("\n\n")[0].splitlines()[2:]}  # fmt: skip
    assert rows["drop", "clicks"][0] == rows["drop", "clicks"][2] and rows["drop", "clicks"][-1] == "0.0 %"
    assert rows["jitter", "names"][0] == rows["jitter", "names"][2] and rows["jitter", "names"][-1] == "0.0 %"
    with Image.open(folder / "found.png") as picture:
        assert picture.size[0] > 800 and picture.getpixel((2, 2))[:3] == (255, 255, 255)


def test_what_is_there_is_not_repeated(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["robustness", *arguments(folder)]) == 0
    before = (folder / "found.md").read_text().split("\n\n", 2)[2]
    capsys.readouterr()
    kept = folder / "keep" / "both" / "split1_seed0" / "jitter_1.npz"
    kept.unlink()
    assert main(["robustness", *arguments(folder)]) == 0
    assert "split 1: 1 new scores" in capsys.readouterr().out
    assert (folder / "found.md").read_text().split("\n\n", 2)[2] == before
    kept.write_bytes(b"half of a")
    assert main(["robustness", *arguments(folder)]) == 1
    assert "jitter_1.npz" in capsys.readouterr().err
    kept.unlink()


def test_named_rows_are_loaded_with_the_options_of_their_run(folder: Path, tmp_path: Path) -> None:
    model = make_model(load_config(folder / "both.py", {"model.support": None}))
    leave_run(folder / "work" / "mine" / "split1_seed0", model, "model.support=None", "text_style=name")
    row, keep = f"mine={folder / 'both.py'},model.support=None", ["--keep", str(tmp_path / "keep")]
    rest = ["--kinds", "drop,jitter", "--rates", "1"]
    assert main(["robustness", row, *arguments(folder)[2:], *keep, *rest]) == 0  # beside `both` alone
    drop = (folder / "found.md").read_text().split("- drop: both loses")[1].splitlines()[0]
    assert "mine" in drop, "its role is that of a model of names"
    kept = tmp_path / "keep" / "mine" / "split1_seed0"
    assert {path.name for path in kept.iterdir()} == {"made_by.json", "clean.npz", "drop_1.npz"}
    record = json.loads((kept / "made_by.json").read_text())
    assert record["options"] == ["split=1", "model.support=None", "text_style=name"]
    assert (record["shots"], record["text_pack"], record["text_style"]) == (1, "mp100", "name")


def test_models_of_other_pairs_are_refused_before_any_score(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    leave_run(folder / "work" / "more" / "split1_seed0", make_model(load_config(folder / "clicks.py")), "shots=5")
    data = json.loads((folder / "data" / "own_split1_test.json").read_text())
    assert len(data["images"]) == 32  # 16 of each category: 1 shot and 15 queries
    row, keep = f"more={folder / 'clicks.py'},shots=5", tmp_path / "keep"
    more = [row, "--kinds", "jitter", "--keep", str(keep)]
    (tmp_path / "large").mkdir()
    for key in ("images", "annotations"):
        data[key] += [each | {"id": each["id"] + 100} for each in data[key]]
    (tmp_path / "large" / "own_split1_test.json").write_text(json.dumps(data))
    (tmp_path / "large" / "images").symlink_to(folder / "data" / "images")
    assert main(["robustness", *arguments(folder, *more, "--data", str(tmp_path / "large"))]) == 1
    assert "expected the pairs of clicks" in " ".join(capsys.readouterr().err.split())
    assert not keep.exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--kinds", "drop,magic"], "wrong_clicks"),
        (["--rates", "a"], "commas"),
        (["--rates", "0"], "a rate above 0"),
        (["--rates", "2"], "a rate from 0 to 1"),
        (["--seeds", "0,7"], "Run `cape table`"),
        (["--splits", "2"], "Run `cape table`"),
        (["--splits", "6"], "1 to 5"),
        (["--episodes", "2"], "--keep"),
        (["elsewhere/both.py"], "different names"),
    ],
)
def test_bad_flags(folder: Path, capsys: pytest.CaptureFixture, more: list[str], words: str) -> None:
    if more[0] == "--episodes":
        assert main(["robustness", *arguments(folder)]) == 0
    assert main(["robustness", *arguments(folder), *more]) == 1
    assert words in " ".join(capsys.readouterr().err.split())


def test_test_damages_prompts_too(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    figures = {}
    weights = folder / "work" / "both" / "split1_seed0" / "checkpoints" / "best.safetensors"
    common = ["test", str(folder / "both.py"), str(weights), "--data", str(folder / "data"), "--baseline", "copy",
              "--episodes", "1", "--device", "cpu", "--json", str(tmp_path / "found.json")]  # fmt: skip
    for name, flags in {
        "clean": [],
        "zero": ["--corrupt", "wrong_clicks", "--rate", "0"],
        "clicks": ["--corrupt", "wrong_clicks", "--rate", "1"],
        "names": ["--corrupt", "shuffle", "--rate", "1"],
    }.items():
        assert main([*common, *flags]) == 0
        reports = json.loads((tmp_path / "found.json").read_text())["reports"]
        figures[name] = {report["method"]: report["figures"]["NME"] for report in reports}
    assert figures["zero"] == figures["clean"]
    assert figures["clicks"]["copy"] > figures["clean"]["copy"] == figures["names"]["copy"]
    assert figures["names"]["both"] != figures["clean"]["both"] != figures["clicks"]["both"]
    capsys.readouterr()
    assert main([*common, "--corrupt", "magic"]) == 1
    assert "wrong_clicks" in capsys.readouterr().err
