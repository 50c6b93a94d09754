"""What a loss-net costs beside a lifter: its own step, and what Algorithm 1 adds to a step of training.

Run `python benchmarks/lifting.py`. Both sides run in turn, and ratios are taken pair by pair.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict

from cape.models.lifting import Lifting
from cape.structures import Lift

ENERGIES: dict[str, dict[str, Any]] = {
    "graph, d = 64, 2 blocks": {"type": "GraphEnergy", "width": 64, "heads": 4, "layers": 2},
    "graph, d = 256, 6 blocks": {"type": "GraphEnergy"},
    "MLP, 1024": {"type": "MLPEnergy"},
}
JOINTS = 17


def make(energy: dict[str, Any] | None) -> tuple[Lifting, Any]:
    """A page with SimpleBaseline, 4.3 million parameters, and its optimisers."""
    torch.manual_seed(0)
    model = Lifting(
        skeleton="cmu17",
        lifter={"type": "SimpleBaseline", "root": None},
        critic=None if energy is None else {"energy": energy},
    ).train()
    parts = {"lifter": model.lifter} | ({} if model.critic is None else {"critic": model.critic})
    wrappers = {name: OptimWrapper(torch.optim.Adam(part.parameters(), lr=1e-4)) for name, part in parts.items()}
    return model, OptimWrapperDict(**wrappers)


def taught(model: Any, optimisers: Any, batch: Lift) -> Callable[[], object]:
    """A loss-net's step: energies of truth and prediction, their loss, backward, Adam. The prediction is there."""
    critic, wrapper = model.critic, optimisers["critic"]
    with torch.no_grad():
        found = model.lifter(batch.points)

    def step() -> None:
        losses = critic.losses(batch, lambda _: found)
        wrapper.update_params(losses["loss_ranking"])

    return step


def seconds(call: Callable[[], object], clock: Callable[[], float]) -> float:
    """Of one call."""
    start = clock()
    call()
    return clock() - start


def main() -> None:
    """Ratios of one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu on a machine that others use")
    parser.add_argument("--rows", type=int, nargs="+", default=list(range(len(ENERGIES))), help="which loss-nets")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.perf_counter if options.clock == "wall" else time.process_time

    joints = 0.3 * torch.randn(options.batch, 1, JOINTS, 3)
    everywhere = torch.ones(options.batch, 1, dtype=torch.bool)
    rows = torch.arange(options.batch)
    batch = Lift(joints[..., :2], joints, everywhere, torch.zeros_like(joints[..., 0, :]), rows.new_zeros(1), rows)

    model, optimisers = make(None)
    calls: dict[str, Callable[[], object]] = {"SimpleBaseline": lambda: model.train_step(batch, optimisers)}
    for name, energy in (list(ENERGIES.items())[row] for row in options.rows):
        judged, both = make(energy)
        calls[f"loss-net's step, {name}"] = taught(judged, both, batch)
        calls[f"Algorithm 1, {name}"] = lambda judged=judged, both=both: judged.train_step(batch, both)
    for call in calls.values():
        call()
        call()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(options.repeats):
        for name, call in calls.items():
            taken[name].append(seconds(call, clock))
    base = taken.pop("SimpleBaseline")
    print(f"SimpleBaseline, batch {options.batch}, {options.threads} threads: {1e3 * statistics.median(base):.0f} ms")
    for name, times in taken.items():
        ratios = sorted(one / other for one, other in zip(times, base, strict=True))
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"{name}: {1e3 * statistics.median(times):.0f} ms, {middle:.2f} ({low:.2f} - {high:.2f}) of it")


if __name__ == "__main__":
    main()
