"""A small file of motion in the schema of `CmuMotion`: people of 17 joints who swing, seen by two cameras."""

from pathlib import Path

import numpy as np

from cape.data.skeletons import read_skeleton


def write_motion(path: Path, *, frames: int = 40, seed: int = 0) -> None:
    """Two sequences of two subjects, `01` and `02`."""
    rng, skeleton = np.random.default_rng(seed), read_skeleton("cmu17")
    rest = np.zeros((17, 3))
    for a, b in skeleton.edges:
        step = rng.normal(size=3)
        rest[max(a, b)] = rest[min(a, b)] + 220 * step / np.linalg.norm(step)
    phase = np.linspace(0, 12, 2 * frames)[:, None, None]
    poses = rest + 60 * np.sin(phase + rng.normal(size=(1, 17, 3)))
    turn = np.stack([np.eye(3), [[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]])
    lens = np.array([[1100.0, 0, 512], [0, 1100, 512], [0, 0, 1]])
    shift = np.array([0.0, 0, 4500])
    seen = np.einsum("vij,njk->nvik", turn, poses.transpose(0, 2, 1)).transpose(0, 1, 3, 2) + shift
    pixels = seen[..., :2] / seen[..., 2:] * 1100 + 512
    np.savez(
        path, pose3d=poses.astype(np.float32), pose2d=pixels.astype(np.float32),
        seq=np.repeat([0, 1], frames), seq_name=np.array(["01_01", "02_01"]), seq_subject=np.array(["01", "02"]),
        cam_R=np.stack([turn] * 2), cam_t=np.broadcast_to(shift, (2, 2, 3)), cam_K=np.broadcast_to(lens, (2, 2, 3, 3)),
        image_size=np.array([1024, 1024]),
    )  # fmt: skip
