"""Contracts over the registries: what every registered class keeps, tested before its author writes a test."""

import inspect

import pytest

import cape.data
import cape.models
from cape.errors import UsageError
from cape.registry import DATASETS, MODELS

REGISTERED = [*DATASETS.module_dict.items(), *MODELS.module_dict.items()]

EXAMPLES = {
    "FewShotPose": {
        "visual": {"type": "VisualEncoder"},
        "support": {"type": "SupportEncoder"},
        "text": {"type": "TextEncoder"},
    },
    "CalibratedPose": {
        "network": {
            "type": "FewShotPose",
            "visual": {"type": "VisualEncoder"},
            "support": {"type": "SupportEncoder"},
            "text": {"type": "TextEncoder"},
        },
        "reader": {"type": "FewShotReader"},
        "head": {"type": "TokenHead"},
    },
    "Critic": {"energy": {"type": "GraphEnergy"}},
    "ForeignLifter": {"module": {"type": "SimpleBaseline"}, "joints": 16, "frames": 1},
    "Lifting": {"lifter": {"type": "SimpleBaseline"}, "critic": {"energy": {"type": "MLPEnergy"}}},
    "Recentred": {"lifter": {"type": "SimpleBaseline"}},
    "SemGCN": {"joints": 3, "edges": [(0, 1), (1, 2)]},
    "WholeBodyPose": {"backbone": {"type": "mmpose.CSPNeXt", "out_indices": (4,)}, "embedding": {}},
}
"""What a constructor cannot do without."""


@pytest.mark.parametrize(("name", "kind"), REGISTERED, ids=[name for name, _ in REGISTERED])
def test_constructors_are_keyword_only_and_refuse_misspelt_keys(name: str, kind: type) -> None:
    parameters = list(inspect.signature(kind).parameters.values())
    assert all(each.kind is inspect.Parameter.KEYWORD_ONLY for each in parameters), f"{name}: keyword-only, no **kwargs"
    registry = DATASETS if name in DATASETS.module_dict else MODELS
    required = {each.name: "x" for each in parameters if each.default is inspect.Parameter.empty}
    with pytest.raises(UsageError, match="misspelt"):
        registry.build({"type": name, **required, "misspelt": 1})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"type": "CMAA", "pairing": "Bias"}, "'bias', 'hard', 'none'"),
        ({"type": "CMAA", "lead": "visuel"}, "'visual', 'text', 'both'"),
        ({"type": "GraphFeedForward", "mode": "Pre"}, "'pre'"),
        ({"type": "SupportEncoder", "shots": "any"}, "'all', 'shown'"),
        ({"type": "Matchin"}, "Matching"),
    ],
)
def test_a_choice_that_does_not_exist_is_refused(options: dict, words: str) -> None:
    """Else a misspelt value would quietly be another model."""
    with pytest.raises(UsageError, match=words):
        MODELS.build(options)


@pytest.mark.parametrize(("name", "kind"), REGISTERED, ids=[name for name, _ in REGISTERED])
def test_documented(name: str, kind: type) -> None:
    assert kind.__doc__ and len(kind.__doc__.splitlines()[0]) > 20, name


def test_lists_are_the_registries() -> None:
    assert set(DATASETS.module_dict) <= set(cape.data.__all__)
    assert set(MODELS.module_dict) <= set(cape.models.__all__)


@pytest.mark.parametrize("name", sorted(MODELS.module_dict))
def test_models_build_on_the_meta_device(name: str) -> None:
    """A constructor that reads a file or picks a device fails here."""
    import torch

    with torch.device("meta"):
        model = MODELS.build({"type": name, **EXAMPLES.get(name, {})})
    assert all(parameter.is_meta for parameter in model.parameters())
