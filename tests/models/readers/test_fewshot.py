"""What is read off a few-shot answer: keypoint by keypoint, nothing of the padding, always finite."""

import pytest
import torch
from networks import SMALL, two_episodes

from cape.models.calibration import CalibratedPose
from cape.models.readers.fewshot import CUES
from cape.structures import Episode, Reading, View

WORDS = {"type": "TextEncoder", "name": "random", "width": 64}


@pytest.fixture(scope="module")
def page() -> CalibratedPose:
    torch.manual_seed(0)
    return CalibratedPose(
        network={"type": "FewShotPose", **SMALL, "text": WORDS}, reader={"type": "FewShotReader"},
        head={"type": "TokenHead", "context": True},
    ).eval()  # fmt: skip


@pytest.fixture
def batch() -> Episode:
    return two_episodes()


def picked(batch: Episode, order: torch.Tensor) -> Episode:
    """Its keypoints in another order, or some of them."""
    place = torch.full((batch.mask.shape[1],), -1)
    place[order] = torch.arange(len(order))

    def view(each: View) -> View:
        return each._replace(points=each.points[..., order, :], visible=each.visible[..., order])

    mirror = place[batch.mirror[:, order]]
    return batch._replace(
        support=view(batch.support),
        query=view(batch.query),
        mask=batch.mask[:, order],
        adjacency=batch.adjacency[:, order][:, :, order],
        mirror=torch.where(mirror < 0, torch.arange(len(order)), mirror),
        parts=batch.parts[:, :, order][:, : len(order)],
        names=[batch.names[number] for number in order],
    )


def sound(page: CalibratedPose, reading: Reading, *, keypoints: int) -> None:
    """Of the right shapes, finite, and nothing where nothing was asked for."""
    (evidence,) = reading.evidence
    count = len(evidence.mask)
    assert evidence.cues.shape == (count, keypoints, len(CUES)) and page.reader.cues == len(CUES)
    assert evidence.tokens.shape == (count, keypoints, page.reader.width_of(page.network))
    assert evidence.feature.shape[1] == page.reader.channels_of(page.network)
    for field in evidence:
        assert field.isfinite().all()
    assert not evidence.cues[~evidence.mask].any()
    assert not (reading.labelled & ~evidence.mask).any()
    verdict = page.judge(reading.evidence)
    assert all(each.isfinite().all() for each in verdict) and not verdict.scores[~evidence.mask].any()


def test_evidence_is_whole(page: CalibratedPose, batch: Episode) -> None:
    reading = page.read(*batch)
    sound(page, reading, keypoints=batch.mask.shape[1])
    assert torch.equal(reading.evidence[0].mask, batch.mask)
    assert reading.mirror is None and torch.equal(reading.row, batch.pair)


def test_the_answer_is_the_networks_own(page: CalibratedPose, batch: Episode) -> None:
    with torch.no_grad():
        own = page.network(*batch, mode="predict")
    reading = page.read(*batch)
    for pose, points in zip(own, reading.points, strict=True):
        assert torch.equal(pose.points, points)


def test_permuting_keypoints_permutes_cues(page: CalibratedPose, batch: Episode) -> None:
    order = torch.randperm(batch.mask.shape[1], generator=torch.Generator().manual_seed(4))
    one, other = page.read(*batch).evidence[0], page.read(*picked(batch, order)).evidence[0]
    asked = one.mask[:, order]
    torch.testing.assert_close(other.cues[asked], one.cues[:, order][asked], atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(other.tokens[asked], one.tokens[:, order][asked], atol=2e-4, rtol=1e-3)


def test_padding_does_not_leak(page: CalibratedPose, batch: Episode) -> None:
    """Points, names and neighbours of keypoints that nobody asks for change no cue."""
    asked = batch.mask & (torch.arange(batch.mask.shape[1]) != 1)
    one = page.read(*batch._replace(mask=asked)).evidence[0]
    spoilt = torch.where(asked[:, None, :, None], batch.support.points, 0.37)
    names = [tuple("nonsense" if not asked[pair, number] else each for pair, each in enumerate(row))
             for number, row in enumerate(batch.names)]  # fmt: skip
    support = batch.support._replace(points=spoilt, visible=batch.support.visible & asked[:, None])
    other = page.read(*batch._replace(mask=asked, support=support, names=names)).evidence[0]
    torch.testing.assert_close(other.cues, one.cues, atol=1e-5, rtol=1e-4)
    assert not one.cues[:, 1].any()


def test_a_wider_batch_says_the_same(page: CalibratedPose, batch: Episode) -> None:
    """The first pair has fewer keypoints than the second, so that it is padded."""
    used = batch.mask[0].nonzero()[:, 0]
    assert len(used) < batch.mask.shape[1]
    one, other = page.read(*batch).evidence[0], page.read(*picked(batch, used)).evidence[0]
    torch.testing.assert_close(other.cues[0], one.cues[0, used], atol=2e-4, rtol=1e-3)


def test_names_alone(page: CalibratedPose, batch: Episode) -> None:
    """Nothing was clicked: what compares with clicks says nothing, and nothing is infinite."""
    support = batch.support._replace(visible=torch.zeros_like(batch.support.visible))
    reading = page.read(*batch._replace(support=support))
    sound(page, reading, keypoints=batch.mask.shape[1])
    evidence = reading.evidence[0]
    assert evidence.mask.any() and not evidence.cues[..., CUES.index("clicked")].any()
    assert not evidence.cues[..., CUES.index("bent")].any() and not evidence.cues[..., CUES.index("cosine")].any()
    assert not reading.known.any(), "that the query has a keypoint is known of those that the support shows"


def test_clicks_alone(page: CalibratedPose, batch: Episode) -> None:
    names = [tuple("" for _ in row) for row in batch.names]
    reading = page.read(*batch._replace(names=names))
    sound(page, reading, keypoints=batch.mask.shape[1])
    evidence = reading.evidence[0]
    assert (evidence.cues[..., CUES.index("clicked")] == evidence.mask).all()


def test_one_keypoint(page: CalibratedPose, batch: Episode) -> None:
    sound(page, page.read(*picked(batch, torch.tensor([0]))), keypoints=1)


def test_one_keypoint_among_many(page: CalibratedPose, batch: Episode) -> None:
    mask = torch.zeros_like(batch.mask)
    mask[:, 2] = True
    support = batch.support._replace(visible=batch.support.visible & mask[:, None])
    sound(page, page.read(*batch._replace(mask=mask, support=support)), keypoints=mask.shape[1])


def test_nothing_asked_for(page: CalibratedPose, batch: Episode) -> None:
    """In one pair of the batch: the other says what it says anyway."""
    mask = batch.mask.clone()
    mask[0] = False
    reading = page.read(*batch._replace(mask=mask))
    sound(page, reading, keypoints=mask.shape[1])
    whole = page.read(*batch).evidence[0]
    torch.testing.assert_close(reading.evidence[0].cues[1], whole.cues[1], atol=1e-5, rtol=1e-4)


def test_keypoints_in_one_place(page: CalibratedPose, batch: Episode) -> None:
    """All clicks on one pixel: the pose has no extent to measure by."""
    support = batch.support._replace(points=torch.full_like(batch.support.points, 0.5))
    sound(page, page.read(*batch._replace(support=support)), keypoints=batch.mask.shape[1])
