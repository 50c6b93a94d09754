"""Counting a network's work, part by part: by torch's FLOP counter, and by rules for each module that is called."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple, TypeVar

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cape.errors import UsageError

Result = TypeVar("Result")
Model = TypeVar("Model", bound=nn.Module)
Rule = Callable[[nn.Module, tuple, Any], int]
"""What a profiler books for one call of a module with these arguments and this output."""


class Work(NamedTuple):
    """What one part did."""

    true: int
    """Multiply-accumulates of all convolutions, linear layers, matrix products and attention."""
    booked: tuple[int, ...]
    """By each of the rules."""


def require_meta(model: nn.Module, kind: type[Model]) -> Model:
    """The model, if it is of this kind and on the meta device: fused kernels of real ones hide their work.

    Raises:
        UsageError: It is not.
    """
    name, devices = type(model).__name__, sorted({each.device.type for each in model.parameters()})
    if not isinstance(model, kind) or devices != ["meta"]:
        raise UsageError(
            "model",
            expected=f"a {kind.__name__} on the meta device",
            got=f"{name} on {', '.join(devices)}",
            fix='Choose a config of such a model, and build it under torch.device("meta").',
        )
    return model


def measure(
    network: nn.Module, parts: Mapping[str, nn.Module], run: Callable[[], Result], rules: Sequence[Rule] = ()
) -> tuple[Result, dict[str, Work]]:
    """Run something and charge each operation to the innermost part at work.

    Args:
        network: What runs.
        parts: Names, and the modules of the network that get an account of their own; "" is the account of the rest.
        run: Calls the network.
        rules: What else to count; each sees every call of every module.
    """
    true, stack, seen = Counter[str](), [""], 0
    booked = [Counter[str]() for _ in rules]

    def charge() -> None:
        nonlocal seen
        total = counter.get_total_flops() // 2
        true[stack[-1]] += total - seen
        seen = total

    def enter(path: str) -> None:
        charge()
        stack.append(path)

    def leave() -> None:
        charge()
        stack.pop()

    def book(module: nn.Module, given: tuple, output: Any) -> None:
        for account, rule in zip(booked, rules, strict=True):
            account[stack[-1]] += rule(module, given, output)

    with ExitStack() as hooks, torch.no_grad(), FlopCounterMode(display=False) as counter:
        for module in network.modules():
            hooks.callback(module.register_forward_hook(book).remove)
        for path, part in parts.items():
            # A list is never called itself
            for module in part if isinstance(part, nn.ModuleList) else [part]:
                hooks.callback(module.register_forward_pre_hook(lambda *_, path=path: enter(path)).remove)
                hooks.callback(module.register_forward_hook(lambda *_: leave()).remove)
        result = run()
        charge()
    return result, {path: Work(true[path], tuple(account[path] for account in booked)) for path in true}
