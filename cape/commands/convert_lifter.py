"""`cape convert lifter`: a published lifter as a page without a loss-net."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cape.errors import DataError, UsageError

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import Tensor

CONFIGS = {
    "SimpleBaseline": "seal-none_simple-baseline_human36m",
    "SemGCN": "seal-none_semgcn_human36m",
    "VideoPose": "seal-none_videopose_human36m",
    "MixSTE": "seal-none_mixste_human36m",
}
"""What to try for each, for messages."""


def write_lifter(
    content: Any, checkpoint: Path, out: Path, *, config: str | None, options: Sequence[str], split: int | None
) -> None:
    """Rename all tensors or none, check that they are the config's, and write them.

    Args:
        content: What the file holds, see `checkpoints.read_content`.
        checkpoint: The file.
        out: The .safetensors file.
        config: Of a lifter of this kind. Its shapes alone do not tell whose joints a network knows: 17 of Human3.6M
            and 17 of MPI-INF-3DHP look alike.
        options: KEY=VALUE of the config.
        split: Of MP-100: none.

    Raises:
        UsageError: No config or one that does not exist, or a split.
        DataError: Keys of no published lifter, other shapes than the config's, or weights that are not finite.
    """
    import torch

    from cape.checkpoints import save_weights, tensors_of
    from cape.commands.console import say
    from cape.released import differences, some
    from cape.released_lifters import LIFTERS, convert_lifter, lifter_of
    from cape.runs import identity

    if split is not None:
        raise UsageError("--split", expected="none: a lifter has no split", got=str(split), fix="Leave it out.")
    tensors = tensors_of(content, where=str(checkpoint))
    kind = lifter_of(tensors)
    if kind is None:
        raise DataError(
            str(checkpoint), expected=f"the keys of {', '.join(LIFTERS)} as published", got=some(list(tensors)),
            fix="Check file and source; others plug in through ForeignLifter.",
        )  # fmt: skip
    if config is None:
        raise UsageError(
            "--config", expected=f"a config that says whose joints this {kind} knows", got="none",
            fix=f"For example --config {CONFIGS[kind]}; --cfg-options changes it.",
        )  # fmt: skip
    settings, own = _described(config, options)
    state = convert_lifter(kind, tensors, where=str(checkpoint))
    if wrong := differences(state, own):
        raise DataError(
            str(checkpoint), expected=f"the lifter of {config}", got=some(wrong),
            fix="Name another config, or options such as model.skeleton=human36m.",
        )  # fmt: skip
    _check_finite(state, where=str(checkpoint))

    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    about = {"library": "cape", "source": kind, "source_sha256": digest, "config": Path(config).stem}
    about |= {"config_options": " ".join(options), "run": json.dumps(identity(settings))}
    kept = {
        f"lifter.{key}": value.to(torch.float32 if value.is_floating_point() else torch.int64, copy=True)
        for key, value in state.items()
    }
    written = save_weights(out, kept, about=about)
    say(f"{kind}: {len(kept)} tensors, {sum(value.numel() for value in kept.values()):,} numbers.")
    say(f"SHA-256 of {checkpoint}: {digest}")
    say(f"SHA-256 of {out}: {written}")
    say(f"Use it: cape lift coco:POSES.json {out} SPACE.json")
    say("It must have learnt from screen coordinates to metres: files trained on standardised poses give nonsense.")


def _described(config: str, options: Sequence[str]) -> "tuple[Config, dict[str, Tensor]]":
    """The config without its loss-net, and what its lifter's parameters look like."""
    import torch

    from cape.configuration import kind_of, load_config, parse_options
    from cape.engine import make_model

    settings = load_config(config, parse_options(options))
    if kind_of(settings) != "lifting":
        fix = f"For example {CONFIGS['SimpleBaseline']}."
        raise UsageError("--config", expected="a config of a lifter", got=config, fix=fix)
    settings.model["critic"] = None
    with torch.device("meta"):
        return settings, make_model(settings).lifter.state_dict()


def _check_finite(state: "dict[str, Tensor]", *, where: str) -> None:
    wrong = [key for key, value in state.items() if not bool(value.isfinite().all())]
    if wrong:
        raise DataError(where, expected="finite weights", got=f"others in {wrong[0]}", fix="Copy the file again.")
