"""VideoPose3D's metrics on its own poses."""

from pathlib import Path

import numpy as np
import pytest

from cape.evaluation.pose3d import mpjpe, n_mpjpe, p_mpjpe


@pytest.mark.parametrize("measure", [mpjpe, p_mpjpe, n_mpjpe], ids=lambda measure: measure.__name__)
def test_pose3d_metric(shared_data: Path, measure) -> None:
    with np.load(shared_data.parent / "parity" / "pose3d_metrics.npz") as official:
        value = measure(official["pred"], official["target"]).mean()
        assert value == pytest.approx(float(official[measure.__name__]), abs=1e-4, rel=1e-5)
