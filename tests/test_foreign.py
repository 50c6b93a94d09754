"""Networks out of mmpose's own configs: found by name, without addresses, with types that exist."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cape.configuration import load_config
from cape.errors import DependencyError, UsageError
from cape.foreign import DROPPED, mmpose_network
from cape.registry import MODELS

NETWORKS = {
    # millions of parameters: Table 2's, of RLE with the flow that its training alone needs
    "td-hm_res50_8xb64-210e_coco-256x192": 34.00,
    "td-hm_res152_8xb32-210e_coco-384x288": 68.64,
    "td-hm_hrnet-w32_8xb64-210e_coco-256x192": 28.54,
    "td-hm_hrnet-w48_8xb32-210e_coco-384x288": 63.60,
    "td-hm_hrnet-w32_udp-8xb64-210e_coco-256x192": 28.54,
    "td-hm_ViTPose-base_8xb64-210e_coco-256x192": 89.99,
    "td-hm_ViTPose-small_8xb64-210e_coco-256x192": 24.29,
    "td-reg_res50_rle-8xb64-210e_coco-256x192": 23.70,
    "ipr_res50_8xb64-210e_coco-256x256": 34.00,
    "ipr_res50_debias-8xb64-210e_coco-256x256": 34.00,
}
READERS = {"td-hm": "HeatmapReader", "td-reg": "RegressionReader", "ipr": "IntegralReader"}


def leaves(options: Any) -> Iterator[tuple[str, Any]]:
    """All keys and values, at any depth."""
    for key, value in options.items() if isinstance(options, dict) else enumerate(options):
        yield str(key), value
        if isinstance(value, dict | list | tuple):
            yield from leaves(value)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_a_name_builds_and_is_judged(name: str) -> None:
    options = mmpose_network(name)
    keys, values = zip(*leaves(options), strict=True)
    assert not set(DROPPED) & set(keys)
    assert not [value for value in values if isinstance(value, str) and "://" in value]
    assert options["type"] == "mmpose.TopdownPoseEstimator"
    reader = READERS[name.partition("_")[0]]
    page = {
        "type": "CalibratedPose", "network": options, "reader": {"type": reader},
        "head": {"type": "GapHead" if reader == "RegressionReader" else "SpatialHead"},
    }  # fmt: skip
    with torch.device("meta"):
        model = MODELS.build(page)
    numbers = sum(each.numel() for each in model.network.parameters())
    assert numbers / 1e6 == pytest.approx(NETWORKS[name], abs=0.006)
    added = sum(each.numel() for each in model.head.parameters())
    assert added == 69_666 if reader == "RegressionReader" else 70_000 < added < 95_000


def test_a_file_is_a_config_too(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        'model = dict(type="TopdownPoseEstimator", init_cfg=dict(checkpoint="https://x"), head=dict(\n'
        '    type="RLEHead", in_channels=8, _scope_="mmdet"), neck=[dict(pretrained="y", type="A")])\n'
    )
    assert mmpose_network(path) == {
        "type": "mmpose.TopdownPoseEstimator",
        "head": {"type": "RLEHead", "in_channels": 8},
        "neck": [{"type": "A"}],
    }


def test_what_stands_beside_the_name_changes_the_network(tmp_path: Path) -> None:
    page = load_config(
        "ccnet_rle_r50", {"model.network.test_cfg.flip_test": False, "model.network.backbone.depth": 101}
    )
    plain = load_config("ccnet_rle_r50")
    assert plain.model.network.test_cfg == {"flip_test": True, "shift_coords": True}
    assert page.model.network.test_cfg == {"flip_test": False, "shift_coords": True}
    assert (page.model.network.backbone.depth, plain.model.network.backbone.depth) == (101, 50)
    assert "config" not in plain.model.network
    ours = load_config("ccnet_rtmpose_m").model.network
    assert ours == load_config("rtmpose-m_1xb384-420e_coco-256x192").model


def test_what_is_no_network_is_refused(tmp_path: Path, refused) -> None:
    broken, other = tmp_path / "broken.py", tmp_path / "other.py"
    broken.write_text("model = 1 / 0\n")
    other.write_text('model = dict(type="BottomupPoseEstimator")\n')
    for name, words in (("td-hm_res51", "td-hm_res51"), (broken, "ZeroDivisionError"), (other, "Bottomup")):
        with refused(UsageError, words):
            mmpose_network(name)
    with refused(UsageError, "td-hm_res51"):
        load_config("ccnet_hrnet_w32", {"model.network.config": "td-hm_res51"})


def test_an_mmpose_without_its_configs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused) -> None:
    import importlib.machinery
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with refused(DependencyError, "no such package"):
        mmpose_network("td-hm_res50_8xb64-210e_coco-256x192")
    bare = importlib.machinery.ModuleSpec("mmpose", loader=None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: bare)
    with refused(DependencyError, "no such folder"):
        mmpose_network("td-hm_res50_8xb64-210e_coco-256x192")
