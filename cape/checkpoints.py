"""Weights: files in and out. Those of the published systems get our parameter names in `released`."""

import hashlib
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from cape import compat
from cape.errors import DataError
from cape.files import write_atomically

PICKLES = (".pth", ".pt", ".bin", ".ckpt")


def save_weights(path: Path, state: Mapping[str, Tensor], *, about: Mapping[str, str]) -> str:
    """Write a state dict as safetensors, atomically.

    Args:
        path: Target.
        state: Tensors on any device.
        about: Strings for the file's header.

    Returns:
        SHA-256 of the file.
    """
    content = save({key: value.detach().cpu().contiguous() for key, value in state.items()}, dict(about))
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def read_weights(path: Path, *, allow_pickle: bool = False) -> dict[str, Tensor]:
    """The tensors of a local file.

    Args:
        path: A safetensors file, or a pickle of torch (.pth, .pt, .bin, .ckpt) if that is allowed.
        allow_pickle: Read a pickle, by torch's own allow-list (`weights_only`) and by nothing else if that refuses.

    Raises:
        DataError: No such file, a damaged one, one of another format, or a pickle that is not allowed.
    """
    return tensors_of(read_content(path, allow_pickle=allow_pickle), where=str(path))


def read_content(path: Path, *, allow_pickle: bool = False) -> Any:
    """All that a local file holds: of a pickle, what lies beside the tensors, too. See `read_weights`."""
    if not path.is_file():
        raise DataError(str(path), expected="a file of weights", got="no such file", fix="Check the path.")
    if path.suffix in PICKLES and not allow_pickle:
        raise DataError(
            str(path),
            expected="a safetensors file",
            got="a pickle, which can carry code",
            fix="Convert it; or if you trust it and the command has --allow-pickle, allow it: tensors alone are read.",
        )
    try:
        if path.suffix not in PICKLES:
            return load_file(path)
        with compat.plain_globals(*_BESIDE):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors and torch raise a dozen types between them
        # torch's own text advises weights_only=False; the reason behind it is in the chain.
        cause = error.__context__ if isinstance(error, pickle.UnpicklingError) else None
        reason = f"{type(error).__name__}: {cause or error}".partition("\n")[0][:200]
        raise DataError(
            str(path), expected="a whole file of tensors", got=reason, fix="Copy it again, or convert it."
        ) from error


class _Log:
    """What mmengine's HistoryBuffer is read as: its numbers, of which nothing is used."""


def _log_statistic(owner: Any, name: Any, *_: Any) -> None:
    """Stand in for `getattr`, by which a log names its four statistics, and give nothing of them."""
    if owner is not _Log or name not in ("min", "max", "current", "mean"):
        raise pickle.UnpicklingError(f"the attribute {name!r:.80} of {owner!r:.80} is not on the list")


_BESIDE = (
    # SimMIM stores its configuration beside the weights: a dictionary by another name
    (OrderedDict, "yacs.config.CfgNode"),
    # mmengine's Runner, its logs
    (_Log, "mmengine.logging.history_buffer.HistoryBuffer"),
    (_log_statistic, "builtins.getattr"),
)
"""What published checkpoints have beside their tensors, harmless stand-ins with the names there."""


def tensors_of(content: Any, *, where: str) -> dict[str, Tensor]:
    """The state dict in what a file holds.

    Raises:
        DataError: There is none.
    """
    for key in ("state_dict", "model", "model_pos"):  # mmengine's and most others', timm's, VideoPose3D's
        content = content.get(key, content) if isinstance(content, dict) else content
    entries = content if isinstance(content, dict) else {"content": content}
    odd = [f"{key!r}, a {type(value).__name__}" for key, value in entries.items() if not isinstance(value, Tensor)]
    if odd or not entries:
        got = f"{odd[0]} (of {len(odd)} such)" if odd else "an empty one"
        raise DataError(where, expected="a dictionary of tensors", got=got, fix="Give a checkpoint of a network.")
    return {str(key): value for key, value in entries.items()}


def read_header(path: Path) -> dict[str, str]:
    """The strings in the header of a safetensors file; none of a pickle.

    Raises:
        DataError: A damaged file.
    """
    if path.suffix in PICKLES:
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except Exception as error:  # safetensors raises its own type
        raise DataError(
            str(path), expected="a whole file of tensors", got=f"{type(error).__name__}: {error}"[:200],
            fix="Copy it again.",
        ) from error  # fmt: skip


def load_weights(model: nn.Module, path: Path, *, allow_pickle: bool = False, may_lack: tuple[str, ...] = ()) -> None:
    """Fill a model, all of it or none of it.

    Args:
        model: To fill.
        path: The file.
        allow_pickle: See `read_weights`.
        may_lack: Beginnings of keys that the file need not have; the model keeps its own values there.

    Raises:
        DataError: As `read_weights`, or the tensors are those of another architecture: the first that differs is named.
    """
    state, own = read_weights(path, allow_pickle=allow_pickle), model.state_dict()
    for key in [*own, *(key for key in state if key not in own)]:
        here, there = (_shape(each.get(key)) for each in (own, state))
        if key not in state and key.startswith(may_lack or "\0"):
            continue
        if here != there:
            raise DataError(
                str(path),
                expected=f"the weights of this configuration, with {key} {here}",
                got=f"{key} {there}",
                fix="Give the configuration that the checkpoint was trained with.",
            )
    model.load_state_dict({**own, **state})


def _shape(tensor: Tensor | None) -> str:
    return "absent" if tensor is None else f"of shape {tuple(tensor.shape)}"
