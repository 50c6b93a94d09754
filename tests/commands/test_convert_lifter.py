"""`cape convert lifter`: published names to a page that `cape lift` loads, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cape.checkpoints import read_header, read_weights
from cape.commands.convert import main
from cape.configuration import load_config
from cape.engine import load_model, make_model
from cape.spatial import SpatialModel

BASES = Path(__file__).parents[2] / "configs" / "_base_"
CONFIG = '_base_ = ["{base}"]\nmodel = dict(skeleton="{skeleton}", lifter=dict(_delete_=True, **{lifter}))\n'
LIFTERS = {
    "SimpleBaseline": {"type": "SimpleBaseline", "root": None, "width": 8, "stages": 1},
    "SemGCN": {"type": "SemGCN", "width": 8, "blocks": 1},
    "VideoPose": {"type": "VideoPose", "widths": [3, 3], "channels": 8},
    "MixSTE": {"type": "MixSTE", "frames": 3, "width": 8, "depth": 1, "heads": 2},
}
OFFICIAL = {
    "SimpleBaseline": [
        ("first.0", "w1"), ("first.1", "batch_norm1"), ("stages.0.0.0", "linear_stages.0.w1"),
        ("stages.0.0.1", "linear_stages.0.batch_norm1"), ("stages.0.1.0", "linear_stages.0.w2"),
        ("stages.0.1.1", "linear_stages.0.batch_norm2"), ("last", "w2"),
    ],
    "SemGCN": [
        ("first.graph.maps", "gconv_input.0.gconv.W"), ("first.graph.logits", "gconv_input.0.gconv.e"),
        ("first.graph.bias", "gconv_input.0.gconv.bias"), ("first.norm", "gconv_input.0.bn"),
        *((f"blocks.0.{place}.graph.{ours}", f"gconv_layers.0.gconv{place + 1}.gconv.{theirs}")
          for place in (0, 1) for ours, theirs in (("maps", "W"), ("logits", "e"), ("bias", "bias"))),
        *((f"blocks.0.{place}.norm", f"gconv_layers.0.gconv{place + 1}.bn") for place in (0, 1)),
        ("last.maps", "gconv_output.W"), ("last.logits", "gconv_output.e"), ("last.bias", "gconv_output.bias"),
    ],
    "VideoPose": [
        ("first.maps", "expand_conv"), ("first.norm", "expand_bn"), ("last", "shrink"),
        ("blocks.0.wide.maps", "layers_conv.0"), ("blocks.0.narrow.maps", "layers_conv.1"),
        ("blocks.0.wide.norm", "layers_bn.0"), ("blocks.0.narrow.norm", "layers_bn.1"),
    ],
    "MixSTE": [
        ("joint_code", "Spatial_pos_embed"), ("frame_code", "Temporal_pos_embed"),
        ("embed", "Spatial_patch_to_embedding"), ("spatial_norm", "Spatial_norm"), ("temporal_norm", "Temporal_norm"),
        *((f"{ours}.0.{part}", f"{theirs}.0.{name}") for ours, theirs in (("spatial", "STEblocks"),
          ("temporal", "TTEblocks")) for part, name in (("norm1", "norm1"), ("norm2", "norm2"), ("mixed", "attn.qkv"),
          ("out", "attn.proj"), ("feed_forward.0", "mlp.fc1"), ("feed_forward.2", "mlp.fc2"))),
        ("head", "head"),
    ],
}  # fmt: skip
"""Our names and theirs."""


def config_of(kind: str, folder: Path, *, skeleton: str = "human36m") -> Path:
    path = folder / f"{kind}.py"
    path.write_text(CONFIG.format(base=BASES / "lifting.py", skeleton=skeleton, lifter=LIFTERS[kind]))
    return path


def official(kind: str, config: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A random network's weights under our names and under the published ones."""
    ours = make_model(load_config(config, {"model.critic": None})).lifter.state_dict()
    ours = {key: torch.rand_like(value) if value.is_floating_point() else value for key, value in ours.items()}
    theirs = {}
    for key, value in ours.items():
        (match,) = [names for names in OFFICIAL[kind] if key == names[0] or key.startswith(f"{names[0]}.")]
        theirs[match[1] + key.removeprefix(match[0])] = value
    return ours, theirs


@pytest.mark.parametrize("kind", LIFTERS)
def test_a_published_lifter_lifts(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The kind is told by the keys, the file by its wrapper; `cape lift` and `cape test` load what comes out."""
    config, source, out = config_of(kind, tmp_path), tmp_path / "x.pth", tmp_path / "y.safetensors"
    ours, theirs = official(kind, config)
    generator = np.random.RandomState(0)
    wrapped = {
        "VideoPose": {"model_pos": theirs, "epoch": 80, "random_state": generator},
        "SemGCN": {"state_dict": theirs, "lr": 0.1},
    }
    torch.save(wrapped.get(kind, {f"module.{key}": value for key, value in theirs.items()}), source)
    assert main(["lifter", str(source), str(out), "--config", str(config), "--allow-pickle"]) == 0
    assert f"{kind}: {len(ours)} tensors" in capsys.readouterr().out
    written = read_weights(out)
    assert written.keys() == {f"lifter.{key}" for key in ours}
    assert all(torch.equal(written[f"lifter.{key}"], value) for key, value in ours.items())
    assert read_header(out)["source"] == kind
    model = SpatialModel.load(out, device="cpu")
    assert not model.judges and model.skeleton.names[9] == "nose"
    loaded = load_model(load_config(config, {"model.critic": None}), out, device="cpu")
    points = torch.rand(1, 4, 17, 2)
    assert torch.equal(loaded(points), model.model(points))


def test_whose_joints_must_be_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, source = config_of("SemGCN", tmp_path), tmp_path / "x.pth"
    torch.save(official("SemGCN", config)[1], source)
    argv = ["lifter", str(source), str(tmp_path / "y.safetensors"), "--allow-pickle"]
    assert main(argv) == 1
    assert "whose joints this SemGCN knows" in " ".join(capsys.readouterr().err.split())
    assert main([*argv, "--config", str(config), "--cfg-options", "model.skeleton=human36m_16"]) == 1
    assert "has shape (1, 49), not (1, 46)" in " ".join(capsys.readouterr().err.split())
    assert main([*argv, "--config", "cape_lite"]) == 1
    assert "a config of a lifter" in capsys.readouterr().err
    assert main([*argv, "--config", str(config), "--split", "1"]) == 1
    assert "--split" in capsys.readouterr().err
    assert not (tmp_path / "y.safetensors").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.update(more=torch.zeros(1)), "the keys of"),
        (lambda state: state.pop("w2.bias"), "last.bias is missing"),
        (lambda state: state["w2.bias"].fill_(float("nan")), "finite weights"),
        (dict.clear, "an empty one"),
    ],
    ids=["another key", "a missing one", "nan", "nothing"],
)
def test_broken_files(change, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, source, out = config_of("SimpleBaseline", tmp_path), tmp_path / "x.pth", tmp_path / "y.safetensors"
    state = official("SimpleBaseline", config)[1]
    change(state)
    torch.save(state, source)
    assert main(["lifter", str(source), str(out), "--config", str(config), "--allow-pickle"]) == 1
    assert words in " ".join(capsys.readouterr().err.split()) and not out.exists()


def test_the_header_is_the_configs(tmp_path: Path) -> None:
    """And says nothing of a loss-net, which the file does not have, even where the config has one."""
    config, source, out = config_of("SimpleBaseline", tmp_path), tmp_path / "x.pth", tmp_path / "y.safetensors"
    torch.save(official("SimpleBaseline", config)[1], source)
    assert main(["lifter", str(source), str(out), "--config", str(config), "--allow-pickle"]) == 0
    told = json.loads(read_header(out)["run"])
    assert told["model.skeleton"] == "human36m" and not [key for key in told if key.startswith("model.critic.")]
