"""`cape describe`: the table of a config, its overrides, its figures as JSON, and what it refuses."""

import json
from pathlib import Path

import pytest

from cape.commands.describe import main

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = """
model = dict(
    type="FewShotPose",
    visual=dict(type="VisualEncoder", name="resnet10t"),
    support=dict(type="SupportEncoder"),
    text=dict(type="TextEncoder"),
    width=32,
)
"""

BODY = """
model = dict(
    type="WholeBodyPose",
    skeleton="coco",
    size=(64, 96),
    backbone=dict(type="mmpose.CSPNeXt", widen_factor=0.0625, deepen_factor=0.01, out_indices=(4,)),
    embedding=dict(channels=64, width=16, query=8),
    intervention=dict(train=2),
    graph=dict(),
)
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.py"
    path.write_text(SMALL)
    return path


def test_the_paper_s_model(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    counted = ["matrices=none", "pairing=none", "norm=plain"]
    overrides = [word for each in counted for word in ("--cfg-options", f"model.alignment.{each}")]
    assert main([str(CONFIGS / "cape_flf_split1.py"), *overrides, "--json", str(tmp_path / "x.json")]) == 0
    printed = capsys.readouterr().out
    total = next(line.split() for line in printed.splitlines() if line.split()[:1] == ["total"])
    assert total[1:] == ["194,946,369", "33.507", "195,715,369", "24.456", "4.87"]
    assert "58,170,177" in printed and "136,776,192" in printed
    assert "…" not in printed and max(map(len, printed.splitlines())) <= 80
    assert "1.09 times its" in printed, "what a picture costs with a prepared prompt"
    both = json.loads((tmp_path / "x.json").read_text())["totals"][-1]
    assert (both["stage"], both["parameters"], both["paper_parameters"]) == ("both", 194_946_369, 195_715_369)


def test_flags_reach_the_count(config: Path, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    target = tmp_path / "figures.json"
    assert main([str(config), "--keypoints", "3", "--shots", "2", "--text-tokens", "9", "--json", str(target)]) == 0
    printed = capsys.readouterr().out
    assert "visual (2 pictures)" in printed and "text (9 tokens)" in printed and "3 keypoints" in printed
    figures = json.loads(target.read_text())
    assert (figures["keypoints"], figures["shots"], figures["text_tokens"]) == (3, 2, 9)
    assert "--keypoints 3" in figures["command"]
    assert {(each["stage"], each["name"]) for each in figures["parts"]} >= {("prompt", "text"), ("query", "offsets")}
    assert "class head" not in printed, "this backbone has none in the paper"


def test_a_model_without_one_half_says_less(config: Path, capsys: pytest.CaptureFixture) -> None:
    config.write_text(SMALL.replace('dict(type="SupportEncoder")', "None"))
    assert main([str(config)]) == 0
    printed = capsys.readouterr().out
    assert "picture)" not in printed and "share one visual encoder" not in printed and "text (60 tokens)" in printed


def test_an_uncounted_text_encoder_is_said(config: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([str(config), "--cfg-options", "model.text.name=someone/model"]) == 0
    assert "Not counted: the text encoder someone/model" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--keypoints", "0"], 2, "keypoints"),
        (["--cfg-options", "model.withd=64"], 1, "withd"),
        (["--cfg-options", "width"], 1, "KEY=VALUE"),
    ],
)
def test_refusals(config: Path, arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture) -> None:
    target = config.with_suffix(".json")
    assert main([str(config), *arguments, "--json", str(target)]) == status
    assert message in capsys.readouterr().err
    assert not target.exists()


def test_an_unwritable_target_is_refused_before_the_work(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("cape.complexity.describe", lambda *_, **__: pytest.fail("worked first"))
    assert main([str(config), "--json", str(tmp_path)]) == 1
    assert "expected" in capsys.readouterr().err


# ---- whole-body models


@pytest.fixture
def body(tmp_path: Path) -> Path:
    path = tmp_path / "body.py"
    path.write_text(BODY)
    return path


def test_a_whole_body_model(
    body: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    target = tmp_path / "figures.json"
    assert main([str(body), "--json", str(target)]) == 0
    printed, figures = capsys.readouterr().out, json.loads(target.read_text())
    assert "…" not in printed and max(map(len, printed.splitlines())) <= 80
    for name in ("backbone", "embedding", "intervention", "initial", "graph", "head", "unused", "total"):
        assert any(line.split()[:1] == [name] for line in printed.splitlines()), name
    assert "17 keypoints, 64 x 96 pixels" in printed and "two views" in printed and "RTMPose" in printed
    (total,) = figures["totals"]
    assert total["paper_parameters"] - total["parameters"] == 6 * 16 + 1 + 16 * 2 * (64 + 96)
    assert sum(each["paper_flops"] for each in figures["parts"]) == total["paper_flops"] > total["paper_macs"]
    assert (figures["keypoints"], figures["size"], figures["views"]) == (17, [64, 96], 2)


def test_a_whole_body_model_without_its_modules_says_less(body: Path, capsys: pytest.CaptureFixture) -> None:
    options = ["model.intervention=None", "model.graph=None", "model.flip_test=False"]
    assert main([str(body), *(word for each in options for word in ("--cfg-options", each))]) == 0
    printed = capsys.readouterr().out
    assert "two views" not in printed and "RTMPose" not in printed and "nused" not in printed
    assert main([str(body), "--cfg-options", "model.intervention.score=norm"]) == 0
    assert "does without" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--keypoints", "--shots", "--text-tokens"])
def test_flags_of_a_prompt_do_not_go_with_it(body: Path, flag: str, capsys: pytest.CaptureFixture) -> None:
    assert main([str(body), flag, "3"]) == 1
    error = capsys.readouterr().err
    assert flag in error and "takes no prompt" in error


def test_a_lifter_and_its_loss_net(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    target = tmp_path / "figures.json"
    config = str(CONFIGS / "seal-graph_simple-baseline_human36m.py")
    assert main([config, "--json", str(target)]) == 0
    printed = capsys.readouterr().out
    for word in ("4,288,557", "2,451,720", "SimpleBaseline", "GraphEnergy", "16 joints; one frame looks at 1."):
        assert word in printed
    assert "…" not in printed and max(map(len, printed.splitlines())) <= 80
    figures = json.loads(target.read_text())
    assert [part["parameters"] for part in figures["parts"]] == [4_288_557, 2_451_720]
    assert main([config, "--keypoints", "3"]) == 1
    assert "is a lifter, which takes no prompt" in " ".join(capsys.readouterr().err.split())
