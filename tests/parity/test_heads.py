"""GraphCape's and CapeX's pose heads, from their random weights to every output and loss term."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from cape.losses import heatmap_loss, offset_loss
from cape.models.fusion import Matching
from cape.models.heads import KeypointDecoder
from cape.released import convert

HEADS = [f"{model}_{graph}" for model in ("graphcape", "capex") for graph in ("pre", "none", "both")]


def build(reference: SimpleNamespace) -> nn.Module:
    config = reference.meta["cfg"]
    width, heads = config["d_model"], config["nhead"]
    head = nn.Module()
    head.matching = Matching(width=width, heads=heads, hidden=config["ff"], gate=config["dyn"], aligned=False)
    graph = {"hidden": config["ff"], "mode": config["graph"] or "none"}
    head.decoder = KeypointDecoder(width=width, heads=heads, graph=graph, one_path=False)
    head.feature_projection = nn.Conv2d(config["in_c"], width, 1)
    if "text" in reference.inputs:
        head.text_projection = nn.Linear(config["text_c"], width)
    else:
        head.visual_projection = nn.Linear(config["in_c"], width)
    published = {f"keypoint_head.{key}": value for key, value in reference.state.items()}
    head.load_state_dict(convert(reference.meta["model"], published).state)
    return head.eval()


@pytest.mark.parametrize("name", HEADS)
def test_outputs(reference, run_head, name: str) -> None:
    official = reference(name)
    mask, match, points = run_head(build(official), official)
    close = {"atol": 1e-4, "rtol": 1e-5}
    torch.testing.assert_close(points[:, mask], official.outputs["keypoints"][:, mask], **close)
    torch.testing.assert_close(match.expected[mask], official.outputs["proposals_for_loss"][mask], **close)
    torch.testing.assert_close(match.similarity[mask], official.outputs["similarity"][mask], **close)


@pytest.mark.parametrize("name", HEADS)
def test_every_loss_term(reference, run_head, name: str) -> None:
    official = reference(name)
    mask, match, points = run_head(build(official), official)
    inputs = official.inputs
    valid = mask & (inputs["weight_q"][..., 0] > 0)
    target = inputs["target"] / 256
    terms = {
        "heatmap_loss": 2.0 * heatmap_loss(match.similarity, inputs["heatmap_q"], valid),
        "proposal_loss": offset_loss(match.expected, target, valid),
    }
    for layer, each in enumerate(points):
        terms[f"l1_loss_layer{layer}"] = offset_loss(each, target, valid)
    assert set(terms) == set(official.losses)
    for key, value in terms.items():
        torch.testing.assert_close(value, official.losses[key].to(value.dtype), atol=0, rtol=1e-5)
