"""Decision-level fusion in the few-shot page: two answers and their weights, missing modalities, losses, gradients."""

import networks
import pytest
import torch

from cape.errors import UsageError
from cape.models import FewShotPose
from cape.structures import Episode, Found

SMALL = {**networks.SMALL, "decision": {"rule": "gate"}}


@pytest.fixture(scope="module")
def batch() -> Episode:
    return networks.two_episodes()


def build(**changes) -> FewShotPose:
    """Refinement and gate start as the identity and the mean; make them say something of their own."""
    torch.manual_seed(0)
    model = FewShotPose(**{**SMALL, **changes})
    for *_, last in model.decoder.offsets:
        torch.nn.init.normal_(last.weight, std=0.1)
    if model.decision is not None and model.decision.gate is not None:
        torch.nn.init.normal_(model.decision.gate.weight, std=0.1)
    return model


def find(model: FewShotPose, batch: Episode) -> Found:
    tokens = model.prompt(batch.support, batch.names, batch.mask)
    return model.locate(model.visual(batch.query.image), tokens, batch.adjacency)


def without_names(batch: Episode) -> Episode:
    return batch._replace(names=[("",) * len(row) for row in batch.names])


def without_clicks(batch: Episode) -> Episode:
    return batch._replace(support=batch.support._replace(visible=torch.zeros_like(batch.support.visible)))


def single(model: FewShotPose, kind: str) -> FewShotPose:
    """The one-modality model with the weights of a branch."""
    other = FewShotPose(**{**SMALL, "decision": None, {"visual": "text", "text": "support"}[kind]: None})
    state = model.state_dict()
    if kind == "text":
        offsets = {key: value for key, value in state.items() if key.startswith("decoder.offsets")}
        own = {key: value for key, value in state.items() if not key.startswith(("matching", "decoder"))}
        state = {key.removeprefix("text_"): value for key, value in own.items() if "_projection" not in key} | offsets
        state |= {key: value for key, value in own.items() if "_projection" in key}
    other.load_state_dict({key: state[key] for key in other.state_dict()})
    return other.eval()


def test_each_branch_is_the_model_of_its_modality(batch: Episode) -> None:
    model = build().eval()
    found = find(model, batch)
    for branch, kind in zip(found.branches, ("visual", "text"), strict=True):
        torch.testing.assert_close(branch.points, single(model, kind)(*batch))


def test_the_answer_is_the_weighted_average(batch: Episode) -> None:
    model = build().eval()
    found = find(model, batch)
    assert 0.01 < (found.weights[:, 0] - 0.5)[batch.mask].abs().max() < 0.49
    points = sum(found.weights[:, v, :, None] * found.branches[v].points for v in (0, 1))
    torch.testing.assert_close(found.points, points)
    for row, pose in enumerate(model(*batch, mode="predict")):
        torch.testing.assert_close(pose.branches[1], found.branches[1].points[-1, row])
        torch.testing.assert_close(pose.weights, found.weights[row])


@pytest.mark.parametrize("decision", [{"rule": "gate"}, {"rule": "pool", "powers": (0.7, 0.25)}])
@pytest.mark.parametrize("decoders", ["two", "shared"])
@pytest.mark.parametrize("kind", ["visual", "text"])
def test_a_missing_modality_leaves_the_other_branch(batch: Episode, decoders: str, kind: str, decision: dict) -> None:
    model = build(decoders=decoders, decision=decision).eval()
    given = without_names(batch) if kind == "visual" else without_clicks(batch)
    found = find(model, given)
    branch = found.branches[kind == "text"]
    known = batch.mask
    assert (found.weights[:, int(kind == "text")][known] == 1).all()
    torch.testing.assert_close(found.match.proposals[known], branch.match.proposals[known])
    if decoders == "two":
        torch.testing.assert_close(found.points[:, known], branch.points[:, known])


@pytest.mark.parametrize("decision", [None, {"rule": "gate"}, {"rule": "mean"}])
def test_names_for_some_and_clicks_for_others_in_one_prompt(batch: Episode, decision: dict | None) -> None:
    """Every keypoint is found, and by what it has: changing what it has not changes nothing."""
    model = build(decision=decision).eval()
    named = torch.arange(batch.mask.shape[1]) % 2 == 0
    names = [row if keep else ("",) * len(row) for row, keep in zip(batch.names, named.tolist(), strict=True)]
    support = batch.support._replace(visible=batch.support.visible & ~named)
    prompt = model.prompt(support, names, batch.mask)
    assert torch.equal(prompt.mask, batch.mask)
    other = batch.support.points.clone()
    other[:, :, named] = 0.9 - other[:, :, named]
    points = model(*batch._replace(support=support, names=names))
    assert points.isfinite().all()
    assert torch.equal(points, model(*batch._replace(support=support._replace(points=other), names=names)))
    moved = batch.support.points.clone()
    moved[:, :, ~named] = 0.9 - moved[:, :, ~named]
    changed = model(*batch._replace(support=support._replace(points=moved), names=names))
    assert not torch.allclose(points, changed, atol=1e-4)


def test_the_losses(batch: Episode) -> None:
    losses = build()(*batch, mode="loss")
    branch = ("heatmap", "proposal", "offset_0", "offset_1")
    names = {f"loss_{kind}_{name}" for kind in ("visual", "text") for name in branch}
    assert set(losses) == names | {"loss_consistency", "loss_decision"}
    assert all(value.isfinite() and value > 0 for value in losses.values())
    assert "loss_decision" not in build(decision={"rule": "mean"})(*batch, mode="loss")
    shared = build(decoders="shared")(*batch, mode="loss")
    assert set(shared) == {
        *(f"loss_{kind}_{name}" for kind in ("visual", "text") for name in ("heatmap", "proposal")),
        "loss_consistency", "loss_decision", "loss_offset_0", "loss_offset_1",
    }  # fmt: skip


def test_consistency_is_weighted_ramped_and_only_where_both_branches_speak(batch: Episode) -> None:
    model = build(consistency_weight=3.0).eval()
    full = model(*batch, mode="loss")["loss_consistency"]
    model.ramp = 0.5
    torch.testing.assert_close(model(*batch, mode="loss")["loss_consistency"], full / 2)
    model.ramp, model.consistency_weight = 1.0, 1.0
    torch.testing.assert_close(model(*batch, mode="loss")["loss_consistency"], full / 3)
    assert model(*without_names(batch), mode="loss")["loss_consistency"] == 0


@pytest.mark.parametrize("teacher", ["visual", "text"])
def test_a_teacher_does_not_learn_from_agreement(batch: Episode, teacher: str) -> None:
    model = build(consistency=teacher)
    model(*batch, mode="loss")["loss_consistency"].backward()
    taught, teaching = model.text_matching, model.matching
    if teacher == "text":
        taught, teaching = teaching, taught
    assert any(each.grad is not None and each.grad.any() for each in taught.parameters())
    assert all(each.grad is None or not each.grad.any() for each in teaching.parameters())


def test_the_decision_s_loss_teaches_the_gate_alone_through_the_weights(batch: Episode) -> None:
    model = build()
    model(*batch, mode="loss")["loss_decision"].backward()
    assert model.decision.gate.weight.grad.any()
    assert all(each.grad is None for each in model.decoder.offsets.parameters())


@pytest.mark.parametrize("decoders", ["two", "shared"])
def test_every_trainable_parameter_gets_a_gradient(batch: Episode, decoders: str) -> None:
    model = build(decoders=decoders).train()
    sum(model(*batch, mode="loss").values()).backward()
    silent = [name for name, each in model.named_parameters() if each.grad is None or each.grad.abs().sum() == 0]
    assert silent == []


@pytest.mark.parametrize("decoders", ["two", "shared"])
def test_a_keypoint_that_is_not_asked_for_has_no_influence(batch: Episode, decoders: str) -> None:
    model = build(decoders=decoders).eval()
    asked = batch.mask.clone()
    asked[:, 2] = False
    points = batch.support.points.clone()
    points[:, :, 2] = 0.9 - points[:, :, 2]
    names = [("something else",) * 2 if row == 2 else name for row, name in enumerate(batch.names)]
    before = batch._replace(mask=asked)
    after = before._replace(names=names, support=batch.support._replace(points=points))
    others = [row for row in range(asked.shape[1]) if row != 2]
    torch.testing.assert_close(model(*after)[:, :, others], model(*before)[:, :, others], atol=1e-6, rtol=0)
    old, new = model(*before, mode="loss"), model(*after, mode="loss")
    for name, value in old.items():
        torch.testing.assert_close(value, new[name], msg=name)


def test_permuting_keypoints_permutes_the_answer(batch: Episode) -> None:
    model = build().eval()
    order = torch.randperm(batch.mask.shape[1], generator=torch.Generator().manual_seed(0))
    support = batch.support._replace(
        points=batch.support.points[:, :, order], visible=batch.support.visible[:, :, order]
    )
    permuted = batch._replace(
        support=support, mask=batch.mask[:, order], adjacency=batch.adjacency[:, order][:, :, order],
        names=[batch.names[row] for row in order.tolist()],
    )  # fmt: skip
    known = batch.mask[:, order]
    torch.testing.assert_close(model(*permuted)[:, known], model(*batch)[:, :, order][:, known], atol=1e-5, rtol=0)


def test_a_batch_without_a_common_keypoint_is_finite(batch: Episode) -> None:
    model = build()
    losses = model(*batch._replace(mask=torch.zeros_like(batch.mask)), mode="loss")
    sum(losses.values()).backward()
    assert all(value.isfinite() for value in losses.values())
    assert all(each.grad is None or each.grad.isfinite().all() for each in model.parameters())


def test_pooled_points_are_refined_from_the_pooled_proposal(batch: Episode) -> None:
    model = build(decision={"rule": "pool"}).eval()
    found = find(model, batch)
    starts = [branch.match._replace(proposals=found.match.proposals) for branch in found.branches]
    visual = model.decoder(starts[0], batch.adjacency, found.branches[0].mask)
    text = model.text_decoder(starts[1], batch.adjacency, found.branches[1].mask, offsets=model.decoder.offsets)
    torch.testing.assert_close(found.points[:, batch.mask], ((visual + text) / 2)[:, batch.mask])
    assert not torch.allclose(found.match.proposals, found.branches[0].match.proposals, atol=1e-3)


@pytest.mark.parametrize("rule", ["gate", "pool"])
def test_held_out_categories_teach_the_decision_and_nothing_else(batch: Episode, rule: str) -> None:
    def learning(decision_share: float, category: int) -> set[str]:
        model = build(decision={"rule": rule}, decision_share=decision_share).train()
        losses = model(*batch._replace(category=torch.full((2,), category)), mode="loss")
        sum(losses.values()).backward()
        return {
            name.partition(".")[0]
            for name, each in model.named_parameters()
            if each.grad is not None and each.grad.any()
        }

    held = [category for category in range(100) if learning_alone(category, 0.25)]
    assert 15 <= len(held) <= 35, "about a quarter"
    assert learning(0.25, held[0]) == {"decision"}
    others = next(category for category in range(100) if category not in held)
    assert learning(0.25, others) >= {"matching", "text_matching", "decoder"} and "decision" not in learning(
        0.25, others
    )
    assert learning(0.0, held[0]) >= {"matching", "text_matching", "decoder", "decision"}


def learning_alone(category: int, share: float) -> bool:
    return bool(build(decision_share=share).teaches_decision_alone(torch.tensor(category)))


@pytest.mark.parametrize("rule", ["gate", "mean", "confidence", "pool"])
def test_a_keypoint_without_click_or_name_lies_in_the_crop(batch: Episode, rule: str) -> None:
    """It may be scored all the same; the corner would be the worst of guesses."""
    points = build(decision={"rule": rule}).eval()(*without_clicks(without_names(batch)))
    assert (points > 0.05).all() and (points < 0.95).all()


def test_nothing_is_decision_share_from_a_decision_that_does_not_learn() -> None:
    assert build(decision={"rule": "gate"}, decision_share=0.25).decision_share == 0.25
    assert build(decision={"rule": "mean"}, decision_share=0.25).decision_share == 0
    assert build(decision=None, decision_share=0.25).decision_share == 0


def test_a_decision_needs_both_modalities() -> None:
    with pytest.raises(UsageError, match="both of them for a decision, got a decision between one"):
        build(text=None)
