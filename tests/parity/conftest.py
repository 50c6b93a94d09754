"""Reference outputs of the official implementations."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cape.models.encoders.support import pool
from cape.structures import Match

PREFIXES = {
    "state": "state/",
    "inputs": "in/",
    "outputs": "out/",
    "losses": "loss/",
    "training": "train/",
    "gradients": "grad/",
}


@pytest.fixture(scope="session")
def reference(shared_data: Path) -> Callable[[str], SimpleNamespace]:
    """`reference(name)`: meta, and the groups of `PREFIXES` of a file as tensors by name."""

    def load(name: str) -> SimpleNamespace:
        with np.load(shared_data.parent / "parity" / f"{name}.npz") as file:
            arrays = {key: file[key] for key in file.files}
        meta = json.loads(bytes(arrays.pop("meta/json")))
        groups = {}
        for title, prefix in PREFIXES.items():
            found = {key[len(prefix) :]: value for key, value in arrays.items() if key.startswith(prefix)}
            groups[title] = {key: torch.from_numpy(np.asarray(value)) for key, value in found.items()}
        return SimpleNamespace(meta=meta, **groups)

    return load


@pytest.fixture(scope="session")
def run_head() -> Callable[[nn.Module, SimpleNamespace], tuple[Tensor, Match, Tensor]]:
    """`run_head(head, reference)`: the mask, and what a pose head or a model with one makes of a reference's inputs."""

    def run(head: nn.Module, reference: SimpleNamespace) -> tuple[Tensor, Match, Tensor]:
        inputs = reference.inputs
        mask = inputs["mask_s"][..., 0] > 0
        adjacency = torch.zeros(*mask.shape, mask.shape[1], dtype=torch.bool)
        for row, edges in enumerate(reference.meta["skeleton"]):
            for a, b in edges:
                adjacency[row, a, b] = adjacency[row, b, a] = True
        if "text" in inputs:
            tokens = head.text_projection(inputs["text"] * mask[..., None])
        else:
            pooled = pool(inputs["feature_s"][:, None], inputs["heatmap_s"][:, None])[:, 0]
            tokens = head.visual_projection(pooled * mask[..., None])
        with torch.no_grad():
            match = head.matching(head.feature_projection(inputs["feature_q"]), tokens, mask)
            return mask, match, head.decoder(match, adjacency, mask)

    return run
