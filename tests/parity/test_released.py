"""Published checkpoints, from their wrapping to our model: the official outputs again."""

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from safetensors import safe_open

from cape.checkpoints import load_weights, read_header
from cape.commands.convert import main
from cape.configuration import load_config
from cape.engine import load_model, make_model
from cape.models.encoders.visual import load_pretrained

HEADS = [f"{model}_{graph}" for model in ("graphcape", "capex") for graph in ("pre", "none", "both")]
CLOSE = {"atol": 1e-4, "rtol": 1e-5}


def small_config(tmp_path: Path, official: SimpleNamespace) -> Path:
    """The shipped config of a system, faithful switches and all, in the sizes of its reference."""
    made, name = official.meta["cfg"], official.meta["model"]
    width, heads = made["d_model"], made["nhead"]
    swin = {"embed_dim": made["in_c"] // 8, "depths": (1, 1, 2, 1), "num_heads": (1, 1, 1, 1), "window_size": 4}
    model = {
        "width": width,
        "visual": {"name": "swinv2_tiny_window16_256", "options": {**swin, "img_size": 128, "drop_path_rate": 0.0}},
        "matching": {"heads": heads, "hidden": made["ff"], "gate": made["dyn"]},
        "decoder": {"heads": heads, "graph": {"hidden": made["ff"], "mode": made["graph"] or "none"}},
    }
    if name == "capex":
        model["text"] = {"name": "random", "width": made["text_c"]}
    path = tmp_path / f"small_{name}.py"
    path.write_text(f'_base_ = "{Path(__file__).parents[2]}/configs/{name}.py"\nmodel = {model!r}\n')
    return path


def published(official: SimpleNamespace, swin: dict[str, torch.Tensor], *, module: str, backbone: str) -> dict:
    """A checkpoint as mmcv writes it."""
    swin = {
        **swin,
        "layers.0.blocks.0.attn.relative_coords_table": torch.zeros(1, 7, 7, 2),
        "head.bias": torch.zeros(1000),
    }
    state = {f"{module}{backbone}.{key}": value for key, value in swin.items()}
    state |= {f"{module}keypoint_head.{key}": value for key, value in official.state.items()}
    meta = {"mmcv_version": "1.6.2", "epoch": 200, "time": "now", "config": "a = 'mp100_split3_train.json'", "hook": {}}
    return {"meta": meta, "state_dict": state, "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}}}


@pytest.mark.parametrize("name", HEADS)
def test_pose_models(reference, run_head, official_swin, tmp_path: Path, name: str) -> None:
    official = reference(name)
    config, system = small_config(tmp_path, official), official.meta["model"]
    path, out = tmp_path / "published.pth", tmp_path / "ours.safetensors"
    prefixes = {"module": "module.", "backbone": "encoder_sample"} if name.endswith("both") else {}
    twin = make_model(load_config(config, {"seed": 3})).visual
    swin = official_swin(twin.network)
    checkpoint = published(official, swin, **{"module": "", "backbone": "backbone", **prefixes})
    torch.save(checkpoint, path)
    assert main([system, str(path), str(out), "--config", str(config), "--allow-pickle"]) == 0

    settings = load_config(config, {"split": 3})
    model = make_model(settings)
    load_weights(model, out)
    mask, match, points = run_head(model.eval(), official)
    torch.testing.assert_close(points[:, mask], official.outputs["keypoints"][:, mask], **CLOSE)
    torch.testing.assert_close(match.expected[mask], official.outputs["proposals_for_loss"][mask], **CLOSE)
    torch.testing.assert_close(match.similarity[mask], official.outputs["similarity"][mask], **CLOSE)

    same = load_model(settings, out, device="cpu")
    picture = torch.randn(1, 3, 128, 128)
    with torch.no_grad():
        torch.testing.assert_close(same.visual(picture), twin.eval()(picture), atol=0, rtol=0)
    header = read_header(out)
    assert header["config"] == config.stem and json.loads(header["run"])["split"] == 3
    assert header["source"].lower() == system


@pytest.mark.parametrize("pretraining", ["supervised", "simmim"])
def test_swin(reference, tmp_path: Path, capsys, monkeypatch, pretraining: str) -> None:
    official = reference("swinv2_official")
    keys = ("embed_dim", "depths", "num_heads", "window_size", "img_size")
    options = {**{key: official.meta[key] for key in keys}, "drop_path_rate": 0.0}
    config, path, out = (tmp_path / each for each in ("swin.py", "published.pth", "ours.safetensors"))
    visual = {"name": "swinv2_tiny_window16_256", "options": options}
    base = Path(__file__).parents[2] / "configs" / "cape_flf_tiny.py"
    config.write_text(f'_base_ = "{base}"\nmodel = dict(visual={visual!r})\n')
    checkpoint: dict = {
        "model": {**official.state, "head.weight": torch.zeros(1000, 96), "head.bias": torch.zeros(1000)}
    }
    if pretraining == "simmim":
        state = {f"encoder.{key.replace('cpb_mlp', 'rpe_mlp')}": value for key, value in official.state.items()}
        others = {"encoder.mask_token": torch.zeros(1, 1, 12), "decoder.0.weight": torch.zeros(3, 96, 1, 1)}
        checkpoint = {
            "model": {**state, **others, "decoder.0.bias": torch.zeros(3)},
            "config": settings_of(monkeypatch),
        }
    torch.save(checkpoint, path)
    assert main(["swinv2", str(path), str(out), "--config", str(config), "--allow-pickle"]) == 0
    assert "--backbone-weights" in capsys.readouterr().out

    encoder = load_pretrained(make_model(load_config(config)).visual, weights=out)
    images = (official.inputs["image"] - encoder.shift) / encoder.scale
    with torch.no_grad():
        torch.testing.assert_close(encoder(images), official.outputs["feature"], **CLOSE)
    with safe_open(out, framework="pt") as file:
        assert len(file.keys()) == len(encoder.network.state_dict())


def settings_of(monkeypatch: pytest.MonkeyPatch) -> dict:
    """What SimMIM stores its configuration as: a class of yacs, which is not installed here."""
    module = ModuleType("yacs.config")
    kind = type("CfgNode", (dict,), {"__module__": "yacs.config"})
    module.CfgNode = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, "yacs", ModuleType("yacs"))
    monkeypatch.setitem(__import__("sys").modules, "yacs.config", module)
    settings = kind(MODEL=kind(TYPE="swinv2"))
    settings.__dict__["__immutable__"] = True
    return settings
