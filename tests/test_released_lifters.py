"""Key maps of published lifters. That they are right is shown in tests/parity."""

import pytest
import torch

from cape.errors import DataError, UsageError
from cape.released_lifters import convert_lifter


def test_video_poses_layers_are_dealt_out_to_blocks() -> None:
    state = {f"module.layers_conv.{row}.weight": torch.tensor(row) for row in range(4)}
    names = ["blocks.0.wide", "blocks.0.narrow", "blocks.1.wide", "blocks.1.narrow"]
    expected = {f"{name}.maps.weight": row for row, name in enumerate(names)}
    assert convert_lifter("VideoPose", state) == expected


@pytest.mark.parametrize("key", ["layers_conv.x.weight", "layers_conv", "encoder.weight", ""])
def test_unknown_keys_are_refused_by_name(key: str, refused) -> None:
    with refused(DataError, "VideoPose", "unknown keys"):
        convert_lifter("VideoPose", {key: torch.zeros(1)})


def test_an_unknown_lifter_is_refused(refused) -> None:
    with refused(UsageError, "SemGCN", "'Semgcn'"):
        convert_lifter("Semgcn", {})
