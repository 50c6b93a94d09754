"""Confidence losses: ten-line references, gradients by finite differences, what does not count, and the optimum."""

import pytest
import torch
import torch.nn.functional as F

from cape.losses.confidence import confidence_loss, presence_loss
from cape.structures import Confidence, Outcome


def problem(*, labelled: float = 0.7, known: float = 0.9) -> tuple[Confidence, Outcome, torch.Tensor]:
    """Four poses of five keypoints, in double precision."""
    make = torch.Generator().manual_seed(0)
    draws = torch.rand(6, 4, 5, generator=make).double()
    shown, sure, mask = draws[0] < labelled, draws[1] < known, draws[2] < 0.8
    found = Confidence(*(4 * each - 2 for each in draws[3:5]))
    return found, Outcome(draws[5] * (shown & sure), shown & sure, sure), mask


def test_accuracy_is_summed_over_labelled_keypoints_and_averaged_over_poses() -> None:
    found, outcome, mask = problem()
    total = 0.0
    for pose in range(4):
        for keypoint in range(5):
            if outcome.labelled[pose, keypoint] and mask[pose, keypoint]:
                said = 1 / (1 + torch.exp(-found.accuracy[pose, keypoint]))
                total += float((said - outcome.accuracy[pose, keypoint]) ** 2)
    assert confidence_loss(found, outcome, mask).item() == pytest.approx(total / 4, abs=1e-12)


def test_presence_is_summed_over_keypoints_whose_presence_is_known() -> None:
    found, outcome, mask = problem()
    total = 0.0
    for pose in range(4):
        for keypoint in range(5):
            if outcome.known[pose, keypoint] and mask[pose, keypoint]:
                said = torch.sigmoid(found.presence[pose, keypoint])
                total -= float(torch.log(said if outcome.labelled[pose, keypoint] else 1 - said))
    assert presence_loss(found, outcome, mask).item() == pytest.approx(total / 4, abs=1e-12)


def test_the_example_of_the_docstring() -> None:
    logit = torch.tensor([[0.8]]).logit()
    yes = torch.ones(1, 1, dtype=torch.bool)
    loss = confidence_loss(Confidence(logit, logit), Outcome(torch.tensor([[0.5]]), yes, yes), yes)
    assert loss.item() == pytest.approx(0.09)


@pytest.mark.parametrize("kind", ["squared", "entropy"])
def test_gradients_are_those_of_finite_differences(kind: str) -> None:
    """Specification §7.10."""
    found, outcome, mask = problem()
    logits = torch.stack(found).requires_grad_()

    def loss(values: torch.Tensor) -> torch.Tensor:
        pair = Confidence(*values)
        return confidence_loss(pair, outcome, mask, loss=kind) + 0.02 * presence_loss(pair, outcome, mask)

    assert torch.autograd.gradcheck(loss, logits)
    loss(logits).backward()
    flat, step = torch.zeros(2, 4, 5).double(), 1e-5
    for index in range(40):
        moved = torch.zeros(40).double()
        moved[index] = step
        moved = moved.view(2, 4, 5)
        with torch.no_grad():
            flat.view(-1)[index] = (loss(logits + moved) - loss(logits - moved)) / (2 * step)
    torch.testing.assert_close(logits.grad, flat, atol=1e-9, rtol=1e-6)
    assert (logits.grad[0][~(outcome.labelled & mask)] == 0).all()
    assert (logits.grad[1][~(outcome.known & mask)] == 0).all()


@pytest.mark.parametrize("kind", ["squared", "entropy"])
def test_a_batch_without_a_visible_keypoint_costs_nothing(kind: str) -> None:
    found, outcome, mask = problem()
    nobody = Outcome(*(torch.zeros_like(each) for each in outcome))
    logits = torch.stack(found).requires_grad_()
    loss = confidence_loss(Confidence(*logits), nobody, mask, loss=kind)
    (loss + presence_loss(Confidence(*logits), nobody, mask)).backward()
    assert loss == 0 and not logits.grad.any()


@pytest.mark.parametrize("kind", ["squared", "entropy"])
def test_the_optimum_is_the_mean_of_what_is_labelled(kind: str) -> None:
    """One confidence for all: the mean accuracy of labelled keypoints, and how many of the known are there."""
    _, outcome, mask = problem()
    logits = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=100, tolerance_grad=1e-12, tolerance_change=1e-14)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        pair = Confidence(*(each.expand(4, 5) for each in logits))
        loss = confidence_loss(pair, outcome, mask, loss=kind) + 0.02 * presence_loss(pair, outcome, mask)
        loss.backward()
        return loss

    optimizer.step(step)
    counts, known = outcome.labelled & mask, outcome.known & mask
    expected = torch.stack([outcome.accuracy[counts].mean(), outcome.labelled[known].double().mean()])
    torch.testing.assert_close(logits.detach().sigmoid(), expected, atol=1e-6, rtol=0)


def test_extreme_logits_stay_finite() -> None:
    _, outcome, mask = problem()
    far = torch.tensor([-1e4, 1e4, -200.0, 200.0, 0.0]).expand(4, 5).clone().requires_grad_()
    pair = Confidence(far, far)
    for kind in ("squared", "entropy"):
        (confidence_loss(pair, outcome.__class__(outcome.accuracy.float(), *outcome[1:]), mask, loss=kind)
         + presence_loss(pair, outcome, mask)).backward()  # fmt: skip
        assert far.grad.isfinite().all()


def test_entropy_has_the_gradient_of_a_logit() -> None:
    """Where a sigmoid is flat, the squared loss hardly learns; the entropy does."""
    wrong = torch.tensor([[-12.0]], requires_grad=True)
    yes = torch.ones(1, 1, dtype=torch.bool)
    gradients = {}
    for kind in ("squared", "entropy"):
        wrong.grad = None
        confidence_loss(Confidence(wrong, wrong), Outcome(torch.ones(1, 1), yes, yes), yes, loss=kind).backward()
        gradients[kind] = wrong.grad.item()
    assert abs(gradients["squared"]) < 1e-4 and gradients["entropy"] == pytest.approx(-1, abs=1e-4)
    reference = F.binary_cross_entropy_with_logits(wrong.detach(), torch.ones(1, 1)).item()
    yes_outcome = Outcome(torch.ones(1, 1), yes, yes)
    assert confidence_loss(Confidence(wrong, wrong), yes_outcome, yes, loss="entropy").item() == pytest.approx(
        reference
    )
