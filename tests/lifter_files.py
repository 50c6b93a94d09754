"""Lifters small enough for a test, as files of weights, and keypoints to lift."""

import json
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config

from cape.checkpoints import save_weights
from cape.data.skeletons import read_skeleton
from cape.formats import LabelledPose, Labels, PictureLabels, write
from cape.registry import MODELS
from cape.runs import identity

SINGLE = {"type": "SimpleBaseline", "root": None, "width": 16, "stages": 1}
SEQUENCE = {"type": "VideoPose", "widths": [3, 3], "channels": 16}
CRITIC = {"type": "Critic", "energy": {"type": "MLPEnergy", "width": 16}}


def write_lifter(path: Path, *, lifter: dict = SINGLE, critic: dict | None = CRITIC, skeleton: str = "cmu17") -> Path:
    """Random weights with the model in the header, as `cape train` writes them."""
    torch.manual_seed(0)
    described = {"type": "Lifting", "skeleton": skeleton, "lifter": lifter, "critic": critic}
    state = MODELS.build({**described}).state_dict()
    save_weights(path, state, about={"run": json.dumps(identity(Config({"model": described})))})
    return path


def write_poses(path: Path, *, frames: int = 5, skeleton: str = "coco", film: str = "v.mp4") -> Path:
    """COCO labels: one person who moves through a film, and one picture of another, whose nose nobody sees."""
    names = read_skeleton(skeleton)
    rng, pictures = np.random.default_rng(0), []
    places = rng.uniform(20, 80, (len(names), 2))
    for frame in range(frames):
        pose = LabelledPose(frame + 1, "person", places + 2.0 * frame, np.full(len(names), 2, np.int8))
        pictures.append(PictureLabels(f"{film}#{frame}", (120, 100), (pose,)))
    visibility = np.full(len(names), 2, np.int8)
    visibility[0] = 0
    points = rng.uniform(20, 80, (len(names), 2)) * (visibility > 0)[:, None]
    pose = LabelledPose(frames + 1, "person", points, visibility)
    pictures.append(PictureLabels("a.jpg", (100, 120), (pose,)))
    write(Labels({"person": names}, tuple(pictures)), path, "coco", overwrite=True)
    return path
