"""Data of lifters that is broken, through `cape test`: one clear error each, and what is padded instead."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lifter_files import SEQUENCE, SINGLE, write_lifter
from motion_files import write_motion
from safetensors.torch import load_file, save_file

from cape.commands.test import main as evaluate

CONFIG = """
_base_ = ["{base}"]
model = dict(lifter=dict(_delete_=True, **{lifter}), critic=None)
val_dataloader = dict(dataset=dict(window={window}, source=dict(path="motion.npz")))
"""


def score(folder: Path, *, lifter: dict = SINGLE, window: int = 1) -> int:
    base = Path(__file__).parents[2] / "configs" / "_base_" / "lift_mini.py"
    (folder / "tiny.py").write_text(CONFIG.format(base=base, lifter=lifter, window=window))
    return evaluate([str(folder / "tiny.py"), str(bare(folder, lifter=lifter)), "--data", str(folder)])


def bare(folder: Path, *, lifter: dict = SINGLE, skeleton: str = "cmu17") -> Path:
    """Weights without a header, which any config of the same shapes takes."""
    path = write_lifter(folder / "x.safetensors", lifter=lifter, critic=None, skeleton=skeleton)
    save_file(load_file(path), path)
    return path


def test_whole_data_are_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_motion(tmp_path / "motion.npz", frames=6)
    assert score(tmp_path) == 0
    assert "24 frames" in capsys.readouterr().out  # two sequences, two cameras


def test_sequences_shorter_than_a_window_are_padded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By repeating their last frame, which does not count; the same frames as without a window."""
    write_motion(tmp_path / "motion.npz", frames=6)
    assert score(tmp_path, lifter=SEQUENCE, window=9) == 0
    assert "24 frames" in capsys.readouterr().out


def scaled(arrays: dict[str, np.ndarray]) -> None:
    """The second sequence in metres, the first in millimetres."""
    second = arrays["seq"] == 1
    arrays["pose3d"][second] /= 1000
    arrays["cam_t"] = arrays["cam_t"] * np.array([1, 0.001])[:, None, None]


BAD: dict[str, tuple[Callable[[dict[str, np.ndarray]], object], str]] = {
    "joints": (lambda arrays: arrays.update(pose3d=arrays["pose3d"][:, :16]), "17 joints"),
    "exploded 2D": (lambda arrays: arrays["pose2d"].__setitem__((3, 1, 2), 1e7), "half widths"),
    "mixed units": (scaled, "both: "),
    "another unit": (
        lambda arrays: arrays.update(pose3d=arrays["pose3d"] * 100, cam_t=arrays["cam_t"] * 100),
        "metres or millimetres",
    ),
    "no cameras": (lambda arrays: arrays.pop("cam_R"), "cam_R"),
    "fewer cameras": (lambda arrays: arrays.update(cam_R=arrays["cam_R"][:, :1]), "a camera for each view"),
    "nan": (lambda arrays: arrays["pose3d"].__setitem__((5, 2, 0), np.nan), "finite numbers"),
    "infinite 2D": (lambda arrays: arrays["pose2d"].__setitem__((5, 1, 2), np.inf), "finite numbers"),
    "empty sequence": (lambda arrays: arrays["seq"].__setitem__(slice(None), 0), "an empty sequence"),
    "a joint far away": (lambda arrays: arrays["pose3d"].__setitem__((4, 16), 9000), "1.5 m"),
}


@pytest.mark.parametrize(("change", "words"), BAD.values(), ids=BAD)
def test_broken_data(tmp_path: Path, change: Callable, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_motion(tmp_path / "motion.npz", frames=6)
    with np.load(tmp_path / "motion.npz") as content:
        arrays = {key: content[key].copy() for key in content.files}
    change(arrays)
    np.savez(tmp_path / "motion.npz", **arrays)
    assert score(tmp_path) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("AnnotationError: ") and words in printed and "motion.npz" in printed
    assert "expected" in printed and "Traceback" not in printed


def test_a_lifter_of_another_skeleton(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """16 joints against 17: the checkpoint of another model."""
    write_motion(tmp_path / "motion.npz", frames=6)
    assert score(tmp_path) == 0
    weights = bare(tmp_path, skeleton="human36m_16")
    assert evaluate([str(tmp_path / "tiny.py"), str(weights), "--data", str(tmp_path)]) == 1
    assert "of shape" in capsys.readouterr().err
