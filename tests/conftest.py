"""What all tests share: fixed seeds, the hypothesis profile, the real data, small COCO files, and complete errors."""

import gc
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
from torch import Tensor, nn

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


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Thousands of tests and modules stay until the end: the collector need not look at them, as mmengine asks it to
    for each data set."""
    settle_memory()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """What a file of tests imported and left behind stays, too."""
    if nextitem is None or nextitem.path != item.path:
        settle_memory()


def settle_memory() -> None:
    """Free what is garbage; the rest is not looked through again."""
    gc.collect()
    gc.freeze()


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


@pytest.fixture
def official_head() -> Callable[..., dict[str, Tensor]]:
    """`official_head(width=, channels=, text=, graph=)`: a random pose head under the official names."""
    return _make_head


@pytest.fixture
def official_swin() -> Callable[[nn.Module], dict[str, Tensor]]:
    """`official_swin(network)`: a Swin-V2's weights under the official names."""
    return _make_swin


def _make_head(
    *, width: int = 16, channels: int = 24, text: int | None = None, graph: str = "pre"
) -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {}

    def linear(name: str, before: int, after: int) -> None:
        shapes.update({f"{name}.weight": (after, before), f"{name}.bias": (after,)})

    def attention(name: str) -> None:
        shapes.update({f"{name}.in_proj_weight": (3 * width, width), f"{name}.in_proj_bias": (3 * width,)})
        linear(f"{name}.out_proj", width, width)

    def norms(name: str, *which: str) -> None:
        shapes.update({f"{name}.{each}.{kind}": (width,) for each in which for kind in ("weight", "bias")})

    shapes["input_proj.weight"], shapes["input_proj.bias"] = (width, channels, 1, 1), (width,)
    linear("text_proj" if text else "query_proj", text or channels, width)
    for layer in (f"transformer.encoder.layers.{number}" for number in range(3)):
        attention(f"{layer}.self_attn")
        linear(f"{layer}.linear1", width, 3 * width)
        linear(f"{layer}.linear2", 3 * width, width)
        norms(layer, "norm1", "norm2")
    for number, layer in enumerate(f"transformer.decoder.layers.{number}" for number in range(3)):
        attention(f"{layer}.self_attn")
        wide = {"q": (2 * width, 2 * width), "k": (2 * width, 2 * width), "v": (2 * width, width)}
        shapes.update({f"{layer}.multihead_attn.{each}_proj_weight": shape for each, shape in wide.items()})
        shapes[f"{layer}.multihead_attn.in_proj_bias"] = (6 * width,)
        linear(f"{layer}.multihead_attn.out_proj", 2 * width, 2 * width)
        linear(f"{layer}.choker", 2 * width, width)
        if graph == "none":
            linear(f"{layer}.ffn1", width, 3 * width)
        else:
            shapes[f"{layer}.ffn1.conv.weight"], shapes[f"{layer}.ffn1.conv.bias"] = (6 * width, width, 1), (6 * width,)
        linear(f"{layer}.ffn2", 3 * width, width)
        norms(layer, "norm1", "norm2", "norm3")
        for place in (0, 2, 4):
            linear(f"kpt_branch.{number}.mlp.{place}", width, width)
        linear(f"kpt_branch.{number}.mlp.6", width, 2)
    norms("transformer.decoder", "norm")
    for place in (0, 1):
        linear(f"transformer.decoder.ref_point_head.layers.{place}", width, width)
    for name in ("support_proj", "query_proj"):
        linear(f"transformer.proposal_generator.{name}", width, width)
    linear("transformer.proposal_generator.dynamic_proj.0", width, width // 2)
    linear("transformer.proposal_generator.dynamic_proj.2", width // 2, width)
    return {f"keypoint_head.{key}": torch.randn(shape) for key, shape in shapes.items()}


def _make_swin(network: nn.Module) -> dict[str, Tensor]:
    state = {}
    for key, value in network.state_dict().items():
        stage = key.split(".")[1]
        state[key.replace(f"layers.{stage}.down", f"layers.{int(stage or 0) - 1}.down") if "down" in key else key] = (
            value
        )
    return state
