"""Reference outputs of the official implementations."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def reference(shared_data: Path) -> Callable[[str], SimpleNamespace]:
    """`reference(name)`: meta, and the groups `state`, `inputs`, `outputs`, `losses` of a file as tensors by name."""

    def load(name: str) -> SimpleNamespace:
        with np.load(shared_data.parent / "parity" / f"{name}.npz") as file:
            arrays = {key: file[key] for key in file.files}
        meta = json.loads(bytes(arrays.pop("meta/json")))
        groups = {}
        for title, prefix in (("state", "state/"), ("inputs", "in/"), ("outputs", "out/"), ("losses", "loss/")):
            found = {key[len(prefix) :]: value for key, value in arrays.items() if key.startswith(prefix)}
            groups[title] = {key: torch.from_numpy(np.asarray(value)) for key, value in found.items()}
        return SimpleNamespace(meta=meta, **groups)

    return load
