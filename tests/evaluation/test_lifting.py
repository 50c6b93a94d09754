"""The metric of lifters: which frames count, what the figures are, and what cannot be scored."""

import numpy as np
import pytest
import torch

from cape.data.skeletons import read_skeleton
from cape.errors import DataError, UsageError
from cape.evaluation.lifting import LiftingErrors, Poses, figures_of, table_of
from cape.evaluation.pose3d import pose_scores
from cape.structures import Lift, Lifted

SKELETON = read_skeleton("cmu17")


def batch_of(joints: torch.Tensor, mask: torch.Tensor) -> Lift:
    batch, frames = mask.shape
    return Lift(
        joints[..., :2], joints, mask, torch.zeros(batch, frames, 3), torch.zeros(batch, 9), torch.arange(batch)
    )


def test_frames_that_count_are_scored_as_the_functions_score_them() -> None:
    truth = torch.randn(3, 4, 17, 3)
    found = truth + 0.05 * torch.randn_like(truth)
    mask = torch.ones(3, 4, dtype=torch.bool)
    mask[1, 2:] = False
    found[~mask] = torch.nan  # nobody looks
    metric = LiftingErrors()
    metric.dataset_meta = {"skeleton": SKELETON, "root": (0,)}
    samples = [Lifted(found[row], torch.arange(4.0), row) for row in range(3)]
    for rows in (slice(0, 2), slice(2, 3)):
        metric.process(batch_of(truth[rows], mask[rows]), samples[rows])
    figures = metric.evaluate(12)
    expected = pose_scores(found[mask].double().numpy(), truth[mask].double().numpy())
    for name, values in expected.items():
        assert figures[name] == pytest.approx(values.mean())
    assert figures["energy"] == pytest.approx((6 + 1 + 6) / 10)
    assert {"LSE", "LLE", "BSLE", "tau/MPJPE", "tau/BSLE"} <= set(figures)
    heads, rows = table_of(figures, name="one")
    assert len(heads) == len(rows[0]) == len(figures) + 1


def test_without_energies_nothing_is_said_of_them() -> None:
    truth = np.random.default_rng(0).normal(size=(5, 17, 3))
    figures = figures_of(Poses(truth, truth, np.full(5, np.nan)), SKELETON)
    assert figures["MPJPE"] == 0 and figures["PCK@150"] == 100
    assert not [name for name in figures if "energy" in name or "tau" in name]


def test_an_energy_that_orders_frames_as_their_errors_has_a_tau_of_one() -> None:
    truth = np.random.default_rng(0).normal(size=(20, 17, 3))
    size = np.linspace(0.01, 0.3, 20)
    found = truth + np.where(np.arange(17)[:, None] > 0, size[:, None, None], 0.0)
    figures = figures_of(Poses(found, truth, size**2), SKELETON)
    assert figures["tau/MPJPE"] == pytest.approx(1)


def test_h3wb_has_its_own_figures() -> None:
    truth = np.random.default_rng(0).normal(size=(4, 133, 3))
    figures = figures_of(Poses(truth + 1.0, truth, np.full(4, np.nan)), read_skeleton("h3wb"), root=(11, 12))
    assert figures["whole"] == pytest.approx(0, abs=1e-9) and "hands_aligned" in figures


def test_what_cannot_be_scored_is_refused(refused) -> None:
    truth = np.zeros((3, 17, 3))
    with refused(DataError, "frame 1"):
        broken = truth.copy()
        broken[1, 4] = np.inf
        figures_of(Poses(broken, truth, np.full(3, np.nan)), SKELETON)
    metric = LiftingErrors()
    with refused(UsageError, "skeleton"):
        metric.compute_metrics([Poses(truth, truth, np.zeros(3))])
    metric.dataset_meta = {"skeleton": SKELETON, "root": (0,)}
    with refused(DataError, "none"):
        metric.compute_metrics([Poses(truth[:0], truth[:0], np.zeros(0))])
