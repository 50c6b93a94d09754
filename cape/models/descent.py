"""Gradient-based inference: poses that go down the energy (SEAL-pose, A.3; specification §7)."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from cape.errors import UsageError

Energy = Callable[[Float[Tensor, "*B J 2"], Float[Tensor, "*B J 3"]], Float[Tensor, "*B"]]


def descend(
    energy: Energy, points: Float[Tensor, "*B J 2"], joints: Float[Tensor, "*B J 3"], *, step: float, iterations: int
) -> tuple[Float[Tensor, "R *B J 3"], Float[Tensor, "R *B"]]:
    """Repeat y ← y - η ∂E(x, y)/∂y. The paper gives neither η nor how often.

    Whether errors fall with the energy is another question: on the specification's small data they did not (§12).

    Args:
        energy: Of poses, one number each: a critic in evaluation mode, or any function.
        points: Screen coordinates.
        joints: Where to start, metres from the root.
        step: η, in square metres per unit of energy.
        iterations: How often.

    Returns:
        All poses, the start first, and their energies: R is `iterations` + 1.

    Raises:
        UsageError: A step that is not positive and finite, or no iterations.
    """
    if not 0 < step < float("inf") or iterations < 1:
        got, fix = f"{step} and {iterations}", "Say 0.01 and 20, for example."
        raise UsageError("step, iterations", expected="positive numbers", got=got, fix=fix)
    here, poses, energies = joints.detach(), [], []
    for _ in range(iterations + 1):
        with torch.enable_grad():
            here = here.requires_grad_()
            value = energy(points, here)
            (slope,) = torch.autograd.grad(value.sum(), here)
        poses.append(here.detach())
        energies.append(value.detach())
        here = here.detach() - step * slope
    return torch.stack(poses), torch.stack(energies)
