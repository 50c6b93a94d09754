"""Configs: read, checked, and compared with the one that a run's folder was made by.

A config is Python and therefore code: run those you trust. It holds facts (`split`, `shots`, `data_root`, ...) and
types with their options; the engine passes the facts on to what is built, so that one flag changes one fact. mmengine
cannot do that itself: by the time a child config says `split = 3`, its base has evaluated everything that used it.
"""

import ast
import difflib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process

from cape import compat
from cape.errors import CapeError, UsageError
from cape.files import write_atomically
from cape.hooks import saved_epochs, weights_path

FACTS = {
    "split": 1,
    "shots": 1,
    "data_root": None,
    "pattern": None,
    "pictures": "auto",
    "strict": True,
    "text_pack": "mp100",
    "text_style": "framed",
    "data_fraction": 1.0,
    "seed": 0,
    "backbone_weights": "auto",
    "start_from": None,
    "features": None,
    "budget_minutes": None,
}
"""What a config may state at its top, with the defaults."""
PARTS = (
    "model", "train_dataloader", "val_dataloader", "val_evaluator", "train_cfg", "val_cfg", "optim_wrapper",
    "param_scheduler", "default_hooks", "custom_hooks", "visualizer", "log_processor", "log_level", "env_cfg",
    "default_scope",
)  # fmt: skip
"""What mmengine's Runner takes."""
NO_DIFFERENCE = (
    "data_root", "pictures", "budget_minutes", "features.folder", "log_processor", "log_level", "visualizer", "env_cfg",
    "default_hooks.logger",
)  # fmt: skip
"""What may change between a run and its resumption: the weights do not depend on it."""
LOADING = ("num_workers", "persistent_workers", "prefetch_factor", "pin_memory")
"""The same, of data loaders."""


def load_config(path: str | Path, changes: Mapping[str, Any] | None = None) -> Config:
    """Read a config file, which is executed, and change it.

    Args:
        path: A file, or the name of a config that ships with cape (`cape_lite`).
        changes: New values under dotted keys, `model.width=64`.

    Raises:
        UsageError: No such file, a file that does not run, or a key that means nothing here.
    """
    compat.prepare()
    file = _find_config(path)
    try:
        config = Config.fromfile(file)
        config.merge_from_dict(dict(changes or {}))
    except CapeError:
        raise
    except Exception as error:  # a config is code: it may raise anything
        got = f"{type(error).__name__}: {error}"
        raise UsageError(str(path), expected="a config that runs", got=got, fix="Mend it.") from error
    for key in config:
        if key not in FACTS and key not in PARTS:
            raise unknown_key(key, [*FACTS, *PARTS], where=str(path))
    for key, value in FACTS.items():
        config.setdefault(key, value)
    if config.text_pack == "none":  # a command line has no None
        config.text_pack = None
    return config


def _find_config(path: str | Path) -> Path:
    if Path(path).is_file():
        return Path(path)
    shipped = resources.files("cape.configs")
    names = sorted(
        each.name.removesuffix(".py") for each in shipped.iterdir() if each.name.endswith(".py") and each.name[0] != "_"
    )
    name = str(path).removesuffix(".py")
    if name in names:
        return Path(str(shipped / f"{name}.py"))
    close = ", ".join(difflib.get_close_matches(Path(name).name, names, n=3) or names)
    raise UsageError("config", expected="a file, or the name of a config of cape", got=str(path), fix=f"Try {close}.")


def unknown_key(key: str, known: Sequence[str], *, where: str) -> UsageError:
    """The error about a misspelt key."""
    close = ", ".join(difflib.get_close_matches(key, known, n=3) or sorted(known))
    return UsageError(where, expected="keys that mean something here", got=repr(key), fix=f"Known: {close}.")


def claim(work_dir: Path, config: Config, *, resume: bool) -> None:
    """Make a folder this run's, or find that it is already.

    Raises:
        UsageError: It holds another run, or this one and `resume` is not asked for.
    """
    record = work_dir / "run.json"
    ours = identity(config)
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


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """`model.width=64` and the like: dotted keys, values as Python literals where they are one, else text.

    Raises:
        UsageError: A pair without "=".
    """
    options = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise UsageError("--cfg-options", expected="KEY=VALUE", got=pair, fix="For example model.width=64.")
        try:
            options[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            options[key] = value
    return options
