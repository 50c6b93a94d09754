"""Checkpoints that others published, under our parameter names.

A key map is a list of (pattern, replacement). Every key of a state dict has to match a pattern or be among those that
are left out on purpose, so an unknown architecture is refused by name instead of being loaded in part.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from cape.errors import DataError, UsageError

KeyMap = Sequence[tuple[str, str]]
NAMED = 3
"""How many keys a message names."""

_LAYER = r"transformer\.decoder\.layers\.(\d+)"
POSE_HEAD: KeyMap = (
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
"""The pose head of GraphCape (`query_proj`) and of CapeX (`text_proj`)."""

SWIN_V2: KeyMap = (
    (r"(patch_embed|norm)(?=\.)", r"\1"),
    # Official stages end with their downsampling, timm's begin with it.
    (r"layers\.0\.downsample", r"layers.1.downsample"),
    (r"layers\.1\.downsample", r"layers.2.downsample"),
    (r"layers\.2\.downsample", r"layers.3.downsample"),
    (r"(layers\.\d+\.blocks\.\d+\.attn)\.rpe_mlp", r"\1.cpb_mlp"),  # SimMIM's older name
    (r"(layers\.\d+\.blocks\.\d+\.(?:attn|mlp|norm\d))(?=\.)", r"\1"),
)
"""The official Swin-V2 backbone, to timm's names."""

_MESSAGES = r"gcn\.edgeconv_layers\.(\d+)\.conv"
_GATES = r"gcn\.attention_modules\.(\d+)"
_WHOLE_BODY: KeyMap = (
    (r"backbone(?=\.)", r"backbone"),
    (r"head\.final_layer", r"embedding.maps"),
    (r"head\.gau", r"embedding.attention"),
)
CIGPOSE: KeyMap = (
    *_WHOLE_BODY,
    (r"head\.mlp_pre_gau\.0", r"embedding.norm"),
    (r"head\.mlp_pre_gau\.1", r"embedding.project"),
    (r"head\.initial_pred_([xy])", r"initial.\1"),
    (r"head\.cim\.canonical_features", r"intervention.canonical"),
    (r"head\.gcn\.conv_input", r"graph.project"),
    (r"head\.gcn\.bn_input", r"graph.norm"),
    (r"head\." + _MESSAGES + r"\.0", r"graph.blocks.\1.bones.message"),
    (r"head\." + _MESSAGES + r"\.1", r"graph.blocks.\1.bones.norm"),
    (r"head\.gcn\.bn_layers\.(\d+)", r"graph.blocks.\1.norm"),
    (r"head\." + _GATES + r"\.conv_down_linear", r"graph.blocks.\1.gates.down"),
    (r"head\." + _GATES + r"\.bn_down", r"graph.blocks.\1.gates.norm"),
    (r"head\." + _GATES + r"\.edge_conv_groups\.conv\.0", r"graph.blocks.\1.gates.between.message"),
    (r"head\." + _GATES + r"\.edge_conv_groups\.conv\.1", r"graph.blocks.\1.gates.between.norm"),
    (r"head\." + _GATES + r"\.aggregate_linear", r"graph.blocks.\1.gates.up"),
    (r"head\.cls_g([xy])", r"head.\1"),
)
"""CIGPose, of whose own parent RTMPose the head keeps layers that nothing uses."""
RTMPOSE: KeyMap = (
    *_WHOLE_BODY,
    (r"head\.mlp\.0", r"embedding.norm"),
    (r"head\.mlp\.1", r"embedding.project"),
    (r"head\.cls_([xy])", r"head.\1"),
)

_TRANSFORMER = r"backbone\.layers\.(\d+)"
MMPOSE: KeyMap = (
    (r"backbone\.patch_embed\.projection", r"backbone.network.patch_embed.proj"),
    (r"backbone\.pos_embed$", r"backbone.network.pos_embed"),
    (_TRANSFORMER + r"\.attn", r"backbone.network.blocks.\1.attn"),
    (_TRANSFORMER + r"\.ln([12])", r"backbone.network.blocks.\1.norm\2"),
    (_TRANSFORMER + r"\.ffn\.layers\.0\.0", r"backbone.network.blocks.\1.mlp.fc1"),
    (_TRANSFORMER + r"\.ffn\.layers\.1", r"backbone.network.blocks.\1.mlp.fc2"),
    (r"backbone\.ln1", r"backbone.network.norm"),
    (r"(backbone|neck)(?=\.)", r"\1"),
    (r"(?:keypoint_)?head(?=\.)", r"head"),
)
"""mmpose's estimators, whose names are ours; but for ViTPose's backbone, and heads of its first versions."""


def _within(official: str, ours: str, keys: KeyMap) -> KeyMap:
    """A key map of a part, for the whole that it is a part of."""
    return [(official + pattern, ours + replacement) for pattern, replacement in keys]


class Source(NamedTuple):
    """A published system, and what its checkpoints look like."""

    title: str
    mark: str
    """Pattern of a key that its checkpoints have and those of the other sources do not."""
    keys: KeyMap
    dropped: tuple[tuple[str, str], ...]
    """Patterns of keys that are left out, and what they are."""
    configs: tuple[str, ...]
    """The shipped configs whose models it may be, one for each architecture."""
    options: tuple[str, ...] = ()
    """KEY=VALUE of what the published models are and no shape shows, or no shipped config is."""
    splits: bool = False
    """Trained on one of MP-100's splits."""
    part: str = ""
    """The part of a model that it is, where it is not a whole one."""


_BACKBONE = r"(?:backbone|encoder_sample)\."
_MODEL = [*_within(_BACKBONE, "visual.network.", SWIN_V2), *_within(r"keypoint_head\.", "", POSE_HEAD)]
_COMPUTED = (r".*\b(?:relative_coords_table|relative_position_index|attn_mask)$", "tables that are computed anew")
_CLASSES = "class head, which no pose model uses"
_PEOPLE = (
    "m_8xb64-420e_coco-wholebody-256x192",
    "l_8xb64-420e_coco-wholebody-256x192",
    "l_8xb32-420e_coco-wholebody-384x288",
    "x_8xb32-420e_coco-wholebody-384x288",
    "m_1xb384-420e_coco-256x192",
    "l_1xb256-420e_coco-256x192",
    "l_1xb64-420e_coco-384x288",
    "m_1xb64-210e_crowdpose-256x192",
    "l_1xb64-210e_crowdpose-256x192",
    "l_1xb64-210e_crowdpose-384x288",
    "x_1xb64-210e_crowdpose-384x288",
)
"""Models trained on UBody, too, are those of COCO-WholeBody alone."""
SOURCES = {
    "graphcape": Source(
        "GraphCape",
        mark=r"keypoint_head\.query_proj\.",
        keys=_MODEL,
        dropped=(_COMPUTED, (_BACKBONE + r"head\.", _CLASSES)),
        configs=("graphcape", "graphcape_tiny"),
        splits=True,
    ),
    "capex": Source(
        "CapeX",
        mark=r"keypoint_head\.text_proj\.",
        keys=_MODEL,
        dropped=(
            (r"text_backbone\.", "text encoder, which cape loads from where it was published"),
            _COMPUTED,
            (_BACKBONE + r"head\.", _CLASSES),
        ),
        configs=("capex", "capex_tiny", "capex_clip", "capex_clip_tiny"),
        splits=True,
    ),
    "swinv2": Source(
        "official Swin-V2",
        mark=r"(?:encoder\.)?layers\.\d+\.blocks\.\d+\.attn\.(?:cpb|rpe)_mlp\.",
        keys=_within(r"(?:encoder\.)?", "", SWIN_V2),
        dropped=(
            _COMPUTED,
            (r"head\.", _CLASSES),
            (r"decoder\.", "decoder of SimMIM"),
            (r"(?:encoder\.)?mask_token$", "mask token of SimMIM"),
        ),
        configs=("cape_flf", "cape_flf_tiny"),
        part="visual.network",
    ),
    "cigpose": Source(
        "CIGPose",
        mark=r"head\.cls_gx\.",
        keys=CIGPOSE,
        dropped=((r"head\.(?:mlp\.[01]|cls_[xy])\.", "layers of RTMPose's head, which CIGPose does not use"),),
        configs=tuple(f"cigpose-{name}" for name in _PEOPLE),
        options=("model.intervention.score=random",),
    ),
    "rtmpose": Source(
        "RTMPose",
        mark=r"head\.cls_x\.",
        keys=RTMPOSE,
        dropped=(),
        configs=tuple(f"rtmpose-{name}" for name in _PEOPLE),
        options=("model.head.bias=False",),
    ),
    "cspnext": Source(
        "CSPNeXt",
        mark=r"backbone\.stage4\.2\.(?!branches|fuse_layers)",  # after those that carry it with a head of their own
        keys=((r"backbone\.(?=stem|stage)", ""),),
        dropped=((r"head\.", "pose head of its pretraining"), (r"data_preprocessor\.", "means of its pictures")),
        configs=tuple(f"cigpose-{name}" for name in (_PEOPLE[0], _PEOPLE[1], _PEOPLE[3])),
        part="backbone",
    ),
    "mmpose": Source(
        "mmpose",
        mark=r"(?:keypoint_)?head\.(?:deconv_layers|simplebaseline_head|fc)\.|backbone\.transition1\.",
        keys=MMPOSE,
        dropped=((r"data_preprocessor\.", "means of its pictures, which the config states"),),
        configs=tuple(
            f"ccnet_{name}" for name in ("simplebaseline_r50", "hrnet_w32", "vitpose_b", "rle_r50", "ipr_r50")
        ),
        part="network",
    ),
}
"""What `cape convert` knows.

The official GraphCape and CapeX keep their Swin-V2 under `backbone.` with its unused class head, the pose head under
`keypoint_head.` and CapeX's text encoder under `text_backbone.`; the prefix `encoder_sample.` of their predecessors is
taken, too. CIGPose, RTMPose and pretrained CSPNeXt keep it under `backbone.` and the rest under `head.`. A wrapper's
`module.` is taken off.

CIGPose's initial predictors stand in its checkpoints as they were at the start of training: no loss reaches them. The
score that they give is `random`, whose predictors do not train here, either.
"""


class Converted(NamedTuple):
    """A state dict under our names."""

    state: dict[str, Tensor]
    official: dict[str, str]
    """The official name of each."""
    dropped: dict[str, int]
    """What was left out, and how many tensors that were."""
    tables: dict[str, Tensor]
    """Of the computed ones those whose shape tells a window's size, which no parameter does."""


def convert(source: str, state: Mapping[str, Tensor], *, where: str = "checkpoint") -> Converted:
    """A published state dict under our names. Shapes and values are not looked at: see `differences`.

    Args:
        source: One of `SOURCES`.
        state: Official names.
        where: For messages.

    Raises:
        UsageError: The keys are those of another source.
        DataError: Keys that the source does not have, or two for one of ours.
    """
    if state and all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    like = looks_like(state)
    if like not in (None, source):
        raise UsageError(
            where,
            expected=f"a checkpoint of {SOURCES[source].title}",
            got=f"the keys of {SOURCES[like].title}",
            fix=f"Name the source {like}.",
        )
    known = SOURCES[source]
    dropped: Counter[str] = Counter()
    official: dict[str, str] = {}
    tables: dict[str, Tensor] = {}
    unknown, twice = [], []
    for key, value in state.items():
        reason = next((reason for pattern, reason in known.dropped if re.match(pattern, key)), None)
        name = renamed(key, known.keys)
        if reason:
            dropped[reason] += 1
            tables |= {name: value} if name and name.endswith("relative_coords_table") else {}
        elif name is None:
            unknown.append(key)
        elif name in official:
            twice.append(f"{official[name]} and {key}")
        else:
            official[name] = key
    for got, kind in ((unknown, "unknown keys: "), (twice, "two keys for one parameter: ")):
        if got:
            raise DataError(
                where, expected=f"the keys of {known.title}", got=kind + some(got), fix="Check file and source."
            )
    # A graph convolution of kernel 1 is a linear layer here
    linear = (".first.maps.weight", ".second.maps.weight", ".message.weight")
    ours = {name: state[key].flatten(1) if name.endswith(linear) else state[key] for name, key in official.items()}
    return Converted(ours, official, dict(dropped), tables)


def renamed(key: str, keys: KeyMap) -> str | None:
    """Our name of a key by the first pattern that matches its beginning; None if none does."""
    for pattern, replacement in keys:
        if re.match(pattern, key):
            return re.sub(pattern, replacement, key, count=1)
    return None


def looks_like(keys: Iterable[str]) -> str | None:
    """The source whose mark is among the keys."""
    keys = list(keys)
    return next((name for name, each in SOURCES.items() if any(re.match(each.mark, key) for key in keys)), None)


def text_encoder(state: Mapping[str, Tensor]) -> str | None:
    """The text encoder that a CapeX checkpoint carries: "gte", "clip", "another one", or None if it has none."""
    names = {key.partition("text_backbone.")[2] for key in state} - {""}
    if not names:
        return None
    if "token_embedding.weight" in names and "visual.proj" in names:
        return "clip"
    return "gte" if any(".qkv_proj." in name for name in names) else "another one"


def differences(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """What keeps a state dict from being a model's: missing and unknown keys, and shapes that differ."""
    missing = [f"{key} is missing" for key in own if key not in state]
    foreign = [f"{key} is not in the model" for key in state if key not in own]
    shapes = [
        f"{key} has shape {tuple(value.shape)}, not {tuple(own[key].shape)}"
        for key, value in state.items()
        if key in own and value.shape != own[key].shape
    ]
    return [*missing, *foreign, *shapes]


def some(items: Collection[str]) -> str:
    """A few of many, and how many more."""
    more = f" and {len(items) - NAMED} more" if len(items) > NAMED else ""
    return ", ".join(list(items)[:NAMED]) + more
