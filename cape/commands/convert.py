"""`cape convert`: published checkpoints to safetensors that a config of cape loads."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from cape.commands import run
from cape.errors import DataError, UsageError
from cape.files import check_writable

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import Tensor

    from cape.released import Converted


class Fit(NamedTuple):
    """A config whose model a checkpoint is."""

    name: str
    options: list[str]
    """KEY=VALUE, besides."""
    config: "Config"


def convert(
    source: Annotated[
        Literal["graphcape", "capex", "swinv2", "cigpose", "rtmpose", "cspnext", "mmpose", "lifter", "cape"],
        typer.Argument(help="Whose checkpoint it is."),
    ],
    checkpoint: Annotated[Path, typer.Argument(metavar="IN", help="The published file, .pth or .safetensors.")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The .safetensors file to write; replaced if it is there.")
    ],
    split: Annotated[
        int | None, typer.Option(min=1, max=5, help="Of MP-100, that it was trained on; asked for where IN is silent.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="A config to fit it to, if no shipped one does (Python, executed: trust it).")
    ] = None,
    cfg_options: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE, e.g. model.decoder.graph.mode=none; repeat it for several.")
    ] = None,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Read a pickle (.pth): its tensors, never its code.")
    ] = False,
) -> None:
    """Rename the weights of a published model, all of them or none, and check that they fit.

    graphcape, capex, cigpose and rtmpose give a whole model, for cape test. swinv2 (supervised, or pretrained by
    SimMIM) and cspnext (pretrained by mmpose) give a backbone, for cape train --backbone-weights. mmpose (its
    SimpleBaseline, HRNet, ViTPose, RLE or integral regression) gives the network of a calibration, for cape train
    --start-from. lifter takes SimpleBaseline, SemGCN, VideoPose3D or MixSTE, whichever IN is, and a --config that says
    whose joints it knows: for cape lift and cape test. OUT says in its header where it is from and which config it
    fits. cape takes a checkpoint of cape train and writes its matrices in half precision, at half the size: so the
    weights that ship were made.

    CapeX's text encoder is left out: cape loads the published one itself. Where IN says that it was tuned, or where it
    is of another kind, IN is refused.

    Example: cape convert graphcape 1shot-split1_small.pth graphcape_split1.safetensors --split 1 --allow-pickle
    """
    import hashlib
    import json

    import torch

    from cape.checkpoints import read_content, save_weights, tensors_of
    from cape.commands.console import say
    from cape.commands.convert_lifter import write_lifter
    from cape.released import SOURCES, text_encoder
    from cape.released import convert as under_our_names
    from cape.runs import identity

    _check_target(checkpoint, out)
    if source == "cape":
        _halve(checkpoint, out)
        return
    content = read_content(checkpoint, allow_pickle=allow_pickle)
    if source == "lifter":
        write_lifter(content, checkpoint, out, config=config, options=cfg_options or [], split=split)
        return
    tensors = tensors_of(content, where=str(checkpoint))
    converted = under_our_names(source, tensors, where=str(checkpoint))
    options = _options(source, cfg_options or [])
    if SOURCES[source].splits:
        options.append(f"split={_split(checkpoint, split, _told(content))}")
    elif split is not None:
        expected = f"none: {SOURCES[source].title} is not trained on a split of MP-100"
        raise UsageError("--split", expected=expected, got=str(split), fix="Leave it out.")
    fit = _fit(source, converted, config, options, where=str(checkpoint))
    if source == "capex":
        _check_text(text_encoder(tensors), fit, _told(content), where=str(checkpoint))
    _check_values(converted, where=str(checkpoint))

    with checkpoint.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    about = {"library": "cape", "source": SOURCES[source].title, "source_sha256": digest}
    about |= {"config": fit.name, "config_options": " ".join(fit.options)}
    if not SOURCES[source].part:
        about["run"] = json.dumps(identity(fit.config))
    # Copies: tensors of a pickle may share memory, those of safetensors may not
    state = {
        key: value.to(torch.float32 if value.is_floating_point() else torch.int64, copy=True)
        for key, value in converted.state.items()
    }
    written = save_weights(out, state, about=about)

    numbers = sum(value.numel() for value in converted.state.values())
    say(f"{SOURCES[source].title}: {len(converted.state)} tensors, {numbers:,} numbers.")
    for reason, count in converted.dropped.items():
        say(f"Left out: {reason} ({count}).")
    say(f"SHA-256 of {checkpoint}: {digest}")
    say(f"SHA-256 of {out}: {written}")
    _say_use(source, out, fit)


def _halve(checkpoint: Path, out: Path) -> None:
    """Matrices in half precision; what is small, and what a batch norm divides by, stays as it is."""
    from cape.checkpoints import read_header, read_weights, save_weights
    from cape.commands.console import say

    state, about = read_weights(checkpoint), read_header(checkpoint)
    if "run" not in about:
        raise DataError(
            str(checkpoint), expected="a checkpoint of cape train", got="a file that does not say which run it is of",
            fix="Give one out of a run's checkpoints folder.",
        )  # fmt: skip
    halved = {key: value.half() if value.is_floating_point() and value.dim() > 1 else value
              for key, value in state.items()}  # fmt: skip
    wrong = [key for key, value in halved.items() if not value.isfinite().all()]
    if wrong:
        raise DataError(
            str(checkpoint), expected="finite weights that half precision can hold", got=f"others in {wrong[0]}",
            fix="Train again.",
        )  # fmt: skip
    written = save_weights(out, halved, about=about)
    say(f"{out}: {out.stat().st_size / 1e6:.1f} MB, SHA-256 {written}")


def _check_target(checkpoint: Path, out: Path) -> None:
    if out.suffix != ".safetensors":
        raise UsageError("OUT", expected="a name that ends in .safetensors", got=str(out), fix="Choose such a name.")
    if out.exists() and checkpoint.exists() and out.samefile(checkpoint):
        raise UsageError("OUT", expected="another file than IN", got=str(out), fix="Choose another name.")
    check_writable(out)


def _told(content: Any) -> str:
    """The official config in a checkpoint of mmcv, as text, which it stays; "" if there is none."""
    meta = content.get("meta") if isinstance(content, dict) else None
    return str(meta.get("config", "")) if isinstance(meta, dict) else ""


def _split(checkpoint: Path, given: int | None, told: str) -> int:
    """The split that a model was trained on: another one's test categories were in its training."""
    found = {int(number) for number in re.findall(r"mp100_split([1-5])_", told)}
    number = found.pop() if len(found) == 1 else given
    if number is None:
        raise UsageError(
            "--split", expected="the split of MP-100 that the model was trained on", got="none, and none in the file",
            fix="Give --split 1 to 5: the test categories of one split are trained on in the others.",
        )  # fmt: skip
    if given not in (None, number):
        raise UsageError(
            "--split", expected=f"{number}, of which {checkpoint} says that it was trained on it", got=str(given),
            fix="Leave --split out.",
        )  # fmt: skip
    return number


def _options(source: str, given: list[str]) -> list[str]:
    """What was asked for, and what the published models are; not one against the other."""
    from cape.configuration import parse_options
    from cape.released import SOURCES

    fixed = SOURCES[source].options
    asked, own = parse_options(given), parse_options(fixed)
    for key, value in own.items():
        if asked.get(key, value) != value:
            raise UsageError(
                "--cfg-options", expected=f"{key}={value}, as {SOURCES[source].title} was published",
                got=str(asked[key]), fix="Leave it out.",
            )  # fmt: skip
    return [*(each for each in given if each.partition("=")[0] not in own), *fixed]


def _fit(source: str, converted: "Converted", config: str | None, options: list[str], *, where: str) -> Fit:
    """The config whose model has these parameters, by names and shapes; the model is not computed."""
    import torch

    from cape.configuration import load_config, parse_options
    from cape.engine import make_model
    from cape.released import SOURCES, differences, some

    nearest: tuple[list[str], str] | None = None
    for name in [config] if config else SOURCES[source].configs:
        settings = load_config(name, parse_options(options))
        with torch.device("meta"):
            model = make_model(settings)
        wanted = SOURCES[source].part
        part = dict(model.named_modules()).get(wanted)
        if part is None:
            like = SOURCES[source].configs[0]
            raise UsageError("--config", expected=f"a config of a model with {wanted}", got=name, fix=f"Try {like}.")
        found = differences(converted.state, part.state_dict())
        # A window's size shows in its table alone. A backbone may change it, as the official code does, a model not.
        if not wanted:
            tables = {key: each for key, each in part.named_buffers() if key in converted.tables}
            found += differences(converted.tables, tables)
        if not found:
            return Fit(Path(name).stem, options, settings)
        if nearest is None or len(found) < len(nearest[0]):
            nearest = found, name
    wrong, name = nearest or ([], "")
    raise DataError(
        where, expected=f"the parameters of {name}, or of another config of {SOURCES[source].title}", got=some(wrong),
        fix="Copy the file again; or name a config of its architecture (--config, --cfg-options).",
    )  # fmt: skip


def _check_text(carried: str | None, fit: Fit, told: str, *, where: str) -> None:
    """Refuse weights that go with another text encoder than the one that the config loads."""
    ours = fit.config.model.text.name
    if carried not in (None, ours):
        raise DataError(
            where, expected=f"a model with the text encoder of {fit.name} ({ours})", got=carried or "",
            fix="Give the checkpoint of the GTE or the CLIP variant, or a config of its own (--config).",
        )  # fmt: skip
    if re.search(r"finetune_text_pretrained\s*=\s*True", told):
        raise DataError(
            where, expected="a model whose text encoder is the published one", got="one that was tuned with it",
            fix="Give a checkpoint with a frozen text encoder: cape cannot load a tuned one.",
        )  # fmt: skip


def _check_values(converted: "Converted", *, where: str) -> None:
    from cape.released import some

    wrong = [converted.official[key] for key, value in converted.state.items() if not _sound(key, value)]
    if wrong:
        raise DataError(where, expected="finite weights", got=f"others in {some(wrong)}", fix="Copy the file again.")


def _sound(key: str, value: "Tensor") -> bool:
    """Finite; a batch norm's count of batches is whole."""
    if key.endswith("num_batches_tracked"):
        return not (value.is_floating_point() or value.is_complex()) and bool((value >= 0).all())
    return value.is_floating_point() and bool(value.isfinite().all())


def _say_use(source: str, out: Path, fit: Fit) -> None:
    from cape.commands.console import say
    from cape.released import SOURCES

    options = "".join(f" --cfg-options {option}" for option in fit.options)
    if SOURCES[source].part:
        flag = "--start-from" if SOURCES[source].part == "network" else "--backbone-weights"
        say(f"Use it: cape train {fit.name}{options} {flag} {out}")
        return
    say(f"Use it: cape test {fit.name} {out}{options} --data FOLDER")
    if source == "capex":
        say("CapeX was trained on keypoint names of its own: for its published figures give them as --text-pack.")


def main(argv: list[str] | None = None) -> int:
    """`python tools/convert.py`."""
    return run(convert, argv, name="convert")
