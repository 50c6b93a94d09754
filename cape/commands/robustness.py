"""`cape robustness`: how much of its score each model loses when its prompts are damaged."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
import typer

from cape.commands import invocation, listed, run, split_numbers
from cape.errors import DataError, UsageError
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import Tensor

    from cape.contenders import Trained
    from cape.data.corruption import Corruption
    from cape.data.episodes import Episodes, Pairs
    from cape.evaluation.comparison import Split
    from cape.evaluation.robustness import Role, Runs, Trial
    from cape.inference import Encoded


class Run(NamedTuple):
    """One trained model, and where its scores under damage are kept."""

    name: str
    config: str
    options: tuple[str, ...]
    split: int
    seed: int
    weights: Path
    role: "Role"
    folder: Path
    made_by: str
    """What the scores in the folder depend on."""

    def scores(self, damage: "Corruption") -> Path:
        """Of each pair; the clean ones have the pairs beside them."""
        return self.folder / ("clean.npz" if damage.rate == 0 else f"{damage.kind}_{damage.rate:g}.npz")


class Settings(NamedTuple):
    """What the runs of a table share."""

    data: Path
    episodes: int | None
    device: str
    workers: int


def robustness(
    configs: Annotated[list[str], typer.Argument(help="Rows of the table: config files or names, or NAME=CONFIG.")],
    data: Annotated[Path, typer.Option(help="Folder with annotations/ and images/.")],
    work_dir: Annotated[Path, typer.Option(help="The runs' folder of `cape table`.")] = Path("outputs/table"),
    out: Annotated[Path, typer.Option(help="The tables, Markdown; the plot lies beside it as PNG.")] = Path(
        "outputs/robustness.md"
    ),
    keep: Annotated[Path, typer.Option(help="Keeps each score; what is there is not repeated.")] = Path(
        "outputs/robustness"
    ),
    kinds: Annotated[str, typer.Option(help="For example drop,jitter (default: all).")] = "all",
    rates: Annotated[str, typer.Option(help="Shares that are damaged.")] = "0.1,0.25,0.5",
    splits: Annotated[str, typer.Option(help="For example 1,3 (default: all five).")] = "1,2,3,4,5",
    seeds: Annotated[str, typer.Option(help="Of the training runs, for example 0,1,2.")] = "0",
    episodes: Annotated[
        int | None, typer.Option(min=1, help="Test episodes a category (default: the official 200).")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode pictures.")] = 0,
) -> None:
    """Score trained models under damaged names, clicks and support pictures: PCK@0.2 against the share damaged.

    For each kind of damage, the tables say which share of its clean score a model loses, and whether models with both
    modalities lose no larger share than the one that has the damaged modality alone. Pictures are encoded once for all
    models with the same backbone. A command that was cut short can be given again.

    Example: cape robustness cape_lite_visual cape_lite_text cape_lite --data mp100_mini --kinds drop,jitter
    """
    from cape.ablations import parse_row
    from cape.commands.console import say
    from cape.data.corruption import CLEAN, KINDS, Corruption

    plot = out.with_suffix(".png")
    check_writable(out)
    check_writable(plot)
    chosen = list(KINDS) if kinds == "all" else list(dict.fromkeys(kinds.split(",")))
    shares = sorted(listed("--rates", rates, float))
    numbers, runs_seeds = split_numbers(splits), listed("--seeds", seeds)
    damages = [CLEAN, *(Corruption(kind=kind, rate=rate) for kind in chosen for rate in shares if rate > 0)]
    shares = [rate for rate in shares if rate > 0]
    names = [parse_row(row).name for row in configs]
    if not shares or len(set(names)) < len(names):
        raise UsageError("robustness", expected="rows of different names, and a rate above 0",
                         got=f"{', '.join(configs)}; {rates}", fix="Mend it.")  # fmt: skip
    settings = Settings(data, episodes, device, workers)
    runs = [
        _run(row, split, seed, work_dir, keep, settings) for split in numbers for row in configs for seed in runs_seeds
    ]
    for split in numbers:
        say(f"split {split}: {_measure([each for each in runs if each.split == split], damages, settings)} new scores")
    trials, pairs = _collect(runs, names, damages)
    write_atomically(out, _report(trials, chosen, shares, pairs, plot.name))
    write_atomically(plot, _plot(trials, chosen, shares))
    say(f"Written to {out} and {plot}")


def _run(row: str, split: int, seed: int, work_dir: Path, keep: Path, settings: Settings) -> Run:
    """A complete run of the table, whose folder of scores is its own."""
    from cape.configuration import load_config, parse_options
    from cape.contenders import Facts
    from cape.runs import run_folder, table_run

    found = table_run(work_dir, row, split=split, seed=seed)
    config = load_config(found.config, parse_options(found.options))
    try:
        digest = hashlib.sha256(found.weights.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(
            str(found.weights),
            expected="the best weights of a run of cape table",
            got=str(error),
            fix="Train it first.",
        ) from error
    facts = Facts.of(config)
    folder = run_folder(keep, found.name, split=split, seed=seed)
    made_by = json.dumps({
        "weights": digest, "data": str(settings.data), "episodes": settings.episodes, "shots": facts.shots,
        "text_pack": facts.text_pack, "text_style": facts.text_style, "options": found.options,
    })  # fmt: skip
    record = folder / "made_by.json"
    if record.is_file() and (theirs := record.read_text(encoding="utf-8")) != made_by:
        raise UsageError(
            str(folder), expected=f"scores made by {made_by}", got=theirs, fix="Use another --keep, or remove it."
        )
    options = tuple(found.options)
    return Run(found.name, found.config, options, split, seed, found.weights, _role(config), folder, made_by)


def _role(config: "Config") -> "Role":
    """What a model's prompts are made of."""
    has = {part: config.model.get(part) is not None for part in ("support", "text")}
    return "fused" if all(has.values()) else "text" if has["text"] else "visual"


def _concerns(damage: "Corruption", role: "Role") -> bool:
    from cape.data.corruption import TEXT_KINDS

    return damage.rate == 0 or role in ("fused", "text" if damage.kind in TEXT_KINDS else "visual")


def _measure(runs: Sequence[Run], damages: "list[Corruption]", settings: Settings) -> int:
    """Make the scores of one split that are not there yet; how many there were."""
    from cape.commands.console import progress
    from cape.contenders import load_trained, same_pairs
    from cape.data.corruption import CLEAN
    from cape.features import encoder_digest
    from cape.inference import Encoded

    open_scores = {
        each: [
            damage for damage in damages
            if _concerns(damage, each.role) and not each.scores(damage).is_file()
        ]
        for each in runs
    }  # fmt: skip
    groups: dict[bytes, list[tuple[Run, Trained, Episodes]]] = {}
    for each in (each for each, missing in open_scores.items() if missing):
        trained = load_trained(
            each.config, each.weights, list(each.options), allow_pickle=False, download=False, device=settings.device
        )
        member = each, trained, _episodes(trained, each.split, settings)
        groups.setdefault(encoder_digest(trained.model.visual), []).append(member)
    opened = [member for members in groups.values() for member in members]
    if opened:  # features are made for one model's pairs and serve them all
        same_pairs([(each.name, _pairs(its_episodes)) for each, _, its_episodes in opened])
    for each, *_ in opened:
        write_atomically(each.folder / "made_by.json", each.made_by)
    for members in groups.values():
        wanted = [damage for damage in damages if any(damage in open_scores[each] for each, *_ in members)]
        _, first, episodes = members[0]
        clean = _features(first, episodes, CLEAN, settings)
        for damage in progress(wanted, f"split {runs[0].split}"):
            support = _features(first, episodes, damage, settings) if damage.occludes else clean
            encoded = Encoded(np.arange(len(clean)), clean, support)
            for each, trained, its_episodes in members:
                if damage in open_scores[each]:
                    _score(each, trained, its_episodes, damage, encoded)
    return sum(map(len, open_scores.values()))


def _episodes(trained: "Trained", split: int, settings: Settings) -> "Episodes":
    """The test episodes that a model is scored on."""
    from cape.contenders import official_episodes
    from cape.data.episodes import official_pairs

    source = trained.facts.source(settings.data, split=split)
    count = settings.episodes or official_episodes(source)
    return trained.episodes(source, official_pairs(source.by_category(), shots=trained.facts.shots, episodes=count))


def _pairs(episodes: "Episodes") -> "Pairs":
    if episodes.pairs is None:
        raise TypeError("evaluation episodes have pairs")
    return episodes.pairs


def _features(trained: "Trained", episodes: "Episodes", damage: "Corruption", settings: Settings) -> "Tensor":
    from cape.features import encode_pairs

    return encode_pairs(
        episodes.source, _pairs(episodes), trained.model.visual, workers=settings.workers, corruption=damage
    )


def _score(each: Run, trained: "Trained", episodes: "Episodes", damage: "Corruption", encoded: "Encoded") -> None:
    """Score a model under one damage and keep it."""
    from cape.evaluation.pck import HEADLINE
    from cape.inference import predict_all, score_predictions
    from cape.runs import grouping, write_scores

    pairs = _pairs(episodes)
    found, _ = predict_all(trained.model, episodes, corruption=damage, encoded=encoded)
    kept = {"score": score_predictions(found, episodes.table, pairs.table)[HEADLINE].astype(np.float32)}
    if damage.rate == 0:
        kept |= grouping(episodes.source, pairs)
    write_scores(each.scores(damage), {each.split: kept})


def _collect(runs: list[Run], names: list[str], damages: "list[Corruption]") -> "tuple[list[Trial], dict[int, Split]]":
    """Models in the order of their rows, and the pairs they share."""
    from cape.evaluation.comparison import Split
    from cape.evaluation.robustness import Role, Trial
    from cape.runs import read_scores

    clean, *others = damages
    pairs: dict[int, Split] = {}
    for each in runs:
        content = read_scores(each.scores(clean))
        split = Split(*(content[field] for field in Split._fields))
        known = pairs.setdefault(each.split, split)
        if not np.array_equal(known.query, split.query):
            raise DataError(
                str(each.folder), expected="the pairs of the other models", got="others", fix="Compare equal shots."
            )

    def scores(name: str, damage: "Corruption") -> "Runs":
        by_seed: dict[int, dict[int, np.ndarray]] = {}
        for each in (each for each in runs if each.name == name):
            by_seed.setdefault(each.seed, {})[each.split] = read_scores(each.scores(damage))["score"].astype(np.float64)
        return list(by_seed.values())

    roles: dict[str, Role] = {each.name: each.role for each in runs}
    trials = []
    for name in names:
        role, damaged = roles[name], {}
        for damage in (damage for damage in others if _concerns(damage, role)):
            damaged.setdefault(damage.kind, {})[damage.rate] = scores(name, damage)
        trials.append(Trial(name, role, scores(name, clean), damaged))
    return trials, pairs


def _report(trials: "list[Trial]", kinds: list[str], rates: list[float], pairs: "dict[int, Split]", plot: str) -> str:
    """The whole file."""
    from cape.data.corruption import TEXT_KINDS
    from cape.evaluation.pck import HEADLINE
    from cape.evaluation.report import grid
    from cape.evaluation.robustness import FALLBACK, Role, fallback_table, score_table, verdicts

    hit: dict[str, Role] = {kind: "text" if kind in TEXT_KINDS else "visual" for kind in kinds}
    told = [line for kind in kinds for line in verdicts(trials, kind, rates, pairs, damages=hit[kind])]
    left = [row for kind in kinds for row in fallback_table(trials, kind, rates[-1], pairs, damages=hit[kind])]
    parts = [
        f"Command:\n\n    {invocation()}",
        f"![PCK@0.2 against the share of the prompt that is damaged]({plot})",
        f"{HEADLINE} on splits {', '.join(map(str, pairs))}, seeds: {len(trials[0].clean)}; means over both, and the "
        "share of a model's clean score that it loses. A kind that does not concern a model leaves its score as it is.",
    ]
    if told:
        parts += [
            "Does a model with both modalities lose no larger share than the one with the damaged modality alone, at "
            f"any rate? Shares are averaged over the rates {', '.join(f'{rate:g}' for rate in rates)}; the 95 % "
            "intervals resample categories, and query pictures within them, and take the clean means as known.",
            "\n".join(f"- {line}" for line in told),
        ]
    if left:
        parts += ["Under the most damage, against a model that never had the damaged modality:", grid((FALLBACK, left))]
    parts += [grid(score_table(trials, kind, rates)) for kind in kinds]
    return "\n\n".join(parts) + "\n"


def _plot(trials: "list[Trial]", kinds: list[str], rates: list[float]) -> bytes:
    from cape.evaluation.pck import HEADLINE
    from cape.evaluation.robustness import mean_score
    from cape.figures import line_charts

    panels = {
        kind.replace("_", " "): {
            trial.name: [(0.0, mean_score(trial.clean)), *((r, mean_score(trial.under(kind, r))) for r in rates)]
            for trial in trials
        }
        for kind in kinds
    }
    return line_charts(panels, across="share of the prompt that is damaged", up=f"{HEADLINE}, %")


def main(argv: list[str] | None = None) -> int:
    """`python tools/robustness.py`."""
    return run(robustness, argv, name="robustness")
