"""What is read off a SimCC answer: the embeddings of both views, and cues keypoint by keypoint."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from networks import BODY
from topdown_networks import people

from cape.errors import DataError
from cape.models.calibration import CalibratedPose
from cape.models.readers.wholebody import WholeBodyReader, mirrored, truth_of
from cape.structures import Evidence, SimCC


def page_of(**options) -> CalibratedPose:
    torch.manual_seed(0)
    page = CalibratedPose(
        network={**BODY, **options}, reader={"type": "WholeBodyReader"}, head={"type": "TokenHead"}, metric="oks"
    ).eval()
    for each in page.network.parameters():  # at the official start all keypoints look alike
        if each.dim() > 1:
            torch.nn.init.normal_(each, std=each[0].numel() ** -0.5)
    return page


def batch(page: CalibratedPose, folder: Path) -> dict:
    from mmengine.dataset import pseudo_collate

    crops = people(folder)
    return page.network.data_preprocessor(pseudo_collate([crops[number] for number in range(3)]), False)


@pytest.mark.parametrize(
    "options", [{}, {"flip_test": False}, {"intervention": None}, {"intervention": None, "graph": None}]
)
def test_the_answer_is_the_networks_own(tmp_path: Path, options: dict) -> None:
    page = page_of(**options)
    given = batch(page, tmp_path)
    with torch.no_grad():
        own = page.network(**copy.deepcopy(given), mode="predict")
    reading = page.read(**given)
    for found, known in zip(reading.answer, own, strict=True):
        assert np.array_equal(found.pred_instances.keypoints, known.pred_instances.keypoints)
        assert np.array_equal(found.pred_instances.keypoint_scores, known.pred_instances.keypoint_scores)
    views = 1 + options.get("flip_test", True)
    assert len(reading.evidence) == views and (reading.mirror is not None) == (views == 2)
    for evidence in reading.evidence:
        assert evidence.cues.shape == (3, 17, page.reader.cues)
        assert evidence.tokens.shape == (3, 17, page.reader.width_of(page.network))
        assert all(field.isfinite().all() for field in evidence) and evidence.mask.all()


def test_the_second_view_is_the_mirrored_picture(tmp_path: Path) -> None:
    """Tokens are those that the network makes of the mirrored picture alone, left for right as it sees them."""
    page, alone = page_of(), page_of(flip_test=False)
    given = batch(page, tmp_path)
    reading = page.read(**copy.deepcopy(given))
    turned = alone.read(inputs=given["inputs"].flip(-1), data_samples=given["data_samples"]).evidence[0]
    torch.testing.assert_close(reading.evidence[1].tokens, turned.tokens)
    first, second = reading.evidence
    torch.testing.assert_close(second.cues, first.cues[:, reading.mirror])


def test_mirroring_twice_changes_nothing() -> None:
    mirror = torch.tensor([0, 2, 1, 3])
    draws = torch.rand(2, 4, 9)
    seen = Evidence(draws[..., :3], torch.rand(2, 5, 6, 7), draws[..., 3:5], draws[..., 5:], draws[..., 0] < 0.5)
    for once, before in zip(mirrored(mirrored(seen, mirror), mirror), seen, strict=True):
        torch.testing.assert_close(once, before)
    assert torch.equal(mirrored(seen, mirror).points[:, 1, 0], 1 - seen.points[:, 2, 0])


def cues(logits: SimCC, **options) -> torch.Tensor:
    count = logits.x.shape[:2]
    rest = {"score": torch.zeros(count), "confounders": torch.zeros(count), "replaced": torch.zeros(count) > 0}
    given = {**rest, **options}
    return WholeBodyReader.cues_of(logits, given["score"], given["confounders"], given["replaced"], beta=10.0)


def test_permuting_keypoints_permutes_cues() -> None:
    logits, order = SimCC(torch.randn(2, 6, 30), torch.randn(2, 6, 40)), torch.randperm(6)
    options = {name: torch.randn(2, 6) for name in ("score", "confounders")} | {"replaced": torch.rand(2, 6) < 0.5}
    moved = {name: each[:, order] for name, each in options.items()}
    permuted = cues(SimCC(*(each[:, order] for each in logits)), **moved)
    torch.testing.assert_close(permuted, cues(logits, **options)[:, order])


def test_peak_and_spread_of_bins() -> None:
    """One bin, two ends, and nothing known; along y always one bin."""
    x = torch.full((1, 3, 11), -20.0)
    x[0, 0, 5] = 20.0
    x[0, 1, 0] = x[0, 1, 10] = 20.0
    x[0, 2] = 0.0
    y = torch.full((1, 3, 7), -20.0)
    y[..., 3] = 20.0
    told = cues(SimCC(x, y))[0]
    torch.testing.assert_close(told[:, 1], torch.tensor([1.0, 0.5, 1 / 11]))
    expected = torch.tensor([0.0, 0.5, float(np.linspace(0, 1, 11).std())])
    torch.testing.assert_close(told[:, 2], expected, atol=2e-4, rtol=0)
    torch.testing.assert_close(told[:, 3], torch.zeros(3), atol=2e-4, rtol=0)


def test_extreme_logits_stay_finite() -> None:
    for value in (0.0, 1e4, -1e4):
        logits = SimCC(torch.full((1, 1, 20), value), torch.full((1, 1, 30), value))
        logits.x[..., 3] = -value
        assert cues(logits).isfinite().all()


class Sample:
    """What is read of mmpose's samples."""

    def __init__(self, **meta: object) -> None:
        self.metainfo = {"area": 400.0, "id": 7, **meta}
        self.pred_instances = InstanceData(keypoints=np.ones((1, 3, 2)))
        self.gt_instances = InstanceData(
            keypoints=np.zeros((1, 3, 2)), keypoints_visible=np.array([[1.0, 0.0, 1.0]]), bboxes=np.zeros((1, 4))
        )


def test_truth_is_that_of_the_picture() -> None:
    points, truth, size, labelled, known, group, row = truth_of([Sample(), Sample(area=0.0)], like=torch.zeros(1))
    assert points.eq(1).all() and truth.eq(0).all()
    assert size.tolist() == [20.0, 1.0], "the root of the area, which is never 0"
    assert labelled.tolist() == [[True, False, True]] * 2 and known.all()
    assert row.tolist() == [7, 7] and group.tolist() == [0, 0]


def test_people_of_another_skeleton_are_refused(refused) -> None:
    sample = Sample()
    sample.pred_instances = InstanceData(keypoints=np.ones((1, 4, 2)))
    with refused(DataError, "4 keypoints", "skeleton"):
        truth_of([sample], like=torch.zeros(1))


def test_visibility_with_weights() -> None:
    """mmpose keeps a weight beside the flag once a crop was made."""
    sample = Sample()
    flags = np.stack([sample.gt_instances.keypoints_visible, np.ones((1, 3))], axis=-1)
    sample.gt_instances.keypoints_visible = flags
    assert truth_of([sample], like=torch.zeros(1))[3].tolist() == [[True, False, True]]


@pytest.mark.parametrize("gone", ["area", "id", "keypoints", "pred_instances"])
def test_samples_without_the_truth_are_refused(refused, gone: str) -> None:
    sample = Sample()
    if gone in sample.metainfo:
        del sample.metainfo[gone]
    elif gone == "keypoints":
        del sample.gt_instances.keypoints
    else:
        del sample.pred_instances
    with refused(DataError, "annotated people"):
        truth_of([sample], like=torch.zeros(1))
