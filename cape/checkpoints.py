"""Weights: files in and out, and those of the published systems under our parameter names.

A key map is a list of (pattern, replacement); every key of a state dict has to match exactly one pattern, so an unknown
architecture is refused by name instead of being loaded in part.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from cape.errors import DataError, UsageError
from cape.files import write_atomically

KeyMap = Sequence[tuple[str, str]]
PICKLES = (".pth", ".pt", ".bin", ".ckpt")

_LAYER = r"transformer\.decoder\.layers\.(\d+)"
GRAPHCAPE: KeyMap = (
    (r"input_proj", r"feature_projection"),
    (r"query_proj", r"visual_projection"),
    (r"text_proj", r"text_projection"),
    (r"transformer\.encoder\.layers\.(\d+)\.self_attn", r"matching.layers.\1.attention"),
    (r"transformer\.encoder\.layers\.(\d+)\.linear1", r"matching.layers.\1.feed_forward.0"),
    (r"transformer\.encoder\.layers\.(\d+)\.linear2", r"matching.layers.\1.feed_forward.3"),
    (r"transformer\.encoder\.layers\.(\d+)\.(norm\d)", r"matching.layers.\1.\2"),
    (r"transformer\.proposal_generator\.support_proj", r"matching.project_tokens"),
    (r"transformer\.proposal_generator\.query_proj", r"matching.project_feature"),
    (r"transformer\.proposal_generator\.dynamic_proj", r"matching.gate"),
    (_LAYER + r"\.self_attn", r"decoder.layers.\1.self_attention"),
    (_LAYER + r"\.multihead_attn", r"decoder.layers.\1.cross_attention"),
    (_LAYER + r"\.choker", r"decoder.layers.\1.narrow"),
    (_LAYER + r"\.ffn1\.conv", r"decoder.layers.\1.graph.first.maps"),
    (_LAYER + r"\.ffn2\.conv", r"decoder.layers.\1.graph.second.maps"),
    (_LAYER + r"\.ffn1", r"decoder.layers.\1.graph.first"),
    (_LAYER + r"\.ffn2", r"decoder.layers.\1.graph.second"),
    (_LAYER + r"\.(norm\d)", r"decoder.layers.\1.\2"),
    (r"transformer\.decoder\.norm", r"decoder.norm"),
    (r"transformer\.decoder\.ref_point_head\.layers\.0", r"decoder.position.0"),
    (r"transformer\.decoder\.ref_point_head\.layers\.1", r"decoder.position.2"),
    (r"kpt_branch\.(\d+)\.mlp", r"decoder.offsets.\1"),
)
"""The pose head of GraphCape and, with `text_proj`, of CapeX."""

SWIN_V2: KeyMap = (
    (r"(patch_embed|norm)(?=\.)", r"\1"),
    # Official stages end with their downsampling, timm's begin with it.
    (r"layers\.0\.downsample", r"layers.1.downsample"),
    (r"layers\.1\.downsample", r"layers.2.downsample"),
    (r"layers\.2\.downsample", r"layers.3.downsample"),
    (r"(layers\.\d+\.blocks\.\d+\.(?:attn|mlp|norm\d))(?=\.)", r"\1"),
)
"""The official Swin-V2 backbone, to timm's names."""

_SWIN_BUFFERS = re.compile(r"relative_coords_table|relative_position_index|attn_mask")


def rename(state: Mapping[str, Tensor], keys: KeyMap, *, where: str = "checkpoint") -> dict[str, Tensor]:
    """A state dict under new names.

    Args:
        state: Official names.
        keys: The map; the first pattern that matches a key's beginning applies.
        where: For messages.

    Raises:
        UsageError: A key that no pattern knows.
    """
    patterns = [(re.compile(pattern), replacement) for pattern, replacement in keys]
    renamed = {}
    for key, value in state.items():
        for pattern, replacement in patterns:
            if pattern.match(key):
                renamed[pattern.sub(replacement, key, count=1)] = value
                break
        else:
            raise UsageError(
                where, expected="the parameters of the architecture that was named", got=key, fix="Name the right one."
            )
    return renamed


def from_graphcape(state: Mapping[str, Tensor], *, where: str = "GraphCape head") -> dict[str, Tensor]:
    """The pose head of GraphCape or CapeX. Its graph convolutions of kernel 1 are linear layers here.

    Raises:
        UsageError: A key that such a head does not have.
    """
    renamed = rename(state, GRAPHCAPE, where=where)
    return {key: value.squeeze(-1) if key.endswith("maps.weight") else value for key, value in renamed.items()}


def from_swin_v2(state: Mapping[str, Tensor], *, where: str = "Swin-V2") -> dict[str, Tensor]:
    """The official Swin-V2 backbone, without the tables that timm computes.

    Raises:
        UsageError: A key that such a network does not have.
    """
    learned = {key: value for key, value in state.items() if not _SWIN_BUFFERS.search(key)}
    return rename(learned, SWIN_V2, where=where)


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
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors and torch raise a dozen types between them
        reason = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        raise DataError(
            str(path), expected="a whole file of tensors", got=reason, fix="Copy it again, or convert it."
        ) from error
    for key in ("state_dict", "model"):
        content = content.get(key, content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise DataError(str(path), expected="a dictionary of tensors", got=type(content).__name__, fix="Convert it.")
    return content


def read_header(path: Path) -> dict[str, str]:
    """The strings in the header of a safetensors file; none of a pickle."""
    if path.suffix in PICKLES:
        return {}
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


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
