"""Files of motion in the community's schemas, made up as a test needs them."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

MOVING = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
ANGLE = 0.3


def make_people(*, frames: int = 6, joints: int = 17, seed: int = 0) -> np.ndarray:
    """[T, J, 3] metres around the origin: a cloud 0.9 m wide whose joints swing a little."""
    rng = np.random.default_rng(seed)
    body = rng.normal(size=(joints, 3))
    body *= 0.9 / np.linalg.norm(body - body[0], axis=-1).max()
    swing = 0.02 * np.sin(np.arange(frames)[:, None, None] + rng.normal(size=(joints, 3)))
    return body + swing


@pytest.fixture
def people() -> Callable[..., np.ndarray]:
    """`people(frames=, joints=, seed=)`."""
    return make_people


@pytest.fixture
def human36m(tmp_path: Path) -> Callable[..., SimpleNamespace]:
    """Writes Human3.6M's three files after a change to their content; gives back options for the reader, and it."""

    def write(change: Callable[[SimpleNamespace], object] = lambda content: None) -> SimpleNamespace:
        lens = {
            "center": [512.5, 515.4], "focal_length": [1145.0, 1143.8], "radial_distortion": [-0.2, 0.24, -0.003],
            "tangential_distortion": [-0.0009, -0.0014], "res_w": 1000, "res_h": 1002,
        }  # fmt: skip
        half = ANGLE / 2
        place = {"orientation": [np.cos(half), 0, np.sin(half), 0], "translation": [500.0, -200.0, -5000.0]}
        content = SimpleNamespace(
            cameras={
                "intrinsic": [{**lens, "id": "a"}, {**lens, "id": "b", "res_h": 1000}],
                "extrinsic": {subject: [place, place] for subject in ("S1", "S11")},
            },
            world={"S1": {"Walking 1": make_people(seed=1), "Eating": make_people(frames=3, seed=2)}},
        )
        content.world["S11"] = {"Directions": make_people(seed=3), "Directions 1": make_people(seed=4)}
        content.seen = {
            subject: {action: [seen(world, place, lens)] * 2 for action, world in actions.items()}
            for subject, actions in content.world.items()
        }
        change(content)
        recorded: dict[str, Any] = {}
        for subject, actions in content.world.items():
            recorded[subject] = {}
            for action, world in actions.items():
                full = np.zeros((len(world), 32, 3), dtype=np.float32)
                full[:, MOVING] = world
                recorded[subject][action] = full
        np.savez(tmp_path / "data_3d_h36m.npz", positions_3d=recorded)
        np.savez(tmp_path / "data_2d_h36m_gt.npz", positions_2d=content.seen, metadata={"num_joints": 17})
        (tmp_path / "cameras.json").write_text(json.dumps(content.cameras))
        content.options = {
            "poses": tmp_path / "data_3d_h36m.npz", "keypoints": tmp_path / "data_2d_h36m_gt.npz",
            "cameras": tmp_path / "cameras.json", "allow_pickle": True,
        }  # fmt: skip
        return content

    return write


def seen(world: np.ndarray, place: dict, lens: dict) -> np.ndarray:
    """Pixels, written out for a camera that is turned about y by `ANGLE`."""
    cosine, sine = np.cos(ANGLE), np.sin(ANGLE)
    turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])  # of the camera's axes
    camera = (world - np.array(place["translation"]) / 1000) @ turn
    u = camera[..., :2] / camera[..., 2:]
    square = (u**2).sum(axis=-1, keepdims=True)
    k, p = lens["radial_distortion"], np.array(lens["tangential_distortion"])
    factor = 1 + k[0] * square + k[1] * square**2 + k[2] * square**3 + (u * p).sum(axis=-1, keepdims=True)
    return ((u * factor + p * square) * lens["focal_length"] + lens["center"]).astype(np.float32)
