"""The MLP loss-net's counts, and what all loss-nets keep."""

import pytest
import torch
from torch import nn

from cape.errors import UsageError
from cape.models.energies import GraphEnergy, MLPEnergy

SMALL = {"MLPEnergy": {"width": 32}, "GraphEnergy": {"width": 32, "heads": 4, "layers": 2, "edges": [(0, 1), (1, 2)]}}
KINDS = {"MLPEnergy": MLPEnergy, "GraphEnergy": GraphEnergy}


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_as_many_parameters_as_the_official_code() -> None:
    counts = [[count(MLPEnergy(joints=joints, width=width)) for joints in (16, 17, 133)] for width in (1024, 2048)]
    assert counts == [[4_282_369, 4_287_489, 4_881_409], [16_953_345, 16_963_585, 18_151_425]]


@pytest.mark.parametrize("inputs", ["joints", "bilinear", "early", "decomposed"])
@pytest.mark.parametrize("name", KINDS)
def test_every_loss_net_keeps_the_contract(name: str, inputs: str) -> None:
    energy = KINDS[name](joints=5, inputs=inputs, **SMALL[name]).eval()
    points, joints = torch.randn(4, 3, 5, 2), torch.randn(4, 3, 5, 3, requires_grad=True)
    found = energy(points, joints)
    assert found.shape == (4, 3)
    # Frames are judged for themselves: what folding them into the batch gives
    torch.testing.assert_close(energy(points.flatten(0, 1), joints.flatten(0, 1)).reshape(4, 3), found)
    torch.testing.assert_close(energy(points[2, 1], joints[2, 1]), found[2, 1])
    found.sum().backward()
    assert all(parameter.grad is not None for parameter in energy.parameters())
    assert joints.grad is not None and joints.grad.any()
    with torch.no_grad():
        moved = energy(points + 1, joints)
    assert torch.equal(moved, found) == (inputs == "joints")


@pytest.mark.parametrize("name", KINDS)
def test_poses_of_another_skeleton_are_refused(name: str, refused) -> None:
    with refused(UsageError, "5 x 2", "(4, 6, 2)"):
        KINDS[name](joints=5, **SMALL[name])(torch.zeros(4, 6, 2), torch.zeros(4, 6, 3))


def test_the_local_term_is_the_sum_that_the_specification_states() -> None:
    part = MLPEnergy(joints=4, width=8, inputs="decomposed").local
    assert part is not None
    points, joints = torch.randn(1, 4, 2), torch.randn(1, 4, 3)
    feature = part.feature(points.flatten(1))[0]
    expected = sum(joints[0, joint] @ part.weight[joint] @ feature for joint in range(4))
    torch.testing.assert_close(part(points, joints)[0], expected)
