"""Readers of mmpose's networks: answers are the network's own, the mirrored view is the mirrored picture's."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from topdown_networks import FAMILIES, batch_of, calibrated, network_of, people

from cape.data.people import PersonCrops
from cape.errors import DataError, UsageError
from cape.models.readers.topdown import listen
from cape.registry import MODELS

FLIPS = [(family, flip) for family in FAMILIES for flip in (False, True)]
FIELDS = ("keypoints", "keypoint_scores")


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> PersonCrops:
    return people(tmp_path_factory.mktemp("people"))


@pytest.mark.parametrize(("family", "flip"), FLIPS)
def test_the_answer_is_the_networks_own(crops: PersonCrops, family: str, flip: bool) -> None:
    """Bit for bit, and the network is left as it was."""
    page = calibrated(family, flip=flip)
    batch = batch_of(page, crops)
    with torch.no_grad():
        own = page.network(**deepcopy(batch), mode="predict")
    reading = page.read(**batch)
    for found, known in zip(reading.answer, own, strict=True):
        for name in FIELDS:
            assert np.array_equal(found.pred_instances[name], known.pred_instances[name])
        assert found.pred_instances.keypoints.std() > 1
    assert not any(each._forward_hooks for each in page.network.modules())
    assert len(reading.evidence) == 1 + flip
    assert (reading.mirror is not None) == flip


@pytest.mark.parametrize(("family", "flip"), FLIPS)
def test_evidence_is_whole_and_the_page_judges_it(crops: PersonCrops, family: str, flip: bool) -> None:
    page = calibrated(family, flip=flip).eval()
    reading = page.read(**batch_of(page, crops))
    for evidence in reading.evidence:
        assert evidence.cues.shape == (3, 17, page.reader.cues)
        assert evidence.feature.shape[1] == page.reader.channels_of(page.network)
        assert evidence.tokens.shape[-1] == page.reader.width_of(page.network) == 0
        assert page.reader.keypoints_of(page.network) == 17
        assert evidence.mask.all()
        assert all(field.isfinite().all() for field in evidence)
    verdict = page.judge(reading.evidence, reading.mirror)
    assert verdict.scores.shape == (3, 17) and verdict.confidence().shape == (3,)
    scores = np.stack([each.pred_instances.keypoint_scores[0] for each in reading.answer])
    np.testing.assert_allclose(reading.evidence[0].cues[..., 0], scores, rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_second_view_is_the_mirrored_picture(crops: PersonCrops, family: str) -> None:
    """What the network sees of the mirrored picture alone; the own score and the points are those of the answer."""
    page = calibrated(family, flip=True)
    batch = batch_of(page, crops)
    second, mirror = page.read(**deepcopy(batch)).evidence[1], page.read(**deepcopy(batch)).mirror
    alone = calibrated(family, flip=False)
    turned = alone.read(inputs=batch["inputs"].flip(-1), data_samples=batch["data_samples"]).evidence[0]
    torch.testing.assert_close(second.feature, turned.feature)
    torch.testing.assert_close(second.cues[..., 1:], turned.cues[..., 1:])
    first = page.read(**batch).evidence[0]
    torch.testing.assert_close(second.cues[..., 0], first.cues[:, mirror][..., 0])
    torch.testing.assert_close(second.points[..., 0], 1 - first.points[:, mirror][..., 0])
    assert torch.equal(mirror[mirror], torch.arange(17)) and not torch.equal(mirror, torch.arange(17))


@pytest.mark.parametrize("family", ["simplebaseline", "udp", "dsnt"])
def test_points_lie_on_the_cells_that_were_read(crops: PersonCrops, family: str) -> None:
    """A peak far from the border is sampled where it is: the heatmap at the point is close to its highest value."""
    page = calibrated(family)
    reader, network = page.reader, page.network
    layer = network.head.final_layer if family != "dsnt" else network.head.simplebaseline_head.final_layer
    torch.nn.init.zeros_(layer.weight)
    peak = torch.zeros(17, 24, 16)
    rows, columns = 4 + torch.arange(17), 3 + torch.arange(17) % 10
    y, x = torch.meshgrid(torch.arange(24), torch.arange(16), indexing="ij")
    for keypoint in range(17):
        away = (x - columns[keypoint]) ** 2 + (y - rows[keypoint]) ** 2
        peak[keypoint] = torch.exp(-away / 2) * (60 if family == "dsnt" else 1)
    handle = layer.register_forward_hook(lambda *_: peak.expand(3, -1, -1, -1).clone())
    evidence = reader(network, **batch_of(page, crops)).evidence[0]
    handle.remove()
    cells = evidence.points * evidence.points.new_tensor([16, 24]) - 0.5
    torch.testing.assert_close(cells[0], torch.stack([columns, rows], dim=-1).float(), atol=0.26, rtol=0)


def test_a_network_of_another_family_is_refused(refused) -> None:
    for family, reader in (
        ("rle", "HeatmapReader"),
        ("simplebaseline", "RegressionReader"),
        ("hrnet", "IntegralReader"),
    ):
        with refused(UsageError, "reader of its family"):
            MODELS.build(
                {
                    "type": "CalibratedPose", "network": network_of(family), "reader": {"type": reader},
                    "head": {"type": "GapHead"},
                }
            )  # fmt: skip
    partial = network_of("simplebaseline")
    partial["test_cfg"]["output_keypoint_indices"] = [0, 1]
    with refused(UsageError, "output_keypoint_indices"):
        MODELS.build(
            {"type": "CalibratedPose", "network": partial, "reader": {"type": "HeatmapReader"},
             "head": {"type": "SpatialHead"}}
        )  # fmt: skip
    bare = network_of("simplebaseline")
    bare["head"] = {**bare["head"], "final_layer": None}
    with refused(UsageError, "final_layer"):
        MODELS.build(
            {"type": "CalibratedPose", "network": bare, "reader": {"type": "HeatmapReader"},
             "head": {"type": "SpatialHead"}}
        )  # fmt: skip


def test_the_hook_is_gone_after_an_error(crops: PersonCrops) -> None:
    page = calibrated("simplebaseline")
    layer = page.network.head.final_layer
    with pytest.raises(RuntimeError):
        listen(page.network, layer, torch.zeros(1, 1, 8, 8), [])
    assert not layer._forward_hooks


def test_samples_without_the_truth_are_refused(crops: PersonCrops, refused) -> None:
    page = calibrated("simplebaseline")
    batch = batch_of(page, crops)
    for sample in batch["data_samples"]:
        del sample.gt_instances.keypoints_visible
    with refused(DataError, "annotated"):
        page.read(**batch)


def test_a_picture_that_is_not_finite_is_refused(crops: PersonCrops, refused) -> None:
    page = calibrated("simplebaseline")
    batch = batch_of(page, crops)
    batch["inputs"][0] = float("nan")
    with refused(DataError, "finite"):
        page.read(**batch)


def test_sizes_of_crops_are_told(tmp_path: Path) -> None:
    """A box twice as large in the picture has a cue greater by log 2."""

    def grow(content: dict) -> None:
        content["annotations"][1]["bbox"] = [10.0, 15.0, 30.0, 50.0]
        content["annotations"][0]["bbox"] = [10.0, 15.0, 60.0, 100.0]

    page = calibrated("rle")
    cues = page.read(**batch_of(page, people(tmp_path, change=grow))).evidence[0].cues
    torch.testing.assert_close(cues[0, :, -1] - cues[1, :, -1], torch.full((17,), float(np.log(2))))
