"""Maps of branches: they are what the model computes, they sum to 1, and looking changes nothing."""

import networks
import pytest
import torch

from cape.maps import branch_maps
from cape.models import FewShotPose
from cape.models.heads.keypoint_decoder import recorded_attention
from cape.structures import Episode


@pytest.fixture(scope="module")
def batch() -> Episode:
    return networks.two_episodes()


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, ["picture + text"]),
        ({"text": None}, ["picture"]),
        ({"support": None}, ["text"]),
        ({"decision": {"rule": "gate"}}, ["picture", "text"]),
        ({"decision": {"rule": "pool"}}, ["picture", "text"]),
        ({"decision": {"rule": "gate"}, "decoders": "shared"}, ["picture", "text"]),
    ],
)
def test_each_branch_has_its_maps(batch: Episode, changes: dict, names: list[str]) -> None:
    torch.manual_seed(0)
    model = FewShotPose(**{**networks.SMALL, **changes}).eval()
    with torch.inference_mode():
        plain = model(*batch, mode="tensor")
    with recorded_attention(model.decoder) as weights:
        found, maps = branch_maps(model, batch)
    assert torch.equal(found.points, plain)
    assert [each.name for each in maps] == names
    grid = found.branches[0].match.similarity.shape[-2:]
    for each, branch in zip(maps, found.branches, strict=True):
        assert each.attention.shape == (2, *batch.mask.shape, *grid)
        for cells in (each.similarity, each.attention):
            total = cells.sum(dim=(-2, -1))
            torch.testing.assert_close(total, torch.ones_like(total))
        assert torch.equal(each.similarity.flatten(-2).argmax(-1), branch.match.similarity.flatten(-2).argmax(-1))
        assert torch.equal(each.points, branch.points[-1])
    cell = 1 * grid[1] + 2  # row 1, column 2
    assert torch.equal(maps[0].attention[..., 1, 2], torch.stack(weights)[:2, ..., cell])
    if len(names) == 2:
        assert torch.equal(maps[0].attention, maps[1].attention) == (changes.get("decoders") == "shared")
        assert not torch.equal(maps[0].similarity, maps[1].similarity)
