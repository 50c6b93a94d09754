"""Complexity: the paper's Table 5 and the ledger of the specification (§3.12), counted and not copied."""

import functools

import pytest
import torch

from cape.complexity import Complexity, Part, describe
from cape.models import FewShotPose
from cape.registry import MODELS

SWIN = {"type": "VisualEncoder", "name": "swinv2_small_window16_256", "strides": (32,), "norm": True, "enlarge": 2}
PAPER = {
    "visual": SWIN,
    "support": {"type": "SupportEncoder"},
    "text": {"type": "TextEncoder", "name": "gte", "width": 768},
}
SMALL = {
    "visual": {"type": "VisualEncoder", "name": "resnet10t"},
    "support": {"type": "SupportEncoder"},
    "text": {"type": "TextEncoder"},
    "matching": {"layers": 1, "hidden": 48, "gate": 16, "heads": 4},
    "decoder": {"layers": 2, "heads": 4, "graph": {"hidden": 48}},
    "width": 32,
}
COUNTED = {"matrices": "none", "pairing": "none", "norm": "plain"}
SYSTEMS = {
    "GraphCape-S": {"text": None},
    "CapeX-S": {"support": None},
    "FLF": {"alignment": COUNTED},
    "Eq. 1-4": {"alignment": {"pairing": "none"}},
    "default": {},
    "DLF": {"decision": {"rule": "mean"}},
}


def build(options: dict) -> FewShotPose:
    with torch.device("meta"):
        return MODELS.build({"type": "FewShotPose", **options})


@functools.cache
def system(name: str) -> Complexity:
    return describe(build({**PAPER, **SYSTEMS[name]}))


def small(**options) -> Complexity:
    arguments = {name: options.pop(name) for name in ("keypoints", "shots", "text_tokens") if name in options}
    return describe(build({**SMALL, **options}), **{"keypoints": 5, **arguments})


def part(found: Complexity, stage: str, name: str) -> Part:
    return next(each for each in found.parts if (each.stage, each.name) == (stage, name))


@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [
        ("GraphCape-S", 58_742_312, 17.656),
        ("CapeX-S", 195_518_504, 15.813),
        ("FLF", 195_715_369, 24.456),
        ("Eq. 1-4", 195_912_489, 24.456),
        ("default", 195_912_490, 24.456),
        ("DLF", 203_741_864, 24.826),
    ],
)
def test_the_paper_s_table(name: str, parameters: int, macs: float) -> None:
    total = system(name).total()
    assert total.paper_parameters == parameters
    assert total.parameters == parameters - 769_000, "without the class head, that is what is there"
    assert total.frozen == (0 if name == "GraphCape-S" else 136_776_192)
    assert round(total.paper_macs / 1e9, 3) == macs


def test_the_paper_s_macs_part_by_part() -> None:
    found = system("default")
    visual, matching = part(found, "query", "visual"), part(found, "query", "matching")
    assert visual.paper_macs == pytest.approx(8.6428e9, rel=1e-5) and visual.paper_macs_per_keypoint == 0
    assert part(found, "prompt", "text").paper_macs == pytest.approx(60 * 113.32e6, rel=1e-4)
    assert matching.paper_macs == pytest.approx(303.6e6 + 16.8e6, rel=1e-3)
    assert matching.paper_macs_per_keypoint == pytest.approx(1.18e6 + 0.13e6, rel=1e-2)
    assert part(found, "query", "decoder").paper_macs_per_keypoint == pytest.approx(2.56e6, rel=1e-2)
    assert 2 * part(found, "query", "offsets").paper_macs_per_keypoint == pytest.approx(1.18e6, rel=1e-2)
    head = [each for each in found.parts if each.name not in ("visual", "text")]
    assert sum(each.paper_macs for each in head) == pytest.approx(0.3707e9, rel=1e-3)


def test_the_true_macs_and_why_the_head_s_differ() -> None:
    """The official head evaluates the output MLPs twice and pools support tokens on 64 x 64 cells of 768 channels."""
    found = system("GraphCape-S")
    assert part(found, "query", "visual").macs == pytest.approx(12.782e9, rel=1e-4)
    head = sum(each.macs for each in found.parts if each.name != "visual")
    official = head + part(found, "query", "offsets").macs - part(found, "prompt", "support").macs + 17 * 64 * 64 * 768
    assert official == pytest.approx(1.199e9, rel=1e-3)
    assert part(system("CapeX-S"), "prompt", "text").macs == pytest.approx(60 * 113.246e6, rel=1e-3)


def test_parameters_stand_in_the_row_of_what_owns_them() -> None:
    model = build({**PAPER, "text": None})
    found = system("GraphCape-S")
    rows = {(each.stage, each.name): each.parameters for each in found.parts}
    assert rows == {
        ("prompt", "visual"): 0,
        ("prompt", "support"): 0,
        ("prompt", "projections"): 196_864,
        ("query", "visual"): 48_959_418,
        ("query", "projections"): 196_864,
        ("query", "matching"): 1_975_296 + 197_504,
        ("query", "decoder"): 5_853_696,
        ("query", "offsets"): 593_670,
    }
    assert found.total().parameters == sum(each.numel() for each in model.parameters())
    assert found.total("prompt").parameters + found.total("query").parameters == found.total().parameters


def test_true_macs_of_an_alignment_by_hand() -> None:
    """Three maps, and attention's two products, to which the paper's profiler is blind."""
    keypoints, width = 5, 32
    aligned = part(small(), "prompt", "alignment")
    assert aligned.macs == 3 * keypoints * width**2 + 2 * keypoints**2 * width
    assert (aligned.paper_macs, aligned.paper_macs_per_keypoint) == (0, 3 * width**2 + 4 * width)
    bare = part(small(alignment=COUNTED), "prompt", "alignment")
    assert bare.macs == 2 * keypoints**2 * width
    assert bare.paper_macs_per_keypoint == 2 * width, "a norm without affine"


def test_keypoints_do_not_move_the_paper_s_constant() -> None:
    few, many = (small(keypoints=keypoints, text=None).total() for keypoints in (1, 40))
    assert few.macs < many.macs
    assert few[5:] == many[5:]


def test_support_pictures_are_paid_once_per_prompt() -> None:
    one, three = small(), small(shots=3)
    assert part(three, "prompt", "visual").macs == 3 * part(one, "prompt", "visual").macs
    assert three.total("query") == one.total("query")
    assert part(one, "prompt", "visual").macs == part(one, "query", "visual").macs


def test_output_mlps_run_twice_as_in_the_official_code() -> None:
    twice = part(small(decoder={**SMALL["decoder"], "one_path": False}), "query", "offsets")
    once = part(small(), "query", "offsets")
    assert (twice.macs, twice.paper_macs_per_keypoint) == (2 * once.macs, 2 * once.paper_macs_per_keypoint)
    assert once.macs == 2 * 5 * (3 * 32 * 32 + 32 * 2)


def test_a_frozen_backbone_is_listed_as_frozen() -> None:
    found = small(visual={**SMALL["visual"], "frozen": True}, text=None)
    visual = part(found, "query", "visual")
    assert visual.frozen == visual.parameters == found.total().frozen > 0


@pytest.mark.parametrize(
    ("name", "width", "count"), [("minilm", 384, 22_713_216), ("gte", 768, 136_776_192), ("clip", 512, 63_428_096)]
)
def test_known_text_encoders(name: str, width: int, count: int) -> None:
    found = small(text={"type": "TextEncoder", "name": name, "width": width}, support=None)
    text = part(found, "prompt", "text")
    assert text.parameters == text.frozen == text.paper_parameters == count
    assert found.uncounted is None


def test_text_grows_with_its_tokens_alone() -> None:
    sixty, more = (part(small(text_tokens=tokens), "prompt", "text") for tokens in (60, 90))
    assert more.macs > sixty.macs * 1.4
    gte = {"type": "TextEncoder", "name": "gte", "width": 768}
    few, many = (part(small(text=gte, keypoints=keypoints), "prompt", "text") for keypoints in (2, 7))
    assert few.paper_macs == many.paper_macs
    assert few.macs > many.macs, "longer strings attend to more"


def test_an_unknown_text_encoder_is_named() -> None:
    found = small(text={"type": "TextEncoder", "name": "someone/model", "width": 24})
    assert found.uncounted == "someone/model"
    assert all(each.name != "text" for each in found.parts)
    assert small(text=None).uncounted is None


def test_a_model_on_a_real_device_is_refused() -> None:
    from cape.errors import UsageError

    with pytest.raises(UsageError, match="meta"):
        describe(FewShotPose(**SMALL))
    with pytest.raises(UsageError, match="Linear"):
        describe(torch.nn.Linear(2, 2, device="meta"))
