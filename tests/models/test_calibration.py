"""Calibration around every family: the network stays as it is, its head learns what is usual, both views count."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from networks import BODY, SMALL, two_episodes
from topdown_networks import batch_of, calibrated, people

from cape.checkpoints import load_weights, save_weights
from cape.data.people import PersonCrops
from cape.errors import DataError, UsageError
from cape.evaluation.ranking import average_precision, average_recall
from cape.evaluation.targets import mean_of_labelled
from cape.models.calibration import CalibratedPose
from cape.registry import MODELS
from cape.structures import Evidence, Observation, Outcome, Reading

WORDS = {"type": "TextEncoder", "name": "random", "width": 64}
FAMILIES = ("fewshot", "wholebody", "simplebaseline", "hrnet", "udp", "rle", "dsnt", "integral")


class Case(NamedTuple):
    """A page, and what reads it a batch anew each time."""

    page: CalibratedPose
    read: Callable[[], Reading]


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> PersonCrops:
    return people(tmp_path_factory.mktemp("people"), images=4)


@pytest.fixture
def case(crops: PersonCrops, request: pytest.FixtureRequest) -> Case:
    """Of the family that a test names, with the flip test."""
    return make(request.param, crops)


def make(family: str, crops: PersonCrops, **options) -> Case:
    torch.manual_seed(0)
    if family == "fewshot":
        page = CalibratedPose(
            network={"type": "FewShotPose", **SMALL, "text": WORDS}, reader={"type": "FewShotReader"},
            head={"type": "TokenHead", "hidden": 8, "context": True}, **options,
        )  # fmt: skip
        batch = two_episodes()
        return Case(page, lambda: page.read(*batch))
    if family == "wholebody":
        page = CalibratedPose(
            network=BODY, reader={"type": "WholeBodyReader"}, head={"type": "TokenHead"},
            **{"metric": "oks", **options},
        )  # fmt: skip
        for each in page.network.parameters():
            if each.dim() > 1:
                torch.nn.init.normal_(each, std=each[0].numel() ** -0.5)
    else:
        page = calibrated(family, flip=True, **options)
    packed = batch_of(page, crops)
    return Case(page, lambda: page.read(**copy.deepcopy(packed)))


def optimise(page: CalibratedPose, observation: Observation, *, steps: int = 5) -> None:
    """As the engine does: a training step of mmengine for each batch."""
    from mmengine.optim import OptimWrapper

    learning = [each for each in page.parameters() if each.requires_grad]
    wrapper = OptimWrapper(torch.optim.Adam(learning, lr=0.05))
    page.train()
    for _ in range(steps):
        losses = page.train_step(observation, wrapper)
        assert all(torch.isfinite(each) for each in losses.values())


def near(reading: Reading) -> Reading:
    """As if the network had been right, more or less: networks that have learnt nothing have a recall of 0."""
    off = 0.15 * torch.randn(reading.points.shape, generator=torch.Generator().manual_seed(1))
    return reading._replace(truth=reading.points + off * reading.size[:, None, None])


def similarity(seen: Observation) -> np.ndarray:
    """Of each pose: the mean over its labelled keypoints."""
    return mean_of_labelled(seen.outcome.accuracy.double().numpy(), seen.outcome.labelled.numpy())


@pytest.mark.parametrize("case", FAMILIES, indirect=True)
def test_frozen_means_frozen(case: Case) -> None:
    """Parameters, buffers and answers are bit for bit the same before and after a head learnt; so is the recall."""
    page, read = case
    network = page.network
    before = {name: each.clone() for name, each in (*network.named_parameters(), *network.named_buffers())}
    reading = near(read())
    untrained = page.eval().judge(reading.evidence, reading.mirror)
    observation = page.observe(reading)
    head = {name: each.clone() for name, each in page.head.named_parameters()}
    optimise(page, observation)

    assert not any(each.training for each in network.modules()) and page.head.training
    assert not any(each.requires_grad or each.grad is not None for each in network.parameters())
    for name, each in (*network.named_parameters(), *network.named_buffers()):
        assert torch.equal(each, before[name]), name
    assert any(not torch.equal(each, head[name]) for name, each in page.head.named_parameters())

    again = near(read())
    assert torch.equal(again.points, reading.points)
    for first, second in zip(reading.evidence, again.evidence, strict=True):
        assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))
    verdict = page.eval().judge(again.evidence, again.mirror)
    assert not torch.equal(verdict.scores, untrained.scores)
    truth, later = (similarity(each) for each in (observation, page.observe(again)))
    recall = average_recall(truth)
    assert 0 < recall.mean() < 1 and np.array_equal(recall, average_recall(later))
    for each in (untrained, verdict):
        assert (average_precision(each.confidence().double().numpy(), truth) <= recall + 1e-12).all()


@pytest.mark.parametrize("case", FAMILIES, indirect=True)
def test_what_is_said_is_a_probability(case: Case) -> None:
    page, read = case
    reading = read()
    verdict = page.eval().judge(reading.evidence, reading.mirror)
    for each in (verdict.scores, verdict.presence, verdict.confidence()):
        assert each.isfinite().all() and (each >= 0).all() and (each <= 1).all()
    assert not verdict.scores[~reading.evidence[0].mask].any()
    rows = page(*page.observe(reading), mode="predict")
    assert len(rows) == len(reading.row)
    torch.testing.assert_close(rows[1].scores, page.judge(reading.evidence[:1]).scores[1])
    assert rows[1].row == reading.row[1]


@pytest.mark.parametrize("case", ["simplebaseline", "rle", "wholebody"], indirect=True)
def test_both_views_count_with_left_and_right_exchanged(case: Case) -> None:
    """By hand: what the head says of the mirror image, its keypoints exchanged back; the mean (specification §3.6)."""
    page, read = case
    with torch.no_grad():
        for each in page.head.parameters():
            each.normal_(std=0.3)
    page.eval()
    reading = read()
    upright, turned = (page.judge((each,)) for each in reading.evidence)
    verdict = page.judge(reading.evidence, reading.mirror)
    torch.testing.assert_close(verdict.scores, (upright.scores + turned.scores[:, reading.mirror]) / 2)
    torch.testing.assert_close(verdict.presence, (upright.presence + turned.presence[:, reading.mirror]) / 2)
    assert not torch.allclose(upright.scores, turned.scores)


@pytest.mark.parametrize("head", ["GapHead", "SpatialHead"])
def test_a_mirrored_picture_is_judged_alike(crops: PersonCrops, head: str) -> None:
    """Both views of a picture are those of its mirror image, in the other order: so are left and right."""
    page = calibrated("simplebaseline", flip=True, head=head).eval()
    with torch.no_grad():
        page.head.out.weight.normal_(std=0.3)
    batch = batch_of(page, crops)
    one = page.read(**copy.deepcopy(batch))
    other = page.read(inputs=batch["inputs"].flip(-1), data_samples=batch["data_samples"])
    first, second = (page.judge(each.evidence, each.mirror).scores for each in (one, other))
    torch.testing.assert_close(second, first[:, one.mirror])
    assert not torch.allclose(second, first)


@pytest.mark.parametrize("case", ["fewshot", "wholebody", "simplebaseline", "rle"], indirect=True)
def test_a_batch_without_a_visible_keypoint_teaches_presence_alone(case: Case) -> None:
    page, read = case
    reading = read()
    nobody = torch.zeros_like(reading.labelled)
    observation = page.observe(reading._replace(labelled=nobody))
    assert not observation.outcome.accuracy.any()
    losses = page.train()(*observation, mode="loss")
    assert losses["loss_confidence"] == 0 and losses["loss_presence"] > 0
    sum(losses.values()).backward()
    assert all(each.grad.isfinite().all() for each in page.head.parameters() if each.grad is not None)
    unknown = page(*page.observe(reading._replace(labelled=nobody, known=nobody)), mode="loss")
    assert sum(unknown.values()) == 0


@pytest.mark.parametrize("metric", ["oks", "pck", "soft_pck"])
def test_the_target_is_measured_by_the_metric(crops: PersonCrops, metric: str) -> None:
    """A point that is off by a tenth of the person's size."""
    page, read = make("rle", crops, metric=metric, **({"sigmas": 0.05} if metric == "oks" else {"threshold": 0.1}))
    reading = read()
    off = torch.tensor([0.05, 0.0]) * reading.size[:, None, None]
    accuracy = page.observe(reading._replace(points=reading.truth + off)).outcome.accuracy
    expected = {"oks": np.exp(-0.125), "pck": 1.0, "soft_pck": 1 / (1 + np.exp(-5))}[metric]
    torch.testing.assert_close(accuracy[reading.labelled], torch.full_like(accuracy, expected)[reading.labelled])


def flat(outcome: Outcome) -> Observation:
    """Poses that all look alike."""
    count, keypoints = outcome.accuracy.shape
    nothing = torch.zeros(count, keypoints, 0)
    evidence = Evidence(nothing, torch.ones(count, 64, 1, 1), torch.zeros(count, keypoints, 2),
                        torch.zeros(count, keypoints, 4), torch.ones(count, keypoints, dtype=torch.bool))  # fmt: skip
    rows = torch.arange(count)
    return Observation(evidence, outcome, torch.zeros_like(rows), rows)


@pytest.mark.parametrize("loss", ["squared", "entropy"])
def test_constant_features_leave_the_mean(loss: str) -> None:
    """Specification §7.10: each keypoint's confidence is its mean similarity where visible, its presence the rate."""
    page = calibrated("rle", loss=loss)
    draws = torch.rand(2, 50, 17)
    labelled = draws[0] < torch.linspace(0.2, 0.9, 17)
    outcome = Outcome(draws[1] * labelled, labelled, torch.ones_like(labelled))
    observation = flat(outcome)
    optimizer = torch.optim.LBFGS(page.head.parameters(), max_iter=300, line_search_fn="strong_wolfe")

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        total = sum(page(*observation, mode="loss").values())
        total.backward()
        return total

    for _ in range(4):
        optimizer.step(step)
    verdict = page.eval().judge((observation.evidence,))
    torch.testing.assert_close(verdict.scores[0], outcome.accuracy.sum(0) / labelled.sum(0), atol=2e-3, rtol=0)
    torch.testing.assert_close(verdict.presence[0], labelled.float().mean(0), atol=5e-3, rtol=0)


@pytest.mark.parametrize("head", ["GapHead", "SampledHead"])
def test_an_untrained_head_starts_at_what_is_usual(head: str) -> None:
    page = calibrated("rle", head=head)
    labelled = torch.rand(40, 17) < 0.25
    outcome = Outcome(0.4 * labelled, labelled, torch.ones_like(labelled))
    page.start_at(flat(outcome))
    verdict = page.eval().judge((flat(outcome).evidence,))
    torch.testing.assert_close(verdict.scores.mean(), torch.tensor(0.4), atol=0.04, rtol=0)
    torch.testing.assert_close(verdict.presence.mean(), labelled.float().mean(), atol=0.04, rtol=0)


def test_nothing_to_start_at_is_refused(refused) -> None:
    nobody = torch.zeros(4, 17, dtype=torch.bool)
    with refused(DataError, "labelled keypoints"):
        calibrated("rle").start_at(flat(Outcome(nobody.float(), nobody, ~nobody)))


def test_evidence_that_is_not_finite_is_refused(refused) -> None:
    """A confidence of NaN would be sorted to one end, and nobody would know."""
    page = calibrated("rle").eval()
    known = torch.ones(3, 17, dtype=torch.bool)
    evidence = flat(Outcome(known.float(), known, known)).evidence
    evidence.feature[1] = float("nan")
    with refused(DataError, "NaN"):
        page.judge((evidence,))


def test_a_person_without_size_is_refused(crops: PersonCrops, refused) -> None:
    page, read = make("rle", crops)
    reading = read()
    with refused(DataError, "size"):
        page.observe(reading._replace(size=reading.size * 0))


def test_a_head_of_another_network_is_refused(tmp_path: Path, crops: PersonCrops, refused) -> None:
    """All of a page's weights or none: those of its network are in the same file."""
    pages = {family: make(family, crops).page for family in ("simplebaseline", "hrnet", "rle", "dsnt", "wholebody")}
    for family, page in pages.items():
        save_weights(tmp_path / f"{family}.safetensors", page.state_dict(), about={})
    for family, page in pages.items():
        before = {name: each.clone() for name, each in page.state_dict().items()}
        for other in pages:
            if other == family:
                load_weights(page, tmp_path / f"{other}.safetensors")
                continue
            with refused(DataError, "weights of this configuration"):
                load_weights(page, tmp_path / f"{other}.safetensors")
        assert all(torch.equal(each, before[name]) for name, each in page.state_dict().items())
    other_kind = calibrated("simplebaseline", head="GapHead")
    with refused(DataError, "head."):
        load_weights(other_kind, tmp_path / "simplebaseline.safetensors")


def test_a_head_that_does_not_suit_the_family_is_refused(crops: PersonCrops, refused) -> None:
    for family, head, words in (
        ("rle", "TokenHead", ""), ("simplebaseline", "TokenHead", ""), ("wholebody", "SpatialHead", "feature maps"),
        ("fewshot", "GapHead", "fixed skeleton"),
    ):  # fmt: skip
        page = make(family, crops).page
        sizes = {"keypoints": page.reader.keypoints_of(page.network), "channels": page.reader.channels_of(page.network),
                 "width": page.reader.width_of(page.network), "cues": page.reader.cues}  # fmt: skip
        if not words:  # it has cues to judge by
            assert MODELS.build({"type": head, **sizes}).norm is None
            continue
        with refused(UsageError, words):
            MODELS.build({"type": head, **sizes})


def test_of_maps_what_the_head_reads_is_kept(crops: PersonCrops) -> None:
    for head, shape in (("SpatialHead", (8, 32, 24)), ("SampledHead", (8, 24, 16)), ("GapHead", (8, 1, 1))):
        page = calibrated("simplebaseline", head=head)
        assert page.observe(page.read(**batch_of(page, crops))).evidence.feature.shape[1:] == shape
    page = calibrated("simplebaseline", head="TokenHead")
    assert page.observe(page.read(**batch_of(page, crops))).evidence.feature.numel() == 0


def test_another_curve_is_told(refused) -> None:
    page = calibrated("rle").eval()
    said = torch.rand(2, 17)
    torch.testing.assert_close(page.recalibrated(said), said)
    page.recalibrate(torch.linspace(0, 1, 65).square())
    torch.testing.assert_close(page.recalibrated(said), said.square(), atol=1e-3, rtol=0)
    assert page.recalibrated(torch.tensor([[0.0, 1.0]])).tolist() == [[0.0, 1.0]]
    for bad in (
        torch.linspace(1, 0, 65),
        torch.linspace(0, 2, 65),
        torch.linspace(0, 1, 64),
        torch.full((65,), np.nan),
    ):
        with refused(UsageError, "65 rising values"):
            page.recalibrate(bad)
