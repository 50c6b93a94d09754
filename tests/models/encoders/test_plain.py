"""ViTPose's backbone: grids, what a padding does, and what it is not."""

import pytest
import torch

from cape.errors import UsageError
from cape.models.encoders.plain import PlainTransformer

TINY = {"embed_dims": 32, "num_layers": 2, "num_heads": 4, "feedforward_channels": 64}


@pytest.mark.parametrize("padding", [0, 2])
def test_one_cell_for_each_patch(padding: int) -> None:
    backbone = PlainTransformer(arch=TINY, img_size=(64, 48), patch_cfg={"padding": padding}).eval()
    (feature,) = backbone(torch.randn(2, 3, 64, 48))
    assert feature.shape == (2, 32, 4, 3) and feature.is_contiguous()


def test_cells_are_where_their_patches_are() -> None:
    """Without attention's mixing, a change of the picture reaches the cell of its patch: row first, then column."""
    backbone = PlainTransformer(arch=TINY, img_size=(64, 48)).eval()
    for block in backbone.network.blocks:
        torch.nn.init.zeros_(block.attn.proj.weight)
        torch.nn.init.zeros_(block.attn.proj.bias)
    picture = torch.zeros(1, 3, 64, 48)
    (before,) = backbone(picture)
    picture[:, :, 20:28, 36:44] = 1.0
    (after,) = backbone(picture)
    changed = (after - before).abs().sum(dim=1)[0] > 1e-6
    assert changed.nonzero().tolist() == [[1, 2]]


def test_a_padding_moves_patches_up_and_left() -> None:
    """The convolution begins two pixels before the picture."""
    one = PlainTransformer(arch=TINY, img_size=(64, 48), patch_cfg={"padding": 2}).eval()
    other = PlainTransformer(arch=TINY, img_size=(64, 48)).eval()
    other.load_state_dict(one.state_dict())
    picture = torch.randn(1, 3, 64, 48)
    moved = torch.nn.functional.pad(picture, (2, 0, 2, 0))[:, :, :64, :48]
    torch.testing.assert_close(one(picture)[0], other(moved)[0])


def test_every_parameter_learns() -> None:
    backbone = PlainTransformer(arch=TINY, img_size=(64, 48), drop_path_rate=0.1).train()
    sum(each.square().sum() for each in backbone(torch.randn(2, 3, 64, 48))).backward()
    assert all(each.grad is not None and each.grad.any() for each in backbone.parameters())


def test_another_transformer_is_refused(refused) -> None:
    for options in (
        {"arch": "deit-tiny"}, {"arch": {"embed_dims": 32}}, {"with_cls_token": True}, {"patch_cfg": {"stride": 8}},
    ):  # fmt: skip
        with refused(UsageError, "without a class token"):
            PlainTransformer(**options)
    with refused(UsageError, "cells of 16 pixels"):
        PlainTransformer(arch=TINY, img_size=(60, 48), patch_cfg={"padding": 2})
