"""Cues of networks that give coordinates at once: a likelihood's sigma, and how a mean was come by."""

from pathlib import Path

import numpy as np
import pytest
import torch
from topdown_networks import batch_of, calibrated, people

from cape.models.readers.regression import integral_cues


@pytest.mark.parametrize("flip", [False, True])
def test_sigma_is_the_heads(tmp_path: Path, flip: bool) -> None:
    """The own score is 1 minus the mean of x and y, and with the flip test of both views."""
    page = calibrated("rle", flip=flip)
    reading = page.read(**batch_of(page, people(tmp_path)))
    sigmas = [evidence.cues[..., 1:3] for evidence in reading.evidence]
    if flip:
        sigmas[1] = sigmas[1][:, reading.mirror]
    expected = 1 - torch.stack(sigmas).mean(dim=(0, -1))
    scores = np.stack([sample.pred_instances.keypoint_scores[0] for sample in reading.answer])
    np.testing.assert_allclose(expected, scores, atol=1e-6)
    vector = reading.evidence[0].feature
    assert vector.shape == (3, 64, 1, 1)
    raw = page.network.head.fc(vector.flatten(1)).unflatten(-1, (17, 4))[..., 2:].sigmoid()
    torch.testing.assert_close(raw, reading.evidence[0].cues[..., 1:3])


def test_a_sharp_map_and_two_hills() -> None:
    logits = torch.full((1, 3, 9, 9), -30.0)
    logits[0, 0, 4, 4] = 30.0
    logits[0, 1, 4, 0] = logits[0, 1, 4, 8] = 30.0
    logits[0, 2] = 0.0
    peak, spread, entropy, astray = integral_cues(logits)[0].unbind(dim=-1)
    torch.testing.assert_close(peak, torch.tensor([1.0, 0.5, 1 / 81]))
    # two cells eight ninths apart: a deviation of four ninths in x, none in y
    torch.testing.assert_close(spread[:2], torch.tensor([0.0, 4 / 9 / 2**0.5]), atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(entropy, torch.tensor([0.0, np.log(2) / np.log(81), 1.0]).float(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(astray[:2], torch.tensor([0.0, 4 / 9]), atol=1e-5, rtol=1e-4)


def test_a_mean_says_nothing_of_itself_by_its_score(tmp_path: Path) -> None:
    page = calibrated("dsnt")
    cues = page.read(**batch_of(page, people(tmp_path))).evidence[0].cues
    assert (cues[..., 0] == 1).all() and cues[..., 1].std() > 0


@pytest.mark.parametrize("family", ["dsnt", "integral"])
def test_heatmaps_are_those_that_the_network_takes_the_mean_of(tmp_path: Path, family: str) -> None:
    """At its own temperature."""
    page = calibrated(family)
    batch = batch_of(page, people(tmp_path))
    with torch.no_grad():
        points, heatmaps = page.network.head.forward(page.network.extract_feat(batch["inputs"]))
    evidence = page.read(**batch).evidence[0]
    torch.testing.assert_close(evidence.cues[..., 1], heatmaps.amax(dim=(-2, -1)))
    cells = points.new_tensor([heatmaps.shape[-1], heatmaps.shape[-2]])
    torch.testing.assert_close(evidence.points, points + 0.5 / cells, atol=1e-4, rtol=0)
