"""Models small enough for a test, few-shot and whole-body, their files, and two episodes to show the former."""

import json
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from torch import nn

from cape.checkpoints import save_weights
from cape.data.drawn import Drawn
from cape.data.episodes import Episodes
from cape.registry import MODELS
from cape.runs import identity
from cape.structures import Episode

SMALL = {
    # zero_init_last would silence the residual branches of a network that has not learnt yet
    "visual": {"type": "VisualEncoder", "name": "resnet10t", "options": {"zero_init_last": False}},
    "support": {"type": "SupportEncoder"},
    "text": {"type": "TextEncoder"},
    "matching": {"layers": 1, "hidden": 48, "gate": 16, "heads": 4, "dropout": 0.0},
    "decoder": {"layers": 2, "heads": 4, "graph": {"hidden": 48}, "dropout": 0.0},
    "width": 32,
}

BODY = {
    "type": "WholeBodyPose",
    "skeleton": "coco",
    "size": (64, 96),
    "backbone": {"type": "mmpose.CSPNeXt", "widen_factor": 0.0625, "deepen_factor": 0.01, "out_indices": (4,)},
    "embedding": {"channels": 64, "width": 16, "query": 8},
    "intervention": {"train": 2, "test": 1},
    "graph": {"type": "HierarchicalGraph"},
}


def write_model(path: Path, described: dict, *, seed: int = 0) -> Path:
    """Random weights with the model in the header, as `cape train` and `cape convert` write them."""
    torch.manual_seed(seed)
    model = MODELS.build({**described})
    for parameter in model.parameters() if described["type"] == "WholeBodyPose" else ():
        if parameter.dim() > 1:  # at the official start all keypoints look alike
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    save_weights(path, model.state_dict(), about={"run": json.dumps(identity(Config({"model": described})))})
    return path


def two_episodes() -> Episode:
    """One of a fish, one of a chair, as a batch."""
    source = Drawn(instances=3, categories=("fish", "chair"), size=96)
    episodes = Episodes(source=source, shots=1, size=128)
    return default_collate([episodes[0], episodes[len(episodes) - 1]])
