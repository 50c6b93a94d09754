"""`cape convert mmpose`: published estimators become the networks of a calibration, bit for bit."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from topdown_networks import FAMILIES, network_of

from cape.checkpoints import read_header
from cape.commands.convert import main
from cape.configuration import load_config
from cape.engine import load_start, make_model
from cape.errors import DataError, UsageError
from cape.models.calibration import CalibratedPose

VIT = {
    "type": "cape.PlainTransformer", "img_size": (96, 64), "patch_cfg": {"padding": 2},
    "arch": {"embed_dims": 32, "num_layers": 2, "num_heads": 4, "feedforward_channels": 64},
}  # fmt: skip
NAMES = (
    (r"backbone\.network\.patch_embed\.proj\.", "backbone.patch_embed.projection."),
    (r"backbone\.network\.blocks\.(\d+)\.norm(\d)", r"backbone.layers.\1.ln\2"),
    (r"backbone\.network\.blocks\.(\d+)\.mlp\.fc1", r"backbone.layers.\1.ffn.layers.0.0"),
    (r"backbone\.network\.blocks\.(\d+)\.mlp\.fc2", r"backbone.layers.\1.ffn.layers.1"),
    (r"backbone\.network\.blocks\.", "backbone.layers."),
    (r"backbone\.network\.norm\.", "backbone.ln1."),
    (r"backbone\.network\.pos_embed", "backbone.pos_embed"),
)
"""Ours to mmpretrain's."""


def config_of(family: str, folder: Path) -> Path:
    vit = family == "vitpose"
    network = network_of("simplebaseline" if vit else family)
    if vit:
        head = {**network["head"], "in_channels": 32, "deconv_out_channels": (8, 8), "deconv_kernel_sizes": (4, 4)}
        network |= {"backbone": VIT, "head": head}
    reader = "HeatmapReader" if vit else FAMILIES[family][-1]
    head = "GapHead" if family == "rle" else "SpatialHead"
    path = folder / f"{family}.py"
    path.write_text(
        f'model = dict(type="CalibratedPose", network={network!r}, reader=dict(type="{reader}"), metric="oks",\n'
        f'    sigmas=0.08, head=dict(type="{head}"))\n'
    )
    return path


def published(family: str, folder: Path, *, old: bool = False) -> tuple[Path, CalibratedPose]:
    """A checkpoint as mmpose publishes them, and a page whose network has its weights."""
    page = make_model(load_config(config_of(family, folder), {"seed": 5}))
    state = {}
    for name, value in page.network.state_dict().items():
        official = next((re.sub(*pair, name, count=1) for pair in NAMES if re.match(pair[0], name)), name)
        state[official.replace("head.", "keypoint_head.", 1) if old else official] = value
    state |= {"data_preprocessor.mean": torch.zeros(3, 1, 1), "data_preprocessor.std": torch.ones(3, 1, 1)}
    meta = {
        "epoch": 210,
        "dataset_meta": {"sigmas": np.ones(17, np.float32), "flip_indices": [0, 2, 1]},
        "cfg": "model=1",
    }
    hub = {"log_scalars": {"loss": HistoryBuffer([1.0], [1])}}
    path = folder / f"{family}.pth"
    torch.save({"meta": meta, "message_hub": hub, "state_dict": state}, path)
    return path, page


@pytest.mark.parametrize("family", ["simplebaseline", "hrnet", "vitpose", "rle", "dsnt", "udp_offsets"])
def test_a_published_network_starts_a_calibration(family: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source, known = published(family, tmp_path, old=family in ("simplebaseline", "hrnet"))
    out, config = tmp_path / "out.safetensors", config_of(family, tmp_path)
    assert main(["mmpose", str(source), str(out), "--config", str(config), "--allow-pickle"]) == 0
    assert f"cape train {family} --start-from {out}" in capsys.readouterr().out.replace("\n", " ").replace("  ", " ")
    assert read_header(out)["source"] == "mmpose" and "run" not in read_header(out)
    fresh = load_config(config, {"start_from": str(out)})
    page = make_model(fresh)
    before = {name: each.clone() for name, each in page.head.state_dict().items()}
    load_start(page, fresh)
    own = page.network.state_dict()
    for name, value in known.network.state_dict().items():
        assert torch.equal(own[name], value), name
    assert all(torch.equal(each, before[name]) for name, each in page.head.state_dict().items())


def test_the_wrong_network_is_refused(tmp_path: Path, refused, capsys: pytest.CaptureFixture) -> None:
    source, _ = published("rle", tmp_path)
    arguments = ["mmpose", str(source), str(tmp_path / "out.safetensors")]
    assert main([*arguments, "--config", str(config_of("simplebaseline", tmp_path)), "--allow-pickle"]) != 0
    assert "the parameters of" in capsys.readouterr().err
    assert main(arguments) != 0
    assert "a pickle" in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()


def test_another_source_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """HRNet, too, has a third module in its fourth stage, as large CSPNeXts have."""
    from cape.released import looks_like

    source, _ = published("hrnet", tmp_path)
    assert main(["rtmpose", str(source), str(tmp_path / "out.safetensors"), "--allow-pickle"]) != 0
    assert "Name the source mmpose" in capsys.readouterr().err
    assert looks_like(["backbone.stage4.2.branches.0.0.conv1.weight"]) is None
    assert looks_like(["backbone.stage4.2.main_conv.conv.weight"]) == "cspnext"
    assert looks_like(["backbone.stage4.2.main_conv.conv.weight", "head.deconv_layers.0.weight"]) == "cspnext"


def test_a_calibration_wants_a_network(tmp_path: Path, refused) -> None:
    config = load_config(config_of("rle", tmp_path))
    page = make_model(config)
    with refused(UsageError, "--start-from"):
        load_start(page, config)
    config.start_from = str(tmp_path / "missing.safetensors")
    with refused(DataError, "no such file"):
        load_start(page, config)
