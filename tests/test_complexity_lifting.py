"""Parameters and MACs of lifters: the specification's counts, and MACs by hand."""

import pytest
import torch

from cape.complexity_lifting import describe_lifting
from cape.errors import UsageError
from cape.registry import MODELS


def built(**options: object) -> torch.nn.Module:
    with torch.device("meta"):
        return MODELS.build({"type": "Lifting", "skeleton": "human36m", **options})


OFFICIAL = {"type": "GraphEnergy", "spd": "linear", "degree_bias": True, "node_id": "embed32"}
GRAPH, MLP = ({"type": "Critic", "energy": energy} for energy in (OFFICIAL, {"type": "MLPEnergy"}))
COUNTS = {
    "SimpleBaseline": (
        {"skeleton": "human36m_16", "lifter": {"type": "SimpleBaseline", "root": 0}}, (4_288_557,)
    ),
    "large": (
        {"lifter": {"type": "SimpleBaseline", "root": None, "width": 2048, "stages": 3}, "critic": GRAPH},
        (25_382_963, 2_451_752),
    ),
    "SemGCN": ({"lifter": {"type": "SemGCN"}, "critic": MLP}, (267_373, 4_287_489)),
    "VideoPose": ({"lifter": {"type": "VideoPose"}}, (8_494_131,)),
    "MixSTE": ({"lifter": {"type": "MixSTE"}}, (33_783_811,)),
}  # fmt: skip


@pytest.mark.parametrize(("options", "counts"), COUNTS.values(), ids=COUNTS)
def test_the_papers_counts(options: dict, counts: tuple[int, ...]) -> None:
    found = describe_lifting(built(**options))
    assert tuple(part.parameters for part in found.parts) == counts
    assert found.frames == (243 if options["lifter"]["type"] == "MixSTE" else 1)
    assert all(part.macs > 0 for part in found.parts)


def test_macs_of_a_perceptron_by_hand() -> None:
    lifter = {"type": "SimpleBaseline", "root": None, "width": 10, "stages": 1}
    (part,) = describe_lifting(built(lifter=lifter)).parts
    assert part.macs == 34 * 10 + 2 * 10 * 10 + 10 * 51


def test_a_window_costs_its_frames() -> None:
    """VideoPose answers every frame of a window that it is given, so a frame costs about what it does alone."""
    lifter = {"type": "VideoPose", "widths": [3], "channels": 10}
    (part,) = describe_lifting(built(lifter=lifter)).parts
    assert part.macs == 3 * 34 * 10 + 10 * 51


def test_only_lifters(refused) -> None:
    with refused(UsageError, "Lifting on the meta device"):
        describe_lifting(torch.nn.Linear(1, 1))
