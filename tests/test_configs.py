"""Every config in configs/: short, complete, buildable; one real, narrow step for each distinct model."""

import inspect
from pathlib import Path

import pytest
import torch

from cape.configuration import load_config
from cape.data.drawn import Drawn
from cape.data.episodes import Episodes, collate_episodes
from cape.engine import make_model
from cape.registry import HOOKS, LOOPS, METRICS

CONFIGS = sorted(path for path in (Path(__file__).parents[1] / "configs").glob("*.py") if path.name[0] != "_")
SPLITS = {kind: [path for path in CONFIGS if path.name.startswith(f"cape_{kind}_split")] for kind in ("flf", "dlf")}
DISTINCT = [
    path
    for path in CONFIGS
    if path.name not in {f"cape_{kind}_split{split}.py" for kind in ("flf", "dlf") for split in range(2, 6)}
]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_leaf_is_short_and_described(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 40
    assert text.startswith('"""') and len(text.splitlines()[0]) > 30


@pytest.mark.parametrize("kind", SPLITS)
def test_the_leaves_of_the_splits_differ_in_the_split_alone(kind: str) -> None:
    first = load_config(SPLITS[kind][0]).to_dict()
    assert len(SPLITS[kind]) == 5
    for number, path in enumerate(SPLITS[kind], start=1):
        config = load_config(path).to_dict()
        assert config["split"] == number
        assert {**config, "split": 1} == first


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_builds_on_the_meta_device(path: Path) -> None:
    config = load_config(path)
    with torch.device("meta"):
        model = make_model(config)
    assert any(parameter.requires_grad for parameter in model.parameters())
    for registry, parts in ((HOOKS, config.custom_hooks), (METRICS, [config.val_evaluator]), (LOOPS, [config.val_cfg])):
        for part in parts:
            known = set(inspect.signature(registry.get(part["type"])).parameters)
            assert set(part) - {"type"} <= known, part
    schedule = [each for each in config.get("param_scheduler", []) if each.get("by_epoch")]
    assert all(max(each.get("milestones", [0])) < config.train_cfg.max_epochs for each in schedule)


NARROW = {"swinv2_small_window16_256": "swinv2_tiny_window8_256", "swinv2_tiny_window16_256": "swinv2_tiny_window8_256"}


@pytest.mark.parametrize("path", DISTINCT, ids=lambda path: path.stem)
def test_one_narrow_step(path: Path) -> None:
    """The model of the config with a narrow head and, for Swin-V2 Small, a lighter sister of its backbone."""
    config = load_config(path, {"model.width": 32})
    config.model.matching.update(heads=4, hidden=32, gate=8, layers=1)
    config.model.decoder.update(heads=4, layers=1)
    if config.model.decoder.graph.type == "GraphFeedForward":
        config.model.decoder.graph.update(hidden=32)
    config.model.visual.name = NARROW.get(config.model.visual.name, config.model.visual.name)
    if config.model.text is not None:
        config.model.text = {"type": "TextEncoder", "name": "random", "width": 64}
    model = make_model(config).train()
    episodes = Episodes(source=Drawn(instances=2, categories=("chair", "arrow"), size=96), size=model.visual.size)
    batch = collate_episodes([episodes[0], episodes[2]])
    loss = sum(model(*batch, mode="loss").values())
    loss.backward()
    assert loss.isfinite()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert sum(parameter.grad is not None for parameter in learning) == len(learning)
