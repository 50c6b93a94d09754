"""A training run's folder: what lies where, and which run it belongs to; and the runs that `cape table` made."""

import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.config import Config
from mmengine.dist import is_main_process

from cape.ablations import Row, parse_row
from cape.data.episodes import QUERIES, Pairs, Source, official_pairs
from cape.errors import DataError, UsageError
from cape.files import write_atomically

NO_DIFFERENCE = (
    "data_root", "pictures", "budget_minutes", "features.folder", "observations.folder", "log_processor", "log_level",
    "visualizer", "env_cfg", "default_hooks.logger",
)  # fmt: skip
"""What may change between a run and its resumption: the weights do not depend on it."""
LOADING = ("num_workers", "persistent_workers", "prefetch_factor", "pin_memory")
"""The same, of data loaders."""


def weights_path(work_dir: str | Path, name: str) -> Path:
    """Where a run keeps weights: `epoch_N` or `best`."""
    return Path(work_dir) / "checkpoints" / f"{name}.safetensors"


def state_path(work_dir: str | Path, epoch: int) -> Path:
    """Where a run keeps its private state."""
    return Path(work_dir) / "resume" / f"epoch_{epoch}.pth"


def saved_epochs(work_dir: str | Path) -> list[int]:
    """Epochs with a resume state, newest first."""
    return epochs_in(Path(work_dir) / "resume", ".pth")


def epochs_in(folder: Path, suffix: str) -> list[int]:
    """Numbers N of the files epoch_N in a folder, newest first; foreign names are passed over."""
    names = (
        re.fullmatch(r"epoch_([1-9][0-9]{0,8})", path.stem) for path in folder.glob(f"*{suffix}") if path.is_file()
    )
    return sorted((int(name[1]) for name in names if name), reverse=True)


def claim(work_dir: Path, config: Config, *, data: str, resume: bool) -> None:
    """Make a folder this run's, or find that it is already.

    Args:
        work_dir: The folder.
        config: The run's.
        data: Digest of what it learns from.
        resume: Continue what is there.

    Raises:
        UsageError: It holds another run, or this one and `resume` is not asked for.
    """
    record = work_dir / "run.json"
    ours = {**identity(config), "data": data}
    # A kill before the first state leaves weights of epoch 1 alone; more of them are a run whose states are gone.
    weights = [path.name for path in weights_path(work_dir, "best").parent.glob("epoch_*.safetensors")]
    if saved_epochs(work_dir) or set(weights) - {"epoch_1.safetensors"}:
        if not resume or not saved_epochs(work_dir):
            raise UsageError(
                str(work_dir), expected="an empty folder for a new run", got="a run with checkpoints",
                fix="Add --resume to continue it (needs its folder resume/), or choose another --work-dir.",
            )  # fmt: skip
        theirs = _read_record(record)
        for key in sorted({*ours, *theirs}):
            if ours.get(key) != theirs.get(key):
                raise UsageError(
                    str(work_dir), expected=f"a run with {key} = {ours.get(key)}", got=str(theirs.get(key)),
                    fix="Resume with the config that began it, or choose another --work-dir.",
                )  # fmt: skip
    if is_main_process():
        write_atomically(record, json.dumps(ours, indent=1) + "\n")


def _read_record(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            str(path), expected="the record of the run that the checkpoints beside it belong to", got=str(error),
            fix="Choose another --work-dir.",
        ) from error  # fmt: skip


def identity(config: Config) -> dict[str, Any]:
    """What the weights of a run depend on, flat: dotted keys and JSON values."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key in value:
                walk(f"{prefix}.{key}" if prefix else key, value[key])
        elif isinstance(value, list | tuple):
            for place, each in enumerate(value):
                walk(f"{prefix}.{place}", each)
        elif not f"{prefix}.".startswith(tuple(f"{each}." for each in NO_DIFFERENCE)) and not prefix.endswith(LOADING):
            flat[prefix] = value

    walk("", json.loads(json.dumps(config.to_dict(), default=str)))
    return flat


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `identity`: lists come back as tuples, and of empty ones nothing is left."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *folders, leaf = key.split(".")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[leaf] = value

    def listed(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        inner = {key: listed(each) for key, each in value.items()}
        places = [str(place) for place in range(len(inner))]
        return tuple(inner[place] for place in places) if inner and set(inner) == set(places) else inner

    return listed(tree)


class TableRun(NamedTuple):
    """A complete run of `cape table`."""

    name: str
    config: str
    split: int
    options: list[str]
    """KEY=VALUE that the run changed, its split first."""
    weights: Path
    scores: dict[str, np.ndarray]
    """Per pair: `query`, `category`, `named`, and `METHOD|FIGURE` of each method."""

    def pairs(self, source: Source, *, shots: int) -> Pairs:
        """The pairs that it was tested on, drawn anew.

        Raises:
            DataError: The source is not what it was tested on.
        """
        episodes = int(np.unique(self.scores["category"], return_counts=True)[1].max()) // QUERIES
        pairs = official_pairs(source.by_category(), shots=shots, episodes=max(1, episodes))
        if not np.array_equal(pairs.table[:, -1], self.scores["query"]):
            raise DataError(
                self.name, expected="the data that the run was tested on", got="other pairs", fix="Mend --data."
            )
        return pairs


def table_run(work_dir: Path, row: str, *, split: int, seed: int) -> TableRun:
    """Read what `cape table` left of one run.

    Args:
        work_dir: Its --work-dir.
        row: As it was given there: a config, or NAME=CONFIG,KEY=VALUE,...
        split: 1 to 5.
        seed: Of the training.

    Raises:
        UsageError: It is no row, there is no such run, it is not complete, or it is one of another config.
        DataError: Its scores are damaged.
    """
    asked = parse_row(row)
    folder = run_folder(work_dir, asked.name, split=split, seed=seed)
    try:
        _, _, flags, *told = json.loads((folder / "command.json").read_text(encoding="utf-8"))
        if told and told[0]["config"] != asked.config:
            raise UsageError(
                str(folder), expected=f"a run of {asked.config}", got=told[0]["config"], fix="Mend the row."
            )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UsageError(
            str(folder),
            expected="a complete run",
            got=str(error),
            fix="Run `cape table` with this row, split and seed.",
        ) from error
    scores = read_scores(folder / "scores.npz", asked)
    options = [f"split={split}", *flags[1::2]]
    return TableRun(asked.name, asked.config, split, options, weights_path(folder, "best"), scores)


def run_folder(work_dir: Path, name: str, *, split: int, seed: int) -> Path:
    """Where `cape table` keeps one run of a row."""
    return work_dir / name / f"split{split}_seed{seed}"


def grouping(source: Source, pairs: Pairs) -> dict[str, np.ndarray]:
    """Of each pair: its query, its category, and whether that has real keypoint names."""
    query = pairs.table[:, -1]
    category = np.array([source.instances[row].category for row in query.tolist()])
    names = {key: any(each.texts) for key, each in source.categories.items()}
    return {"query": query, "category": category, "named": np.array([names[key] for key in category.tolist()])}


def write_scores(path: Path, scores: Mapping[int, Mapping[str, np.ndarray]]) -> None:
    """Keep what belongs to the pairs of each split: their grouping, and scores."""
    file = io.BytesIO()
    flat = {f"{split}|{key}": values for split, mine in scores.items() for key, values in mine.items()}
    np.savez_compressed(file, **flat)  # type: ignore[arg-type]
    write_atomically(path, file.getvalue())


def read_scores(path: Path, row: Row | None = None) -> dict[str, np.ndarray]:
    """The scores of one split, as `write_scores` keeps them.

    Args:
        path: The file.
        row: What was tested, if a row of a table: its methods get its name in place of its config's.

    Raises:
        DataError: Missing or damaged.
    """
    config, name = (Path(row.config).stem, row.name) if row else ("", "")
    try:
        with np.load(path) as content:
            found = {key.split("|", 1)[1]: content[key] for key in content.files}
    except (OSError, ValueError, IndexError, zipfile.BadZipFile) as error:
        raise DataError(
            str(path), expected="scores of pairs", got=str(error), fix="Remove it: the run is repeated."
        ) from error
    return {name + key.removeprefix(config) if "|" in key else key: values for key, values in found.items()}
