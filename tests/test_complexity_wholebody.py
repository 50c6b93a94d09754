"""Complexity of the whole-body page: every row of the paper's table, and its closed forms."""

from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from mmengine.analysis import FlopAnalyzer
from torch import nn

from cape.complexity_wholebody import WholeBodyComplexity, WholeBodyPart, describe_whole_body
from cape.configuration import load_config
from cape.engine import make_model
from cape.errors import UsageError
from cape.models.wholebody import WholeBodyPose

CONFIGS = Path(__file__).parents[1] / "configs"
SCALES = {"m": (0.75, 0.67), "l": (1.0, 1.0), "x": (1.25, 1.33)}
KEYPOINTS = {"coco_wholebody": 133, "coco": 17, "crowdpose": 14}


class Row(NamedTuple):
    """Of the table of §7."""

    skeleton: str
    scale: str
    size: tuple[int, int]
    head: float
    """Parameters in millions, without the layers of RTMPose's head."""
    unused: float
    total: float
    macs: float
    """In units of 1e9."""
    flops: float | None
    """What the paper prints as GFLOPs."""

    @property
    def width(self) -> int:
        return 512 if self.skeleton == "coco_wholebody" and self.size == (288, 384) else 256

    @property
    def layers(self) -> int:
        return 2 if self.skeleton == "crowdpose" else 1

    @property
    def config(self) -> str:
        """Name of the shipped one."""
        data, size = self.skeleton.replace("_", "-"), f"{self.size[1]}x{self.size[0]}"
        (path,) = CONFIGS.glob(f"cigpose-{self.scale}_*e_{data}-{size}.py")
        return path.stem


SMALL, LARGE = (192, 256), (288, 384)
TABLE = [
    Row("coco_wholebody", "m", SMALL, 6.179, 0.242, 18.70, 2.31, 2.3),
    Row("coco_wholebody", "l", SMALL, 7.847, 0.242, 34.23, 4.61, 4.6),
    Row("coco_wholebody", "l", LARGE, 10.836, 0.743, 37.72, 10.63, 10.7),
    Row("coco_wholebody", "x", LARGE, 12.505, 0.743, 60.82, 18.64, 18.7),
    Row("coco", "m", SMALL, 1.784, 0.242, 14.30, 1.93, 1.9),
    Row("coco", "l", SMALL, 1.997, 0.242, 28.38, 4.15, 4.2),
    Row("coco", "l", LARGE, 2.243, 0.372, 28.75, 9.32, 9.4),
    Row("crowdpose", "m", SMALL, 1.843, 0.242, 14.36, 1.92, None),
    Row("crowdpose", "l", SMALL, 2.019, 0.242, 28.40, 4.15, None),
    Row("crowdpose", "l", LARGE, 2.265, 0.372, 28.78, 9.30, None),
    Row("crowdpose", "x", LARGE, 2.440, 0.372, 50.38, 17.15, None),
]


def closed_forms(row: Row) -> dict[str, int]:
    """§7: parameters of everything behind the backbone, and of what only the official code has."""
    d, k, q = row.width, KEYPOINTS[row.skeleton], row.width // 4
    s, e, cells, bins = d // 2, 2 * d, row.size[0] * row.size[1] // 1024, 2 * sum(row.size)
    return {
        "embedding": 49 * int(1024 * SCALES[row.scale][0]) * k + k + cells * d + 1
        + e * d + d * (2 * e + s) + 4 * s + 1 + d,
        "intervention": k * d,
        "initial": d * bins + bins,
        "graph": d * d + 3 * d
        + row.layers * (2 * d * d + 2 * d + d * q + 3 * q + 2 * q * q + 2 * q + q * d + d + 2 * d),
        "head": d * bins + bins,
        "unused": cells * d + 1 + d * bins,
    }  # fmt: skip


def part(found: WholeBodyComplexity, name: str) -> WholeBodyPart:
    return next(each for each in found.parts if each.name == name)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.skeleton} {row.scale} {row.size[0]}")
def test_the_table(row: Row) -> None:
    with torch.device("meta"):
        model = make_model(load_config(row.config))
    found, forms = describe_whole_body(model), closed_forms(row)
    parameters = {each.name: each.parameters for each in found.parts if each.name != "backbone"}
    assert parameters == {**forms, "unused": 0}
    assert part(found, "unused").paper_parameters == forms["unused"]
    assert sum(parameters.values()) / 1e6 == pytest.approx(row.head, abs=0.001)
    assert forms["unused"] / 1e6 == pytest.approx(row.unused, abs=0.0005)
    total = found.total()
    assert total.parameters == sum(each.numel() for each in model.parameters())
    assert total.paper_parameters == total.parameters + forms["unused"]
    assert total.paper_parameters / 1e6 == pytest.approx(row.total, abs=0.005)
    assert total.paper_macs / 1e9 == pytest.approx(row.macs, abs=0.006)
    assert row.flops is None or round(total.paper_flops / 1e9, 1) == row.flops
    assert 0.97 * total.paper_macs < total.macs < total.paper_macs, "products of keypoints, not of edges"


def test_rtmpose_has_nothing_besides() -> None:
    """The heads of §7: 13.59 M and 27.66 M."""
    for row, millions in ((TABLE[4], 13.59), (TABLE[5], 27.66)):
        with torch.device("meta"):
            name = row.config.replace("cigpose", "rtmpose")
            model = make_model(load_config(name, {"model.head.bias": False}))
        found = describe_whole_body(model)
        assert [each.name for each in found.parts] == ["backbone", "embedding", "head"]
        total = found.total()
        assert total.parameters == total.paper_parameters and total.macs == total.paper_macs
        assert round(total.parameters / 1e6, 2) == millions


# ---- a small network

TINY = {"type": "mmpose.CSPNeXt", "widen_factor": 0.0625, "deepen_factor": 0.01, "out_indices": (4,)}
BINS, WIDTH, COUNT = 2 * (64 + 96), 16, 17


def small(device: str = "meta", **options) -> WholeBodyPose:
    parts = {
        "skeleton": "coco",
        "size": (64, 96),
        "backbone": TINY,
        "embedding": {"channels": 64, "width": WIDTH, "query": 8},
        "intervention": {"train": 2},
        "graph": {},
    }
    with torch.device(device):
        return WholeBodyPose(**{**parts, **options})


def test_a_graph_by_hand() -> None:
    """Ours multiplies per keypoint and group, the official one per edge; 19 bones and 6 groups."""
    graph = part(describe_whole_body(small()), "graph")
    shared = COUNT * WIDTH**2 + COUNT * WIDTH * 4 + 6 * 4 * WIDTH
    assert graph.macs == shared + 2 * COUNT * WIDTH**2 + 2 * 6 * 4**2
    assert graph.paper_macs == shared + 38 * 2 * WIDTH * WIDTH + 30 * 2 * 4 * 4
    norms = COUNT * WIDTH + 38 * WIDTH + COUNT * WIDTH + COUNT * 4 + 30 * 4
    assert graph.paper_flops == graph.paper_macs + 2 * norms


def test_the_additions_are_those_of_mmengine_s_counter() -> None:
    total, real = describe_whole_body(small()).total(), small("cpu")
    real.eval()
    counter = FlopAnalyzer(real, (torch.zeros(1, 3, 96, 64),)).unsupported_ops_warnings(False)
    assert counter.total() == total.macs + total.paper_flops - total.paper_macs


@pytest.mark.parametrize("score", ["random", "supervised", "norm", "head"])
def test_scores_cost_what_they_need(score: str) -> None:
    found, usual = (describe_whole_body(small(intervention={"train": 2, "score": each})) for each in (score, "random"))
    counts, products = WIDTH * BINS + BINS, COUNT * WIDTH * BINS
    own = score in ("random", "supervised")
    initial, head = part(found, "initial"), part(found, "head")
    assert (initial.parameters, initial.macs) == ((counts, products) if own else (0, 0))
    assert initial.frozen == (counts if score == "random" else 0)
    assert head.macs == products * (2 if score == "head" else 1)
    assert part(found, "graph").macs == part(usual, "graph").macs * (2 if score == "head" else 1)
    assert found.total()[4:] == usual.total()[4:], "the official code has one score"


def test_one_module_without_the_other() -> None:
    bare, graph = small(intervention=None, graph=None), small(intervention=None)
    assert "unused" not in [each.name for each in describe_whole_body(bare).parts]
    assert [each.name for each in describe_whole_body(graph).parts] == [
        "backbone", "embedding", "graph", "head", "unused"
    ]  # fmt: skip


def test_the_flip_test_is_said_and_not_counted() -> None:
    two, one = (describe_whole_body(small(flip_test=each)) for each in (True, False))
    assert (two.views, one.views) == (2, 1)
    assert two.total() == one.total()


def test_the_model_stays_as_it_is() -> None:
    model = small()
    assert describe_whole_body(model) == describe_whole_body(model)
    assert {each.device.type for each in model.state_dict().values()} == {"meta"}
    assert model.adjacency.device.type == "meta" and not any(each._forward_hooks for each in model.modules())


def test_another_model_and_a_real_device_are_refused(refused) -> None:
    with refused(UsageError, "WholeBodyPose", "cpu"):
        describe_whole_body(small("cpu"))
    with refused(UsageError, "Linear"):
        describe_whole_body(nn.Linear(2, 2, device="meta"))
