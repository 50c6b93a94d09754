"""Configs: found, read, changed by flags, and checked.

A config is Python and therefore code: run those you trust. It holds facts (`split`, `shots`, `data_root`, ...) and
types with their options; the engine passes the facts on to what is built, so that one flag changes one fact. mmengine
cannot do that itself: by the time a child config says `split = 3`, its base has evaluated everything that used it.
"""

import ast
import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from mmengine.config import Config

from cape import compat
from cape.errors import CapeError, UsageError
from cape.foreign import mmpose_network

FACTS = {
    "split": 1,
    "held_out": None,
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
    "observations": None,
    "budget_minutes": None,
}
"""What a config may state at its top, with the defaults."""
PARTS = (
    "model", "train_dataloader", "val_dataloader", "val_evaluator", "train_cfg", "val_cfg", "optim_wrapper",
    "param_scheduler", "default_hooks", "custom_hooks", "visualizer", "log_processor", "log_level", "env_cfg",
    "default_scope", "custom_imports",
)  # fmt: skip
"""What mmengine's Runner takes."""


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
    _name_network(config)
    for key in config:
        if key not in FACTS and key not in PARTS:
            raise unknown_key(key, [*FACTS, *PARTS], where=str(path))
    for key, value in FACTS.items():
        config.setdefault(key, value)
    if config.text_pack == "none":  # a command line has no None
        config.text_pack = None
    return config


def _name_network(config: Config) -> None:
    """Put a network in the place of its name: `model.network = dict(config=NAME, ...)`, of a config of cape or mmpose.

    What stands beside the name changes the network, which so far the config alone knew.
    """
    network = (config.get("model") or {}).get("network")
    if network is None or "config" not in network:
        return
    changes = network.to_dict()
    name = changes.pop("config")
    found = load_config(name).model.to_dict() if name in _shipped() else mmpose_network(name)
    whole = Config({"network": found})
    whole.merge_from_dict({"network": changes})
    config.model.network = whole.network


def _shipped() -> list[str]:
    """Names of the configs of cape."""
    files = resources.files("cape.configs").iterdir()
    return sorted(each.name.removesuffix(".py") for each in files if each.name.endswith(".py") and each.name[0] != "_")


def _find_config(path: str | Path) -> Path:
    if Path(path).is_file():
        return Path(path)
    names, name = _shipped(), str(path).removesuffix(".py")
    if name in names:
        return Path(str(resources.files("cape.configs") / f"{name}.py"))
    close = ", ".join(difflib.get_close_matches(Path(name).name, names, n=3) or names)
    raise UsageError("config", expected="a file, or the name of a config of cape", got=str(path), fix=f"Try {close}.")


def unknown_key(key: str, known: Sequence[str], *, where: str) -> UsageError:
    """The error about a misspelt key."""
    close = ", ".join(difflib.get_close_matches(key, known, n=3) or sorted(known))
    return UsageError(where, expected="keys that mean something here", got=repr(key), fix=f"Known: {close}.")


def kind_of(config: Config) -> Literal["fewshot", "people", "lifting"]:
    """Which of the pages a config's model is: the one place where that is decided."""
    name = config.get("model", {}).get("type")
    pages = {"WholeBodyPose": "people", "Lifting": "lifting"}
    return pages.get(name if isinstance(name, str) else getattr(name, "__name__", ""), "fewshot")  # type: ignore[return-value]


@contextmanager
def told(where: str) -> Iterator[None]:
    """Other libraries' words for a config that does not fit, as an error that says where."""
    try:
        yield
    except CapeError:
        raise
    except (TypeError, ValueError, KeyError, AssertionError, AttributeError) as error:
        got = f"{type(error).__name__}: {error}".partition("\n")[0][:300]
        raise UsageError(where, expected="options that go together", got=got, fix="Check keys and values.") from error


def built(registry: Any, options: Mapping[str, Any], *, where: str) -> Any:
    """What options describe; what does not fit is told by where it stands."""
    with told(where):
        return registry.build(dict(options))


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
            options[key] = ast.literal_eval(value.capitalize() if value in ("true", "false") else value)
        except (ValueError, SyntaxError):
            options[key] = value
    return options
