"""From a file of weights to the model that they are of, which the file's header describes as data."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from cape.checkpoints import load_weights, read_header
from cape.errors import DataError
from cape.registry import MODELS
from cape.runs import nested

Page = TypeVar("Page", bound=nn.Module)


def build_from(
    path: Path,
    kind: type[Page] | tuple[type[Page], ...],
    what: str,
    *,
    device: torch.device,
    options: Mapping[str, Any] | None = None,
) -> Page:
    """A model out of a .safetensors file of `cape train` or `cape convert`, with its weights.

    Nothing in the file is executed, nothing is downloaded.

    Args:
        path: The file.
        kind: The page that it has to be of, or several.
        what: That page, for messages: "a few-shot model".
        device: Where to put it.
        options: In place of the header's; of a frozen network's, where the page is around one.

    Raises:
        DataError: No such file, a damaged one, one that does not say what model it is of, or one of another model.
    """
    if not path.is_file():
        raise DataError(
            str(path), expected=f"the .safetensors file of {what}", got="no such file", fix="Check the path."
        )
    described = nested(json.loads(read_header(path).get("run", "{}"))).get("model")
    if not described:
        raise DataError(
            str(path), expected=f"a checkpoint of {what} as `cape train` or `cape convert` writes it",
            got="a file that does not say what model it is of", fix="Use `cape test CONFIG CHECKPOINT` for others.",
        )  # fmt: skip
    if "network" in described:
        described = {**described, "network": {**described["network"], **(options or {})}}
    else:
        described = {**described, **(options or {})}
    model = MODELS.build(described)
    if not isinstance(model, kind):
        raise DataError(
            str(path),
            expected=f"a checkpoint of {what}",
            got=f"one of {type(model).__name__}",
            fix="Give another file.",
        )
    load_weights(model, path)
    model.to(device)
    return model
