"""Checkpoints of published lifters, under our parameter names.

Kept apart from `released.SOURCES`: these are parts without a page of their own, and their files are pickles of training
states whose network stands under another key in each repository (`state_dict`, `model_pos`). Take the network's out
first; `released.differences` says whether what comes out fits a lifter.
"""

from collections.abc import Mapping

from torch import Tensor

from cape.errors import DataError, UsageError
from cape.released import KeyMap, renamed, some

_STE, _TTE = r"STEblocks\.(\d+)\.", r"TTEblocks\.(\d+)\."


def _block(official: str, ours: str) -> KeyMap:
    return (
        (official + r"(norm\d)", ours + r".\2"),
        (official + r"attn\.qkv", ours + ".mixed"),
        (official + r"attn\.proj", ours + ".out"),
        (official + r"mlp\.fc1", ours + ".feed_forward.0"),
        (official + r"mlp\.fc2", ours + ".feed_forward.2"),
    )


def _semantic(official: str, ours: str) -> KeyMap:
    return (
        (official + r"gconv\.W", ours + "graph.maps"),
        (official + r"gconv\.e", ours + "graph.logits"),
        (official + r"gconv\.bias", ours + "graph.bias"),
        (official + r"bn", ours + "norm"),
    )


LIFTERS: dict[str, KeyMap] = {
    "SimpleBaseline": (
        (r"w1", "first.0"),
        (r"batch_norm1", "first.1"),
        (r"linear_stages\.(\d+)\.w1", r"stages.\1.0.0"),
        (r"linear_stages\.(\d+)\.batch_norm1", r"stages.\1.0.1"),
        (r"linear_stages\.(\d+)\.w2", r"stages.\1.1.0"),
        (r"linear_stages\.(\d+)\.batch_norm2", r"stages.\1.1.1"),
        (r"w2", "last"),
    ),
    "SemGCN": (
        *_semantic(r"gconv_input\.0\.", "first."),
        *_semantic(r"gconv_layers\.(\d+)\.gconv1\.", r"blocks.\1.0."),
        *_semantic(r"gconv_layers\.(\d+)\.gconv2\.", r"blocks.\1.1."),
        (r"gconv_output\.W", "last.maps"),
        (r"gconv_output\.e", "last.logits"),
        (r"gconv_output\.bias", "last.bias"),
    ),
    "VideoPose": (
        (r"expand_conv", "first.maps"),
        (r"expand_bn", "first.norm"),
        (r"shrink", "last"),
    ),
    "MixSTE": (
        (r"Spatial_pos_embed", "joint_code"),
        (r"Temporal_pos_embed", "frame_code"),
        (r"Spatial_patch_to_embedding", "embed"),
        *_block(_STE, r"spatial.\1"),
        *_block(_TTE, r"temporal.\1"),
        (r"Spatial_norm", "spatial_norm"),
        (r"Temporal_norm", "temporal_norm"),
        (r"head(?=\.)", "head"),
    ),
}
"""Martinez et al.'s network as weigq/3d_pose_baseline_pytorch has it; garyzhao/SemGCN without non-local layers;
facebookresearch/VideoPose3D; JinluZhang1126/MixSTE."""


def lifter_of(state: Mapping[str, Tensor]) -> str | None:
    """Whose network a state dict is, by its keys; None if it is of none of `LIFTERS`."""
    keys = [key.removeprefix("module.") for key in state]
    return next((name for name in LIFTERS if keys and all(_ours(name, key) is not None for key in keys)), None)


def _ours(lifter: str, official: str) -> str | None:
    """Our name of an official key."""
    name = _video_pose(official) if lifter == "VideoPose" else None
    return name or renamed(official, LIFTERS[lifter])


def convert_lifter(lifter: str, state: Mapping[str, Tensor], *, where: str = "checkpoint") -> dict[str, Tensor]:
    """A published network's state dict under the names of our lifter.

    Args:
        lifter: One of `LIFTERS`.
        state: Official names; a wrapper's `module.` is taken off.
        where: For messages.

    Raises:
        UsageError: No such lifter.
        DataError: Keys that the official network does not have.
    """
    if lifter not in LIFTERS:
        raise UsageError("lifter", expected=f"one of {', '.join(LIFTERS)}", got=repr(lifter), fix="Choose one.")
    found, unknown = {}, []
    for key, value in state.items():
        name = _ours(lifter, key.removeprefix("module."))
        if name is None:
            unknown.append(key)
        else:
            found[name] = value
    if unknown:
        got = f"unknown keys: {some(unknown)}"
        raise DataError(where, expected=f"the keys of the official {lifter}", got=got, fix="Check file and lifter.")
    return found


def _video_pose(key: str) -> str | None:
    """VideoPose3D numbers the layers of all blocks in one row, two a block: a pattern cannot divide by two."""
    row, _, rest = key.partition(".")
    kind = {"layers_conv": "maps", "layers_bn": "norm"}.get(row)
    number, _, parameter = rest.partition(".")
    if kind is None or not number.isdigit():
        return None
    return f"blocks.{int(number) // 2}.{('wide', 'narrow')[int(number) % 2]}.{kind}.{parameter}"
