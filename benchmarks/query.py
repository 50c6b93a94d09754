"""One query with a prepared prompt against the bare backbone: `python benchmarks/query.py --help`.

What a user of a prompt pays per picture is the backbone and, on top of it, projection, matching and decoder. Both sides
run in turn in one process, in changing order, so that a machine whose speed drifts slows both; the ratio is taken
repetition by repetition. Weights are random and nothing is read: time does not depend on either.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from cape.configuration import load_config
from cape.engine import make_model
from cape.models import CalibratedPose, FewShotPose, TurnedFit
from cape.models.calibration import Verdict
from cape.predictor import Predictor
from cape.structures import Found, Tokens

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
BACKBONES = {
    "swinv2-small": {"name": "swinv2_small_window16_256", "strides": (32,), "norm": True, "enlarge": 2},
    "swinv2-tiny": {"name": "swinv2_tiny_window16_256", "strides": (32,), "norm": True, "enlarge": 2},
    "efficientnet-lite2": {"name": "efficientnet_lite2", "strides": (16, 32)},
}


def build(backbone: str) -> FewShotPose:
    """A model with random weights, ready to infer; the prompt's half does not matter here."""
    if backbone == "cape-lite":
        return make_model(load_config("cape_lite", {"model.prior.type": "TurnedFit"})).eval()
    visual = {"type": "VisualEncoder", **BACKBONES[backbone]}
    return FewShotPose(visual=visual, support={"type": "SupportEncoder"}, text=None).eval()


def judged(model: FewShotPose) -> CalibratedPose:
    """A model with the head of cape-lite's confidence, random weights."""
    head = load_config("ccnet_cape_lite").model.head.to_dict()
    return CalibratedPose(network=model, reader={"type": "FewShotReader"}, head=head).eval()


def sides(
    model: FewShotPose, keypoints: int, batch: int, page: CalibratedPose | None = None
) -> tuple[Callable[[], object], Callable[[], object]]:
    """The bare backbone, and a whole query; or a query, and as many at once as `batch` says, or one with its scores."""
    image = torch.randn(batch, 3, model.visual.size, model.visual.size)
    ways = 2 * model.prior.rotations if isinstance(model.prior, TurnedFit) else 1
    shown = torch.ones(1, ways, keypoints, dtype=torch.bool)
    prompt = Tokens(
        tokens=torch.randn(1, ways, 1, keypoints, model.width),
        present=shown[:, :, None],
        appearance=torch.nn.functional.normalize(torch.randn(1, ways, keypoints, model.visual.channels), dim=-1),
        shown=shown,
        places=torch.rand(1, ways, keypoints, 2),
        doubt=torch.zeros(1, ways),
        canonical=torch.randn(1, keypoints, model.width),
    )
    chain = torch.arange(keypoints - 1)
    adjacency = torch.zeros(1, keypoints, keypoints, dtype=torch.bool)
    adjacency[0, chain, chain + 1] = adjacency[0, chain + 1, chain] = True

    def bare() -> torch.Tensor:
        return model.visual.network.forward_features(image)

    def query(count: int = batch) -> Found:
        tokens = Tokens(*(field.expand(count, *field.shape[1:]) for field in prompt))
        return model.locate(model.visual(image[:count]), tokens, adjacency.expand(count, -1, -1))

    def scored(page: CalibratedPose) -> Verdict:
        tokens = Tokens(*(field.expand(batch, *field.shape[1:]) for field in prompt))
        feature = model.visual(image)
        found = model.locate(feature, tokens, adjacency.expand(batch, -1, -1))
        return page.judge((page.reader.evidence(model, found, tokens, feature),))

    if page is not None:
        return query, lambda: scored(page)
    return (bare if batch == 1 else lambda: query(1)), query


def calls(model: FewShotPose, keypoints: int, page: CalibratedPose) -> tuple[Callable[[], object], ...]:
    """What a user calls, a picture of 640 x 480 looked at twice, without and with calibrated scores."""
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    points = random.uniform(40, 440, (keypoints, 2))
    predictors = [Predictor(each, name="") for each in (model, page)]
    prompts = [each.prompt(images=picture, points=points) for each in predictors]
    return tuple(partial(each, prompt, picture) for each, prompt in zip(predictors, prompts, strict=True))


def seconds(run: Callable[[], object], clock: Callable[[], float]) -> float:
    """One call."""
    start = clock()
    run()
    return clock() - start


def measure(
    model: FewShotPose, keypoints: int, repeats: int, clock: Callable[[], float], *, batch: int = 1,
    page: CalibratedPose | None = None, called: bool = False,
) -> np.ndarray:  # fmt: skip
    """Seconds [repeats, 2] of both sides, after three of each that do not count."""
    both = calls(model, keypoints, page) if called and page is not None else sides(model, keypoints, batch, page)
    times = np.zeros((repeats + 3, 2))
    with torch.inference_mode():
        for row in range(len(times)):
            for side in (0, 1) if row % 2 else (1, 0):
                times[row, side] = seconds(both[side], clock)
    return times[3:]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    models = ["cape-lite", *BACKBONES]
    parser.add_argument("--model", choices=models, default="swinv2-small", help="backbone (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=1, help="above 1: so many queries at once against one query")
    parser.add_argument("--judged", action="store_true", help="a query with calibrated scores against one without")
    parser.add_argument("--called", action="store_true", help="with --judged: whole calls of a predictor")
    parser.add_argument("--keypoints", type=int, nargs="+", default=[17], help="one or several (default: 17)")
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=30, help="of both sides, after three (default: %(default)s)")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: for a busy machine, with one thread")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    model = build(given.model)
    page = judged(model) if given.judged else None

    table = Table(box=box.SIMPLE_HEAD, title=f"{given.model}, threads: {given.threads}, {given.clock} time")
    heads = ("backbone, ms", "query, ms") if given.batch == 1 else ("query, ms", f"{given.batch} queries, ms")
    heads = heads if page is None else ("query, ms", "with scores, ms")
    for head in ("keypoints", *heads, "ratio", "quartiles of the ratio"):
        table.add_column(head, justify="right")
    for keypoints in given.keypoints:
        times = measure(
            model, keypoints, given.repeats, CLOCKS[given.clock], batch=given.batch, page=page, called=given.called
        )
        low, ratio, high = np.quantile(times[:, 1] / times[:, 0], (0.25, 0.5, 0.75))
        bare, query = np.median(times, axis=0) * 1e3
        table.add_row(str(keypoints), f"{bare:.0f}", f"{query:.0f}", f"{ratio:.3f}", f"{low:.3f} – {high:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
