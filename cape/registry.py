"""The registries of cape: children of mmengine's, of scope "cape", so that a config says `type="MP100"`.

A registry imports its locations at the first build; nothing needs `from cape.data import *`. A type that cape does not
have is looked up in mmengine's registry. Constructors take no `**kwargs`, so a misspelt key in a config is an error
that names it; so is a value that a `Literal` does not list.

A type that begins with `mmpose.` is mmpose's, and so are the types within its options, which need not say so.
"""

import difflib
import inspect
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mmengine import registry as mmengine
from mmengine.registry import DefaultScope, Registry, build_from_cfg

from cape import compat
from cape.errors import UsageError


def build(cfg: Any, registry: Registry, default_args: Any = None) -> Any:
    """Build what a config describes, after a look at its keys and choices.

    Raises:
        UsageError: No such type, a key that its constructor does not have, or a value that is not one of the choices.
    """
    name = cfg.get("type") if isinstance(cfg, dict) else None
    foreign = isinstance(name, str) and name.startswith("mmpose.")
    if foreign:
        compat.load_mmpose()
    kind = registry.get(name) if isinstance(name, str) else name
    if kind is None:
        known = sorted(registry.module_dict)
        raise UsageError(f"{registry.name} type", expected=f"one of {', '.join(known)}", got=repr(name), fix="Mend it.")
    parameters = inspect.signature(kind).parameters
    open_ended = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())
    hints = get_type_hints(kind.__init__) if inspect.isclass(kind) else {}
    for key, value in cfg.items():
        if key != "type" and key not in parameters and not open_ended:
            close = difflib.get_close_matches(key, parameters, n=3) or list(parameters)
            raise UsageError(
                kind.__name__, expected="options that it has", got=repr(key), fix=f"Known: {', '.join(close)}."
            )
        if get_origin(hints.get(key)) is Literal and value not in get_args(hints[key]):
            choices = ", ".join(map(repr, get_args(hints[key])))
            raise UsageError(f"{kind.__name__} {key}", expected=f"one of {choices}", got=repr(value), fix="Choose one.")
    with DefaultScope.overwrite_default_scope("mmpose" if foreign else None):
        return build_from_cfg(cfg, registry, default_args)


DATASETS = Registry("dataset", build_func=build, parent=mmengine.DATASETS, scope="cape", locations=["cape.data"])
MODELS = Registry("model", build_func=build, parent=mmengine.MODELS, scope="cape", locations=["cape.models"])
METRICS = Registry(
    "metric",
    parent=mmengine.METRICS,
    scope="cape",
    locations=[f"cape.evaluation.{each}" for each in ("fewshot", "lifting", "verdicts", "wholebody")],
)
HOOKS = Registry(
    "hook", parent=mmengine.HOOKS, scope="cape", locations=["cape.hooks", "cape.averaging", "cape.finishing"]
)
LOOPS = Registry("loop", parent=mmengine.LOOPS, scope="cape", locations=["cape.loops"])

# mmengine warns about each registry that a scope does not have; these hold nothing of ours.
for _name in (
    "OPTIMIZERS",
    "OPTIM_WRAPPERS",
    "OPTIM_WRAPPER_CONSTRUCTORS",
    "PARAM_SCHEDULERS",
    "VISUALIZERS",
    "VISBACKENDS",
):
    _parent = getattr(mmengine, _name)
    Registry(_parent.name, parent=_parent, scope="cape")
