"""CIGPose's graph and intervention in the few-shot page: the contracts of the decoder, and what the parts do there."""

import networks
import pytest
import torch

from cape.models import FewShotPose
from cape.structures import Episode, Found

GRAPH = {"type": "HierarchicalGraph", "norm": "layer"}
CIM = {"type": "CausalIntervention", "train": 0.3, "test": 2}


@pytest.fixture(scope="module")
def batch() -> Episode:
    """Two categories with parts, an arm of three and a rest, and one keypoint without a name."""
    episodes = networks.two_episodes()
    parts = torch.zeros_like(episodes.adjacency)
    parts[:, 0, :3] = parts[:, 1, 2:] = True
    return episodes._replace(parts=parts, names=[("", ""), *episodes.names[1:]])


def build(**changes) -> FewShotPose:
    torch.manual_seed(0)
    options = {**networks.SMALL, "decoder": {**networks.SMALL["decoder"], "graph": GRAPH}, "intervention": CIM}
    model = FewShotPose(**{**options, **changes})
    for *_, last in model.decoder.offsets:  # refinement starts as the identity
        torch.nn.init.normal_(last.weight, std=0.1)
    return model


def find(model: FewShotPose, batch: Episode) -> Found:
    tokens = model.prompt(batch.support, batch.names, batch.mask, batch.mirror)
    return model.locate(model.visual(batch.query.image), tokens, batch.adjacency, batch.parts)


def permuted(batch: Episode, order: torch.Tensor) -> Episode:
    support, query = (
        view._replace(points=view.points[..., order, :], visible=view.visible[..., order])
        for view in (batch.support, batch.query)
    )
    return batch._replace(
        support=support,
        query=query,
        mask=batch.mask[:, order],
        adjacency=batch.adjacency[:, order][..., order],
        mirror=torch.arange(len(order)).expand(2, -1),
        parts=batch.parts[..., order],
        names=[batch.names[place] for place in order],
    )


@pytest.mark.parametrize("fusion", [None, {"rule": "mean"}])
def test_permuting_the_keypoints_permutes_the_answer(batch: Episode, fusion: dict | None) -> None:
    model = build(decision=fusion).eval()
    order = torch.randperm(batch.mask.shape[1], generator=torch.Generator().manual_seed(1))
    plain = batch._replace(mirror=torch.arange(len(order)).expand(2, -1))
    one, other = find(model, plain), find(model, permuted(plain, order))
    torch.testing.assert_close(other.points, one.points[:, :, order], atol=1e-5, rtol=0)
    for mine, theirs in zip(one.branches, other.branches, strict=True):
        assert torch.equal(theirs.replaced, mine.replaced[:, order])


def test_the_most_confused_keypoints_are_asked_for_by_their_names(batch: Episode) -> None:
    model = build().eval()
    (branch,) = find(model, batch).branches
    peak = branch.match.similarity.flatten(2).softmax(dim=-1).amax(dim=-1)
    for row, chosen in enumerate(branch.replaced):
        assert chosen.sum() == 2 and (branch.mask[row] | ~chosen).all()
        rest = branch.mask[row] & ~chosen
        assert peak[row][chosen].max() <= peak[row][rest].min()
    assert branch.observed is None, "in evaluation nobody asks"

    tokens = model.prompt(batch.support, batch.names, batch.mask)
    text = model.text_projection(model.text(batch.names)[0] * 1.0)
    named = batch.mask & (torch.arange(batch.mask.shape[1]) > 0)
    torch.testing.assert_close(tokens.canonical[named], text[named])
    assert torch.equal(tokens.canonical[:, 0], model.null.expand(2, -1)), "a learned vector without a name"


def test_the_declared_parts_matter_and_none_are_neighbourhoods(batch: Episode) -> None:
    model = build(intervention=None).eval()
    points = model(*batch)
    assert (model(*batch._replace(parts=torch.zeros_like(batch.parts))) - points).abs().max() > 1e-4
    plain = build(intervention=None, decoder=networks.SMALL["decoder"]).eval()
    assert torch.equal(plain(*batch), plain(*batch._replace(parts=torch.zeros_like(batch.parts))))


@pytest.mark.parametrize(
    ("missing", "fusion"), [(None, None), ("support", None), ("text", None), (None, {"rule": "gate"})]
)
def test_a_keypoint_that_is_not_asked_for_has_no_influence(
    batch: Episode, missing: str | None, fusion: dict | None
) -> None:
    model = build(decision=fusion, **({missing: None} if missing else {})).eval()
    asked, parts, edges = batch.mask.clone(), batch.parts.clone(), batch.adjacency.clone()
    asked[:, 2] = False
    parts[:, :, 2] = ~parts[:, :, 2]
    edges[:, 2, 4:] = edges[:, 4:, 2] = True
    before = batch._replace(mask=asked)
    after = before._replace(parts=parts, adjacency=edges)
    others = [row for row in range(asked.shape[1]) if row != 2]
    torch.testing.assert_close(model(*after)[:, :, others], model(*before)[:, :, others], atol=1e-6, rtol=0)


@pytest.mark.parametrize("fusion", [None, {"rule": "gate"}])
def test_every_trainable_parameter_gets_a_gradient(batch: Episode, fusion: dict | None) -> None:
    """With a share of 1 every keypoint is replaced: the learned vector is needed, and nothing is left to be stable."""
    for share in (0.3, 20):
        model = build(decision=fusion, intervention={**CIM, "train": share}).train()
        if model.decision is not None:
            torch.nn.init.normal_(model.decision.gate.weight, std=0.1)
        losses = model(*batch, mode="loss")
        agreement = sum(value for name, value in losses.items() if name.endswith("counterfactual"))
        assert (agreement == 0) == (share == 20)
        sum(losses.values()).backward()
        silent = {name for name, each in model.named_parameters() if each.grad is None or not each.grad.any()}
        assert silent <= ({"null"} if share == 0.3 else set())


def test_the_observed_path_teaches_without_learning(batch: Episode) -> None:
    model = build().train()
    found = find(model, batch)
    (branch,) = found.branches
    assert not branch.observed.requires_grad
    plain = build(intervention=None).train()
    plain.load_state_dict({key: value for key, value in model.state_dict().items() if key != "null"})
    torch.testing.assert_close(branch.observed, find(plain, batch).points[-1])
    assert (branch.points[-1] - branch.observed).abs().max() > 1e-4
