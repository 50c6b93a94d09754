"""`cape convert` for CIGPose and RTMPose: what comes out, the score that it comes with, and what is refused."""

import builtins
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.logging import HistoryBuffer
from people_files import write_people
from torch import Tensor, nn

from cape.checkpoints import read_header, read_weights, save_weights
from cape.commands.convert import main
from cape.commands.test import main as score
from cape.configuration import load_config
from cape.engine import load_model, load_start, make_model
from cape.errors import DataError, UsageError
from cape.released import SOURCES

State = dict[str, Tensor]
CONFIG = """
seed = 1
model = dict(
    type="WholeBodyPose",
    skeleton="coco",
    size=(64, 96),
    backbone=dict(type="mmpose.CSPNeXt", widen_factor=0.0625, deepen_factor=0.01, out_indices=(4,)),
    embedding=dict(channels=64, width=16, query=8),
    intervention={intervention},
    graph={graph},
)
"""
DATA = """
val_dataloader = dict(dataset=dict(
    type="PersonCrops", size=(64, 96), sigma=(2.83, 3.46),
    source=dict(type="People", kind="coco", annotations="people.json", pictures="images")))
val_evaluator = dict(type="KeypointAP", kind="coco")
"""
OFFICIAL = {
    "cigpose": [("embedding.norm", "head.mlp_pre_gau.0"), ("embedding.project", "head.mlp_pre_gau.1"),
                ("initial.", "head.initial_pred_"), ("intervention.canonical", "head.cim.canonical_features"),
                ("graph.project", "head.gcn.conv_input"), ("graph.norm", "head.gcn.bn_input"),
                ("graph.blocks.0.bones.message", "head.gcn.edgeconv_layers.0.conv.0"),
                ("graph.blocks.0.bones.norm", "head.gcn.edgeconv_layers.0.conv.1"),
                ("graph.blocks.0.norm", "head.gcn.bn_layers.0"),
                ("graph.blocks.0.gates.down", "head.gcn.attention_modules.0.conv_down_linear"),
                ("graph.blocks.0.gates.norm", "head.gcn.attention_modules.0.bn_down"),
                ("graph.blocks.0.gates.between.message", "head.gcn.attention_modules.0.edge_conv_groups.conv.0"),
                ("graph.blocks.0.gates.between.norm", "head.gcn.attention_modules.0.edge_conv_groups.conv.1"),
                ("graph.blocks.0.gates.up", "head.gcn.attention_modules.0.aggregate_linear"),
                ("head.", "head.cls_g")],
    "rtmpose": [("embedding.norm", "head.mlp.0"), ("embedding.project", "head.mlp.1"), ("head.", "head.cls_")],
}  # fmt: skip
SHARED = [("embedding.maps", "head.final_layer"), ("embedding.attention", "head.gau"), ("backbone.", "backbone.")]
COUNT = "backbone.stem.0.bn.num_batches_tracked"


def config_of(source: str, folder: Path) -> Path:
    """A small model, as a config that leaves the score at its default."""
    path = folder / f"small_{source}.py"
    cig = source == "cigpose"
    path.write_text(CONFIG.format(intervention="dict(train=2)" if cig else None, graph="dict()" if cig else None))
    return path


def official_state(source: str, folder: Path) -> State:
    """The weights of the small model under the official names."""
    model = make_model(load_config(config_of(source, folder), {"model.head.bias": source == "cigpose"}))
    state = {}
    for name, start in model.state_dict().items():
        value = torch.rand_like(start) if start.is_floating_point() else start + 7  # variances are positive
        ours, official = next(pair for pair in [*SHARED, *OFFICIAL[source]] if name.startswith(pair[0]))
        # A linear layer over edges is a convolution of kernel 1 there
        state[name.replace(ours, official, 1)] = value[..., None, None] if name.endswith("message.weight") else value
    if source == "cigpose":
        state |= {"head.mlp.0.g": torch.ones(1), "head.mlp.1.weight": torch.zeros(16, 6)}
        state |= {f"head.cls_{axis}.weight": torch.zeros(2 * side, 16) for axis, side in (("x", 64), ("y", 96))}
    return state


@pytest.fixture
def attempt(tmp_path: Path) -> Callable[..., tuple[int, Path]]:
    """`attempt(content, source)`: write it, convert it; the status, and where the result is or is not."""

    def run(content: object, source: str = "cigpose", *more: str, fits: str | None = None) -> tuple[int, Path]:
        path, out = tmp_path / "published.pth", tmp_path / "ours.safetensors"
        torch.save(content, path)
        config = config_of(fits or source, tmp_path)
        return main([source, str(path), str(out), "--config", str(config), "--allow-pickle", *more]), out

    return run


@pytest.mark.parametrize("source", ["cigpose", "rtmpose"])
def test_a_whole_model(source: str, tmp_path: Path, attempt, capsys) -> None:
    state = official_state(source, tmp_path)
    status, out = attempt({"state_dict": state, "meta": {"cfg": "a = 1", "epoch": 420}}, source)
    assert status == 0
    printed, written = capsys.readouterr().out, read_weights(out)
    option = {"cigpose": "model.intervention.score=random", "rtmpose": "model.head.bias=False"}[source]
    assert f"cape test small_{source} {out} --cfg-options {option} --data" in printed
    assert ("which CIGPose does not use (4)." in printed) == (source == "cigpose")
    header = read_header(out)
    assert (header["source"], header["config_options"]) == (SOURCES[source].title, option)
    assert header["config"] == f"small_{source}" and "model.skeleton" in json.loads(header["run"])
    torch.testing.assert_close(written["embedding.maps.bias"], state["head.final_layer.bias"], atol=0, rtol=0)
    count = written[COUNT]
    assert count.dtype == torch.int64 and count == 7 and count.shape == ()
    assert {each.dtype for key, each in written.items() if not key.endswith("tracked")} == {torch.float32}

    key, _, value = option.partition("=")
    settings = load_config(tmp_path / f"small_{source}.py", {key: {"False": False}.get(value, value)})
    model = load_model(settings, out, device="cpu")
    with torch.no_grad():
        assert all(each.isfinite().all() for each in model(torch.randn(2, 3, 96, 64)))


def test_the_score_is_part_of_the_model(tmp_path: Path, attempt, capsys, refused) -> None:
    """Its predictors have the shapes of those that learn, and are not those."""
    state = official_state("cigpose", tmp_path)
    out = attempt(state)[1]
    config = tmp_path / "small_cigpose.py"
    with refused(DataError, "model.intervention.score", "random"):
        load_model(load_config(config), out, device="cpu")
    assert load_model(load_config(config, {"model.intervention.score": "random"}), out, device="cpu")
    capsys.readouterr()
    assert attempt(state, "cigpose", "--cfg-options", "model.intervention.score=supervised")[0] == 1
    assert "expected model.intervention.score=random, as CIGPose was published" in capsys.readouterr().err
    changed = [f"model.intervention.{each}" for each in ("score=random", "train=3")]
    status, out = attempt(state, "cigpose", *(word for each in changed for word in ("--cfg-options", each)))
    assert status == 0
    assert read_header(out)["config_options"] == "model.intervention.train=3 model.intervention.score=random"


def test_a_wrapper_s_prefix_and_half_precision(tmp_path: Path, attempt) -> None:
    state = official_state("cigpose", tmp_path)
    halved = {f"module.{key}": value.half() if value.is_floating_point() else value for key, value in state.items()}
    status, out = attempt({"state_dict": halved})
    assert status == 0
    written = read_weights(out)
    assert written["head.x.bias"].dtype == torch.float32 and written[COUNT].dtype == torch.int64


def test_what_a_runner_writes_beside_the_weights(tmp_path: Path, attempt) -> None:
    """Checkpoints of mmengine that were published as they were: logs, optimiser, averaged weights."""
    state = official_state("cigpose", tmp_path)
    more = {
        "message_hub": {"log_scalars": {"train/loss": HistoryBuffer([1.0, 2.0], [1, 1])}, "runtime_info": {"epoch": 3}},
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 1e-3}]},
        "ema_state_dict": state,
    }
    assert attempt({"state_dict": state, "meta": {"epoch": 3}, **more})[0] == 0


class Reach:
    """A pickle that asks for an attribute which is no statistic of a log."""

    def __reduce__(self) -> tuple:
        return builtins.getattr, (HistoryBuffer, "__init__")


def test_a_log_gives_nothing_but_its_statistics(tmp_path: Path, attempt, capsys) -> None:
    status, out = attempt({"state_dict": official_state("cigpose", tmp_path), "meta": Reach()})
    assert status == 1 and not out.exists()
    assert "not on the list" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda state: state.pop("head.cls_gx.bias"), ["head.x.bias is missing"]),
        (lambda state: state.pop(COUNT), [f"{COUNT} is missing"]),
        (lambda state: state.pop("head.gcn.bn_input.running_var"), ["graph.norm.running_var is missing"]),
        (lambda state: state.update({COUNT: torch.tensor(7.0)}), ["finite", COUNT]),
        (lambda state: state.update({COUNT: torch.tensor(-1)}), ["finite", COUNT]),
        (lambda state: state.update({COUNT: torch.zeros(2, dtype=torch.int64)}), ["shape (2,), not ()"]),
        (lambda state: state.update({"head.final_layer.bias": torch.zeros(17, dtype=torch.int64)}), ["finite"]),
        (lambda state: state["head.gau.gamma"].fill_(torch.nan), ["finite", "head.gau.gamma"]),
        (lambda state: state.update({"head.gcn.mystery": torch.zeros(1)}), ["unknown keys: head.gcn.mystery"]),
        (lambda state: state.update({"neck.conv.weight": torch.zeros(1)}), ["unknown keys: neck.conv.weight"]),
        (lambda state: state.update({"head.final_layer.bias": torch.zeros(14)}), ["shape (14,), not (17,)"]),
    ],
)
def test_not_the_whole_model(tmp_path: Path, attempt, capsys, spoil, words: list[str]) -> None:
    state = official_state("cigpose", tmp_path)
    spoil(state)
    status, out = attempt(state)
    error = capsys.readouterr().err
    assert status == 1 and not out.exists()
    for word in words:
        assert word in error


def test_another_architecture(tmp_path: Path, attempt, capsys) -> None:
    state = official_state("cigpose", tmp_path)
    assert attempt(state, "cigpose", "--cfg-options", "model.graph.layers=2")[0] == 1
    assert "graph.blocks.1.bones.message.weight is missing" in capsys.readouterr().err
    assert attempt(state, "cigpose", "--cfg-options", "model.size=(64, 64)")[0] == 1
    assert "embedding.project.weight has shape (16, 6), not (16, 4)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("named", "like"), [("cigpose", "rtmpose"), ("rtmpose", "cigpose"), ("graphcape", "cigpose"), ("swinv2", "rtmpose")]
)
def test_the_source_that_the_keys_look_like(tmp_path: Path, attempt, capsys, named: str, like: str) -> None:
    assert attempt(official_state(like, tmp_path), named, fits="cigpose")[0] == 1
    error = capsys.readouterr().err
    assert f"the keys of {SOURCES[like].title}" in error and f"Name the source {like}." in error


def test_no_split_and_no_pickle_unasked(tmp_path: Path, attempt, capsys) -> None:
    state = official_state("cigpose", tmp_path)
    assert attempt(state, "cigpose", "--split", "1")[0] == 1
    assert "CIGPose is not trained on a split" in capsys.readouterr().err
    path, out, config = tmp_path / "published.pth", tmp_path / "ours.safetensors", tmp_path / "small_cigpose.py"
    arguments = ["cigpose", str(path), str(out), "--config", str(config)]
    assert main(arguments) == 1 and not out.exists()
    assert "--allow-pickle" in capsys.readouterr().err
    save_weights(path.with_suffix(".safetensors"), state, about={})
    assert main(["cigpose", str(path.with_suffix(".safetensors")), *arguments[2:]]) == 0


def test_a_whole_body_config_has_no_backbone_of_swin(tmp_path: Path, attempt, capsys) -> None:
    state = {"layers.0.blocks.0.attn.cpb_mlp.0.weight": torch.zeros(1)}
    assert attempt(state, "swinv2", fits="cigpose")[0] == 1
    assert "a model with visual.network" in capsys.readouterr().err


def test_a_pretrained_backbone_starts_a_model(tmp_path: Path, attempt, capsys) -> None:
    """Without the head that it was pretrained with; it begins as it is in the file, and no other may."""
    state = {key: value for key, value in official_state("rtmpose", tmp_path).items() if key.startswith("backbone.")}
    pretrained = {**state, "head.deconv_layers.0.weight": torch.zeros(3), "data_preprocessor.mean": torch.zeros(3)}
    status, out = attempt(pretrained, "cspnext", fits="cigpose")
    assert status == 0 and "--backbone-weights" in capsys.readouterr().out
    config = load_config(config_of("cigpose", tmp_path), {"backbone_weights": str(out)})
    model = make_model(config)
    load_start(model, config)
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, state[f"backbone.{name}"])
    config.backbone_weights = "auto"
    with pytest.raises(UsageError, match="cape convert cspnext"):
        load_start(model, config)


def test_the_parts_of_batch_norm_are_all_there(tmp_path: Path) -> None:
    """Else `official_state` would not show what a checkpoint has."""
    model = make_model(load_config(config_of("cigpose", tmp_path)))
    norms = sum(isinstance(each, nn.modules.batchnorm._BatchNorm) for each in model.modules())
    state = official_state("cigpose", tmp_path)
    assert sum(key.endswith("num_batches_tracked") for key in state) == norms > 10


@pytest.mark.parametrize("source", ["cigpose", "rtmpose"])
def test_what_comes_out_is_tested_by_the_command(attempt, tmp_path: Path, source: str) -> None:
    """`cape test` takes it with the option that the conversion names: COCO's one row."""
    write_people(tmp_path, whole=False)
    option = {"cigpose": "model.intervention.score=random", "rtmpose": "model.head.bias=False"}[source]
    status, out = attempt(official_state(source, tmp_path), source)
    assert status == 0
    config = config_of(source, tmp_path)
    config.write_text(config.read_text() + DATA)
    figures = tmp_path / "figures.json"
    flags = ["--data", str(tmp_path), "--json", str(figures), "--cfg-options", option]
    assert score([str(config), str(out), *flags]) == 0
    found = json.loads(figures.read_text())
    assert found["kind"] == "coco" and found["people"] == 3 and set(found["figures"]) >= {"AP", "AR", "AP(L)"}
