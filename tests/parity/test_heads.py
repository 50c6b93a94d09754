"""GraphCape's and CapeX's pose heads, from their random weights to every output and loss term."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from cape.checkpoints import from_graphcape
from cape.losses import heatmap_loss, offset_loss
from cape.models.encoders.support import pool
from cape.models.fusion import Matching
from cape.models.heads import KeypointDecoder

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
    head.load_state_dict(from_graphcape(reference.state))
    return head.eval()


def run(reference: SimpleNamespace):
    head, inputs = build(reference), reference.inputs
    mask = inputs["mask_s"][..., 0] > 0
    adjacency = torch.zeros(*mask.shape, mask.shape[1], dtype=torch.bool)
    for row, edges in enumerate(reference.meta["skeleton"]):
        for a, b in edges:
            adjacency[row, a, b] = adjacency[row, b, a] = True
    if "text" in inputs:
        tokens = head.text_projection(inputs["text"] * mask[..., None])
    else:
        pooled = pool(inputs["feature_s"][:, None], inputs["heatmap_s"][:, None])[:, 0]
        tokens = head.visual_projection(pooled * mask[..., None])
    with torch.no_grad():
        match = head.matching(head.feature_projection(inputs["feature_q"]), tokens, mask)
        return mask, match, head.decoder(match, adjacency, mask)


@pytest.mark.parametrize("name", HEADS)
def test_outputs(reference, name: str) -> None:
    official = reference(name)
    mask, match, points = run(official)
    close = {"atol": 1e-4, "rtol": 1e-5}
    torch.testing.assert_close(points[:, mask], official.outputs["keypoints"][:, mask], **close)
    torch.testing.assert_close(match.expected[mask], official.outputs["proposals_for_loss"][mask], **close)
    torch.testing.assert_close(match.similarity[mask], official.outputs["similarity"][mask], **close)


@pytest.mark.parametrize("name", HEADS)
def test_every_loss_term(reference, name: str) -> None:
    official = reference(name)
    mask, match, points = run(official)
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


def test_a_foreign_key_is_named(reference) -> None:
    state = dict(reference("graphcape_pre").state)
    state["transformer.encoder.layers.0.mystery.weight"] = torch.zeros(1)
    with pytest.raises(Exception, match="mystery"):
        from_graphcape(state)
