"""What each way of fusing picture and text can do, on episodes made for it: `python benchmarks/mechanism.py --help`.

An object has three mirrored pairs of parts and two parts on its axis, and faces either way. Pictures show what a part
looks like but not its side, names say the side but are coarse: two parts of an object may have the same one. Neither
tells all parts apart; together they do, if the fusion knows which name belongs to which picture. The networks are the
library's own with a feature map for a picture. Every category is new, in training as in the test (specification §7.3).
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from cape.evaluation.pck import pck
from cape.models import FewShotPose, SupportEncoder
from cape.structures import Episode, View

GRID, CHANNELS, CODES = 6, 24, 6
STEPS = 2500
KIND = torch.tensor([0, 0, 1, 1, 2, 2, 3, 4])
"""Of each keypoint: the two of a pair are of one kind."""
SIDE = torch.tensor([-1, 1, -1, 1, -1, 1, 0, 0])
"""Left, right, on the axis."""
NAMES = np.array([[f"part {code}, {side}" for side in ("left", "middle", "right")] for code in range(CODES)])
TEST_SEED = 1_000_003
"""Far from the seeds of training: the same test episodes for every row and seed, and none that was trained on."""
POOLING = {"size": GRID, "sigma": 0.25}
"""Of the support encoder: the very cell, since what lies around it would tell the side of a part."""


class Vectors(NamedTuple):
    """What the world is made of, fixed once: looks and embeddings that training and test share."""

    look: Tensor
    """[6, C] of a coarse name."""
    facing: Tensor
    """[C] the cue that every cell shows, with the sign of the facing."""
    word: Tensor
    """[6, C] embedding of a coarse name."""
    side: Tensor
    """[3, C] embedding of a side."""


def vectors() -> Vectors:
    """Always the same."""
    generator = torch.Generator().manual_seed(7)
    look, facing, word, side = torch.randn(2 * CODES + 4, CHANNELS, generator=generator).split([CODES, 1, CODES, 3])
    return Vectors(look, facing[0], word, side)


WORLD = vectors()


class Damage(NamedTuple):
    """A column of the table."""

    texts: float = 0.0
    """Share of the names replaced by random ones."""
    supports: float = 0.0
    """Share of the support's parts that show a part of another category."""
    noise: float = 0.5
    """Standard deviation in each channel of each cell."""


COLUMNS = {
    "clean": Damage(),
    "50 % texts replaced": Damage(texts=0.5),
    "50 % support tokens replaced": Damage(supports=0.5),
    "noisy images": Damage(noise=1.0),
}


class Category(NamedTuple):
    """N categories: what their five kinds of parts are called, look like, and where they sit."""

    code: Tensor
    """[N, 5] coarse names, drawn with replacement: duplicates."""
    look: Tensor
    """[N, 5, C] the look of the coarse name and one of its own."""
    row: Tensor
    """[N, 5] all different."""
    reach: Tensor
    """[N, 5] cells from the axis; of no use to parts on it."""


def draw_categories(size: int, generator: torch.Generator) -> Category:
    """New ones."""
    code = torch.randint(CODES, (size, 5), generator=generator)
    look = WORLD.look[code] + torch.randn(size, 5, CHANNELS, generator=generator)
    row = torch.rand(size, GRID, generator=generator).argsort(dim=1)[:, :5]
    reach = torch.randint(1, GRID // 2, (size, 5), generator=generator)
    return Category(code, look, row, reach)


def draw_view(category: Category, look: Tensor, noise: float, generator: torch.Generator) -> View:
    """A picture of one instance of each category: where its axis is and how it faces are its own.

    Args:
        category: N of them.
        look: [N, 8, C] what each keypoint looks like.
        noise: Standard deviation.
        generator: Of all that is random.
    """
    size = len(look)
    axis = torch.randint(GRID // 2 - 1, GRID // 2 + 1, (size, 1), generator=generator)
    facing = 2 * torch.randint(2, (size, 1), generator=generator) - 1
    cell = torch.stack([axis + facing * SIDE * category.reach[:, KIND], category.row[:, KIND]], dim=-1)  # [N, 8, 2]
    image = noise * torch.randn(size, CHANNELS, GRID * GRID, generator=generator)
    image = image + (facing * WORLD.facing)[..., None]
    place = (cell[..., 1] * GRID + cell[..., 0])[:, None].expand(-1, CHANNELS, -1)
    image = image.scatter_add(2, place, look.transpose(1, 2)).unflatten(2, (GRID, GRID))
    return View(image, (cell + 0.5) / GRID, torch.ones(size, 8, dtype=torch.bool), torch.eye(2, 3).repeat(size, 1, 1))


def draw_episodes(size: int, generator: torch.Generator, damage: Damage = COLUMNS["clean"]) -> Episode:
    """A batch of episodes, one category each: support and query are two instances of it.

    No skeleton: it would tell the parts apart, which is the fusion's task here. The clicks in the support are half a
    cell off, which the rounding of the official heatmap takes back.
    """
    category, other = draw_categories(size, generator), draw_categories(size, generator)
    look = category.look[:, KIND]
    wrong = torch.rand(size, 8, 1, generator=generator) < damage.supports
    support = draw_view(category, torch.where(wrong, other.look[:, KIND], look), damage.noise, generator)
    support = support._replace(points=support.points - 0.5 / GRID)
    query = draw_view(category, look, damage.noise, generator)

    code, side = category.code[:, KIND], (SIDE + 1).expand(size, -1)
    wrong = torch.rand(size, 8, generator=generator) < damage.texts
    code = torch.where(wrong, torch.randint(CODES, code.shape, generator=generator), code)
    side = torch.where(wrong, torch.randint(3, side.shape, generator=generator), side)
    return Episode(
        support=View(*(each[:, None] for each in support)),
        query=query,
        mask=torch.ones(size, 8, dtype=torch.bool),
        adjacency=torch.zeros(size, 8, 8, dtype=torch.bool),
        mirror=torch.arange(8).expand(size, -1),
        parts=torch.zeros(size, 8, 8, dtype=torch.bool),
        names=NAMES[code, side].T.tolist(),
        category=torch.zeros(size, dtype=torch.int64),  # type: ignore[arg-type] (a batch of them)
        pair=torch.arange(size),  # type: ignore[arg-type]
    )


class Picture(nn.Module):
    """In the place of the visual encoder: the picture is a feature map already."""

    channels = CHANNELS

    def forward(self, images: Tensor) -> Tensor:
        """As it comes."""
        return images


class Names(nn.Module):
    """In the place of the text encoder: the sum of what the coarse name and the side mean."""

    width = CHANNELS

    def __init__(self) -> None:
        super().__init__()
        self.row = {name: row for row, name in enumerate(NAMES.flat)}
        self.register_buffer("table", (WORLD.word[:, None] + WORLD.side).flatten(0, 1), persistent=False)

    def forward(self, names: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
        """As `TextEncoder`: embeddings [B, K, C], and which keypoints have a name."""
        row = torch.tensor([[self.row[name] for name in column] for column in names]).T
        return self.table[row], torch.ones_like(row, dtype=torch.bool)


LITERAL = {"pairing": "none", "gamma": 1.0}
FREE = {"matrices": "none", "norm": "plain", "gamma": 1.0}
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "visual": ("visual only", {"text": None}),
    "text": ("text only", {"support": None}),
    "literal": ("CMAA v←t, literal", {"alignment": LITERAL}),
    "literal-free": ("CMAA v←t, literal, no parameters", {"alignment": {**FREE, "pairing": "none"}}),
    "text-led": ("CMAA t←v, literal", {"alignment": {**LITERAL, "lead": "text"}}),
    "paired": ("CMAA v←t, paired", {"alignment": {"gamma": 1.0}}),
    "hard": ("CMAA v←t, hard-paired, no parameters", {"alignment": {**FREE, "pairing": "hard"}}),
    "dlf-mean": ("DLF, mean", {"decision": {"rule": "mean"}}),
    "dlf-gate": ("DLF, gate", {"decision": {"rule": "gate"}}),
    "dlf-confidence": ("DLF, confidence", {"decision": {"rule": "confidence"}}),
    "dlf-pool": ("DLF, pooled maps", {"decision": {"rule": "pool"}}),
    "dlf-shared": ("DLF, gate, one decoder", {"decision": {"rule": "gate"}, "decoders": "shared"}),
}


def build(row: str, **changes: Any) -> FewShotPose:
    """The toy's size: a joint encoder of two layers, one refinement, D = 48."""
    options: dict[str, Any] = {
        "visual": {"type": Picture},
        "support": {"type": SupportEncoder, **POOLING},
        "text": {"type": Names},
        "matching": {"layers": 2, "heads": 2, "hidden": 96, "gate": 24, "dropout": 0.0},
        "decoder": {"layers": 1, "heads": 2, "graph": {"hidden": 96}, "dropout": 0.0},
        "width": 48,
        "consistency_weight": 0.5,
    }
    return FewShotPose(**{**options, **ROWS[row][1], **changes})


def train(model: FewShotPose, *, steps: int, seed: int, rate: float) -> FewShotPose:
    """Batches of 32; the rate rises over the first tenth and falls to zero; consistency grows as `ConsistencyRamp`."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        model.ramp = min(1.0, (step + 1) / (0.1 * steps))
        loss = torch.stack(list(model(*draw_episodes(32, generator), mode="loss").values())).sum()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return model.eval()


@torch.inference_mode()
def score(model: FewShotPose, damage: Damage, *, size: int, threshold: float = 0.12) -> float:
    """PCK in percent; distances are shares of the picture's side."""
    generator = torch.Generator().manual_seed(TEST_SEED)
    batches = [draw_episodes(128, generator, damage) for _ in range(size // 128)]
    distance = torch.cat([(model(*each)[-1] - each.query.points).norm(dim=-1) for each in batches]).numpy()
    return 100 * float(pck(distance, np.ones(distance.shape, dtype=bool), threshold).mean())


class Bar(NamedTuple):
    """What must hold on clean episodes, for every seed."""

    says: str
    margins: np.ndarray
    """Points by which it holds, seed by seed; negative where it does not."""


def bars(clean: dict[str, np.ndarray]) -> list[Bar]:
    """The bars that the rows at hand decide.

    Args:
        clean: Of each row, the PCK of every seed.
    """
    found = []
    if {"visual", "text"} <= clean.keys():
        better = np.maximum(clean["visual"], clean["text"])
        if "paired" in clean:
            found.append(Bar("paired CMAA ≥ better branch + 10", clean["paired"] - better - 10))
        if "dlf-gate" in clean:
            found.append(Bar("gated DLF ≥ better branch", clean["dlf-gate"] - better))
    for row, lead in (("literal", "visual"), ("literal-free", "visual"), ("text-led", "text")):
        if {row, lead} <= clean.keys():
            margin = 2 - np.abs(clean[row] - clean[lead])
            found.append(Bar(f"{ROWS[row][0]} within 2 of {ROWS[lead][0]}", margin))
    return found


def measure(row: str, *, steps: int, seed: int, size: int, rate: float = 2e-3) -> np.ndarray:
    """PCK of the four columns after a training from scratch."""
    torch.manual_seed(seed)
    model = train(build(row), steps=steps, seed=seed, rate=rate)
    return np.array([score(model, damage, size=size) for damage in COLUMNS.values()])


def main() -> None:
    """Train, score, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="default: all")
    parser.add_argument("--steps", type=int, default=STEPS, help="of 32 episodes (default: %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="default: 0 1")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate (default: %(default)s)")
    parser.add_argument("--size", type=int, default=2048, help="test episodes a column (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)

    # Seed by seed, so that a run that is stopped has measured whole tables
    scores = np.full((len(given.rows), len(given.seeds), len(COLUMNS)), np.nan)
    seconds = np.zeros(scores.shape[:2])
    progress = Console(stderr=True)
    for column, seed in enumerate(given.seeds):
        for row, name in enumerate(given.rows):
            start = time.perf_counter()
            scores[row, column] = measure(name, steps=given.steps, seed=seed, size=given.size, rate=given.rate)
            seconds[row, column] = time.perf_counter() - start
            progress.print(f"seed {seed}, {name}: {scores[row, column].round(1)}, {seconds[row, column]:.0f} s")

    seeds = " / ".join(map(str, given.seeds))
    table = Table(box=box.MARKDOWN, title=f"PCK@0.12 after {given.steps} steps, seeds {seeds}", title_justify="left")
    for head in ("fusion", *COLUMNS, "seconds"):
        table.add_column(head)
    for row, name in enumerate(given.rows):
        cells = [" / ".join(f"{value:.1f}" for value in column) for column in scores[row].T]
        table.add_row(ROWS[name][0], *cells, " / ".join(f"{value:.0f}" for value in seconds[row]))
    console = Console(width=200)
    console.print(table)
    for bar in bars({name: scores[row, :, 0] for row, name in enumerate(given.rows)}):
        margins = " / ".join(f"{margin:+.1f}" for margin in bar.margins)
        console.print(f"{'reached' if (bar.margins >= 0).all() else 'MISSED '}  {bar.says} (margin {margins})")


if __name__ == "__main__":
    main()
