"""Published checkpoints of CIGPose, from their wrapping through `cape convert` to the official outputs again."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cape import compat
from cape.checkpoints import read_header
from cape.commands.convert import main
from cape.configuration import load_config
from cape.data.skeletons import read_skeleton
from cape.engine import load_model
from cape.registry import MODELS

FILES = ["cigpose_coco17", "cigpose_two_layers"]
CLOSE = {"atol": 1e-4, "rtol": 1e-5}
STAGES = [[8, 8, 1, True, False], [8, 8, 1, True, False], [8, 8, 1, True, False], [8, 16, 1, False, True]]
BACKBONE = {"type": "mmpose.CSPNeXt", "arch_ovewrite": STAGES, "out_indices": (4,)}  # spelt so in mmpose
PREDICTORS = ("initial_pred_x", "initial_pred_y")


def small_config(folder: Path, official: SimpleNamespace) -> Path:
    """A shipped config in the sizes of a reference, with its skeleton; it leaves the score at its default."""
    meta, coco = official.meta, read_skeleton("coco")
    parts = {str(number): group for number, group in enumerate(meta["keypoint_groups"])}
    content = {"names": coco.names, "edges": meta["keypoint_connections"], "parts": parts, "swap": coco.swap}
    skeleton = folder / "official.json"
    skeleton.write_text(json.dumps(content))
    attention, counts = meta["gau_cfg"], meta["cim_cfg"]
    model = {
        "skeleton": str(skeleton),
        "size": tuple(meta["input_size"]),
        "backbone": {"_delete_": True, **BACKBONE},
        "embedding": {
            "channels": meta["in_channels"],
            "width": attention["hidden_dims"],
            "query": attention["s"],
        },
        "intervention": {"train": counts["intervention_k"], "test": counts["intervention_k_val"]},
        "graph": {"layers": meta["gcn_cfg"]["num_layers"]},
    }
    base = Path(__file__).parents[2] / "configs" / "cigpose-m_1xb384-420e_coco-256x192.py"
    path = folder / "small.py"
    path.write_text(f'_base_ = "{base}"\nmodel = {model!r}\n')
    return path


def published(official: SimpleNamespace, backbone: torch.nn.Module, *, module: str) -> dict:
    """A checkpoint as mmengine writes it and mmpose publishes it."""
    state = {f"{module}backbone.{key}": value for key, value in backbone.state_dict().items()}
    state |= {f"{module}head.{key}": value for key, value in official.state.items()}
    facts = {"dataset_name": "coco", "sigmas": np.full(17, 0.05, dtype=np.float32), "flip_pairs": [(1, 2)]}
    return {"meta": {"mmengine_version": "0.10.1", "dataset_meta": facts, "cfg": "model = 1"}, "state_dict": state}


@pytest.fixture
def backbone() -> torch.nn.Module:
    """Random weights; statistics of batches behind it."""
    compat.load_mmpose()
    network = MODELS.build(BACKBONE)
    network.train()
    network(torch.randn(4, 3, 64, 64))
    network.eval()
    return network


@pytest.mark.parametrize("name", FILES)
def test_cigpose(reference, backbone, tmp_path: Path, name: str) -> None:
    official = reference(name)
    config, module = small_config(tmp_path, official), "module." if name == "cigpose_two_layers" else ""
    path, out = tmp_path / "published.pth", tmp_path / "ours.safetensors"
    torch.save(published(official, backbone, module=module), path)
    assert main(["cigpose", str(path), str(out), "--config", str(config), "--allow-pickle"]) == 0

    header = read_header(out)
    assert header["config_options"] == "model.intervention.score=random"
    model = load_model(load_config(config, {"model.intervention.score": "random"}), out, device="cpu")
    outputs = official.outputs
    with torch.no_grad():
        tokens = model.embedding(official.inputs["feature"])
        initial = model.initial(tokens)
        intervened, chosen = model.intervene(tokens)
        logits = model.place(intervened)
        picture = torch.randn(2, 3, 256, 192)
        torch.testing.assert_close(model.backbone(picture)[0], backbone(picture)[0], atol=0, rtol=0)
    torch.testing.assert_close(initial.x, outputs["initial_x"], **CLOSE)
    torch.testing.assert_close(initial.y, outputs["initial_y"], **CLOSE)
    assert torch.equal(chosen, outputs["intervened"] > 0)
    torch.testing.assert_close(logits.x, outputs["pred_x"], **CLOSE)
    torch.testing.assert_close(logits.y, outputs["pred_y"], **CLOSE)
    state = model.state_dict()
    assert state["backbone.stem.0.bn.num_batches_tracked"] == 1
    count = official.state["gcn.bn_input.num_batches_tracked"]
    assert state["graph.norm.num_batches_tracked"] == count


@pytest.mark.parametrize("name", FILES)
def test_half_of_it_is_none_of_it(reference, backbone, tmp_path: Path, capsys, name: str) -> None:
    official = reference(name)
    config = small_config(tmp_path, official)
    path, out = tmp_path / "published.pth", tmp_path / "ours.safetensors"
    content = published(official, backbone, module="")
    for key in PREDICTORS:
        del content["state_dict"][f"head.{key}.weight"]
    torch.save(content, path)
    assert main(["cigpose", str(path), str(out), "--config", str(config), "--allow-pickle"]) == 1
    error = capsys.readouterr().err
    assert "initial.x.weight is missing, initial.y.weight is missing" in error and not out.exists()
