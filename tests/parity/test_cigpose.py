"""CIGPose's head, from its random weights to every output, both losses and the gradient of the canonical table."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from cape.data.skeletons import read_skeleton
from cape.models.wholebody import WholeBodyPose
from cape.released import convert, differences
from cape.structures import SimCC

FILES = ["cigpose_coco17", "cigpose_two_layers"]
CLOSE = {"atol": 1e-4, "rtol": 1e-5}


def build(reference: SimpleNamespace, folder: Path) -> WholeBodyPose:
    """The page without its backbone, of which the reference has none."""
    meta = reference.meta
    skeleton = folder / "official.json"
    groups = {str(number): group for number, group in enumerate(meta["keypoint_groups"])}
    names = list(read_skeleton("coco").names)
    swap = [[a, b] for a, b in read_skeleton("coco").swap]
    skeleton.write_text(
        json.dumps({"names": names, "edges": meta["keypoint_connections"], "parts": groups, "swap": swap})
    )
    attention, counts = meta["gau_cfg"], meta["cim_cfg"]
    model = WholeBodyPose(
        skeleton=str(skeleton),
        size=tuple(meta["input_size"]),
        backbone={"type": "mmpose.CSPNeXt", "widen_factor": 0.0625, "deepen_factor": 0.01, "out_indices": (4,)},
        embedding={"channels": meta["in_channels"], "width": attention["hidden_dims"], "query": attention["s"]},
        intervention={
            "train": counts["intervention_k"],
            "test": counts["intervention_k_val"],
            "score": "random",
            "weight": meta["loss_cf"]["loss_weight"],
        },
        graph={"layers": meta["gcn_cfg"]["num_layers"]},
    )
    model.backbone = nn.Identity()
    converted = convert("cigpose", {f"head.{key}": value for key, value in reference.state.items()})
    assert not differences(converted.state, model.state_dict())
    model.load_state_dict(converted.state)
    return model.eval()


@pytest.mark.parametrize("name", FILES)
def test_outputs(reference, tmp_path, name: str) -> None:
    official = reference(name)
    model, outputs = build(official, tmp_path), official.outputs
    with torch.no_grad():
        tokens = model.embedding(official.inputs["feature"])
        initial = model.initial(tokens)
        intervened, chosen = model.intervene(tokens)
        refined = model.refine(intervened)
        logits = model.head(refined)
    torch.testing.assert_close(tokens, outputs["gau"], **CLOSE)
    torch.testing.assert_close(initial.x, outputs["initial_x"], **CLOSE)
    torch.testing.assert_close(initial.y, outputs["initial_y"], **CLOSE)
    assert torch.equal(chosen, outputs["intervened"] > 0)
    torch.testing.assert_close(intervened, outputs["deconfounded"], **CLOSE)
    torch.testing.assert_close(refined, outputs["gnn"], **CLOSE)
    torch.testing.assert_close(logits.x, outputs["pred_x"], **CLOSE)
    torch.testing.assert_close(logits.y, outputs["pred_y"], **CLOSE)


@pytest.mark.parametrize("name", FILES)
def test_losses_and_gradients(reference, tmp_path, name: str) -> None:
    """One step in training mode, with batch statistics."""
    official = reference(name)
    model, inputs = build(official, tmp_path).train(), official.inputs
    tokens = model.embedding(inputs["feature"])
    losses = model.losses(tokens, SimCC(inputs["simcc_x"], inputs["simcc_y"]), inputs["weight"])
    exact = {"atol": 0, "rtol": 1e-5}
    torch.testing.assert_close(losses["loss_keypoint"], official.training["loss_kpt"].float(), **exact)
    torch.testing.assert_close(losses["loss_counterfactual"], official.training["loss_cf"].float(), **exact)

    sum(losses.values()).backward()
    gradient, wanted = model.intervention.canonical.weight.grad, official.gradients["canonical"]
    torch.testing.assert_close(gradient, wanted, atol=1e-5 * float(wanted.abs().max()), rtol=1e-5)
    assert official.gradients["initial_pred_x_is_none"]
    assert all(parameter.grad is None for parameter in model.initial.parameters())
