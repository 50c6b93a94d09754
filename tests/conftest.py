"""What all tests share: fixed seeds, the hypothesis profile, the real data, small COCO files, and complete errors."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from PIL import Image

from cape.errors import CapeError

REPOSITORY = Path(__file__).parents[1]
WIDTH, HEIGHT = 96, 64

settings.register_profile(
    "cape",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("cape")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test that uses the real data."""
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker("shared_data")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many tests the missing real data cost: a green run without them is not the whole run."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if "shared_data" in report.keywords]
    if skipped:
        terminalreporter.write_line(
            f"shared data: {len(skipped)} tests skipped, set CAPE_SHARED to the folder that holds data/", yellow=True
        )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data."""
    folder = Path(os.environ.get("CAPE_SHARED") or REPOSITORY.parent / "shared") / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data is not at {folder}: set CAPE_SHARED to the folder that holds data/")
    return folder


@pytest.fixture(autouse=True)
def seeds() -> None:
    """Fix the global generators, for code that uses them against our rules."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 (the legacy generator is the one meant)
    torch.manual_seed(0)


def coco_content(*, images: int = 4) -> dict[str, list[dict[str, Any]]]:
    """A valid COCO-keypoints file: two categories, each with one instance in each picture."""
    rng = np.random.default_rng(5)
    content: dict[str, list[dict[str, Any]]] = {
        "images": [
            {"id": 100 + i, "file_name": f"set/{i}.png", "width": WIDTH, "height": HEIGHT} for i in range(images)
        ],
        "categories": [
            {"id": 1, "name": "animal", "keypoints": ["nose", "left_eye", "right_eye"], "skeleton": [[0, 1], [0, 2]]},
            {"id": 7, "name": "tube", "keypoints": ["top", "bottom"], "skeleton": []},
        ],
        "annotations": [],
    }
    for i in range(images):
        for category, count in ((1, 3), (7, 2)):
            x, y = rng.uniform(4, 30, 2).round(2)
            points = np.column_stack([rng.uniform((x, y), (x + 40, y + 30), (count, 2)).round(2), np.full(count, 2)])
            content["annotations"].append(
                {
                    "id": 1000 + len(content["annotations"]),
                    "image_id": 100 + i,
                    "category_id": category,
                    "bbox": [x, y, 40.0, 30.0],
                    "area": 1200.0,
                    "iscrowd": 0,
                    "num_keypoints": count,
                    "keypoints": points.ravel().tolist(),
                }
            )
    return content


@pytest.fixture
def coco_file(tmp_path: Path) -> Callable[..., SimpleNamespace]:
    """Writes `coco_content` after a change to it, and its pictures; gives back both paths, to be read or broken."""

    def write(change: Callable[[dict], object] = lambda content: None, *, images: int = 4) -> SimpleNamespace:
        content = coco_content(images=images)
        pictures = tmp_path / "images"
        (pictures / "set").mkdir(parents=True, exist_ok=True)
        for i, record in enumerate(content["images"]):
            pixels = np.random.default_rng(i).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(pictures / record["file_name"])
        change(content)
        path = tmp_path / "annotations.json"
        path.write_text(json.dumps(content))
        return SimpleNamespace(annotations=path, pictures=pictures, content=content)

    return write


@pytest.fixture
def minimal_config(tmp_path: Path) -> Path:
    """A config that says next to nothing."""
    path = tmp_path / "minimal.py"
    path.write_text('model = dict(type="FewShotPose", width=64)\nsplit = 2\n')
    return path


@pytest.fixture
def refused() -> Callable[..., AbstractContextManager[None]]:
    """`with refused(kind, *words)`: exactly this error, with its three parts, naming the words."""

    @contextmanager
    def check(kind: type[CapeError], *words: str) -> Iterator[None]:
        with pytest.raises(CapeError) as caught:
            yield
        error = caught.value
        assert type(error) is kind, error
        assert error.where.strip()
        assert error.expected.strip()
        assert error.got.strip()
        assert error.fix.strip()
        for word in words:
            assert word in str(error)

    return check


@pytest.fixture(scope="session")
def run_child() -> Callable[..., dict]:
    """`run_child(code, *arguments)`: run code in a fresh interpreter and read the JSON on its last line."""

    def run(code: str, *arguments: object) -> dict:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-c", code, *map(str, arguments)]
        child = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
        assert child.returncode == 0, child.stderr[-3000:]
        return json.loads(child.stdout.splitlines()[-1])

    return run
