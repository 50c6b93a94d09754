"""The engine: from a config to a run of mmengine's Runner."""

import copy
import json
import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed
from mmengine.config import Config
from mmengine.dist import is_distributed
from torch.utils.data import DataLoader

from cape.checkpoints import load_weights, read_header
from cape.configuration import built, kind_of, load_config, told
from cape.errors import DataError, UsageError
from cape.features import Progress, find_device, silent
from cape.hooks import TimeBudget
from cape.loaders import Page, account, make_data, make_loaders
from cape.models.calibration import CalibratedPose
from cape.models.encoders.visual import load_pretrained
from cape.models.lifting import Lifting
from cape.models.wholebody import WholeBodyPose
from cape.registry import MODELS
from cape.runner import SCOPE, EpisodeRunner, join, optimised_parts, scoped
from cape.runs import claim, identity


def make_model(config: Config, *, download: bool = False) -> Any:
    """The model of a config, a page of either kind, with random weights.

    With `download` its text encoder may fetch its own.

    Raises:
        UsageError: A key or a type that does not exist.
    """
    torch.manual_seed(config.seed)
    options = config.model.to_dict()
    if download and options.get("text"):
        options["text"]["download"] = True
    return built(MODELS, options, where="model")


def load_model(
    config: Config,
    checkpoint: Path,
    *,
    allow_pickle: bool = False,
    download: bool = False,
    device: str = "auto",
    changed: Collection[str] = (),
) -> Any:
    """A trained model in evaluation mode.

    Weights that fit may still be another model's: heads, strides or a text style leave no trace in their shapes. What
    the checkpoint says of its run is compared with the config, never executed; so are the split and what was held out:
    another split trains on its test categories.

    Args:
        config: Of its training.
        checkpoint: Its weights, the visual encoder's included.
        allow_pickle: See `checkpoints.read_weights`.
        download: See `make_model`.
        device: "auto" is the GPU where there is one.
        changed: Dotted keys that may differ from the training's; not the split, not what was held out.

    Raises:
        CapeError: The file is damaged, of another model or a pickle, or there is no such device.
    """
    model = make_model(config, download=download)
    load_weights(model, checkpoint, allow_pickle=allow_pickle)
    ours, theirs = identity(config), json.loads(read_header(checkpoint).get("run", "{}"))
    for key in sorted({*ours, *theirs} if theirs else ()):
        matters = key in ("split", "held_out") or (key.startswith(("model.", "text_")) and key not in changed)
        if matters and ours.get(key) != theirs.get(key):
            raise DataError(
                str(checkpoint), expected=f"a model with {key} = {ours.get(key)}", got=str(theirs.get(key)),
                fix="Give the config and the options that it was trained with.",
            )  # fmt: skip
    model.to(find_device(device))
    return model.eval()


KINDS = {"people": ("a whole-body model", "cigpose_lite"), "lifting": ("a lifter", "lift_lite_simple_baseline")}
"""What kinds of models are called, and a config of each."""


def load_kind(
    config: str, checkpoint: Path | None, changes: Mapping[str, Any], *, kind: Literal["people", "lifting"],
    allow_pickle: bool = False, device: str = "auto",
) -> tuple[str, Any, Config]:  # fmt: skip
    """A trained model of a kind by its config and weights: its name, itself, and the config.

    Args:
        config: A config file, or the name of a shipped one.
        checkpoint: Its weights, those of `cape train` or of `cape convert`.
        changes: New values under dotted keys of the config; what they change of the model may differ from the
            training's.
        kind: What it has to be, see `kind_of`.
        allow_pickle: See `checkpoints.read_weights`.
        device: "auto" is the GPU where there is one.

    Raises:
        UsageError: The config is of another kind of model, or no weights are given.
        CapeError: As `load_config` and `load_model`.
    """
    settings = load_config(config, changes)
    if kind_of(settings) != kind:
        what, example = KINDS[kind]
        got, fix = str(settings.get("model", {}).get("type")), f"Give a config such as {example}."
        raise UsageError(config, expected=f"a config of {what}", got=got, fix=fix)
    if checkpoint is None:
        raise UsageError(
            "CHECKPOINT", expected="the weights of the config's model", got="none",
            fix="Give a .safetensors file, for example checkpoints/best.safetensors of a run's folder.",
        )  # fmt: skip
    model = load_model(settings, checkpoint, allow_pickle=allow_pickle, device=device, changed=changes)
    return Path(config).stem, model, settings


def load_start(model: Page, config: Config, *, download: bool = False) -> None:
    """Fill a model with the weights that its training starts from.

    `start_from` is a checkpoint of the whole model; where children are frozen, it need have no others. Of
    `CalibratedPose` it is the network's.
    `backbone_weights` fills the visual encoder or backbone alone: a safetensors file, "auto" (an installed package, or
    a download if that is allowed; there is none for people) or "random".

    Raises:
        UsageError: No weights: says where they can come from.
        DataError: The checkpoint is damaged, or of another architecture.
    """
    wanted = config.backbone_weights
    if isinstance(model, CalibratedPose):
        _load_network(model, config)
        return
    if isinstance(model, WholeBodyPose):
        _load_people_start(model, config)
        return
    if isinstance(model, Lifting):
        if config.start_from is not None:
            load_weights(model, Path(config.start_from))
        return
    if config.start_from is None and set(model.frozen) - {"visual"}:
        raise UsageError(
            "start_from", expected=f"trained weights of what is frozen ({', '.join(model.frozen)})", got="none",
            fix="Give --start-from CHECKPOINT.",
        )  # fmt: skip
    if config.start_from is not None:
        new = [name for name, _ in model.named_children() if name not in model.frozen]
        may_lack = tuple(f"{name}." for name in new) if model.frozen else ()
        load_weights(model, Path(config.start_from), may_lack=may_lack)
        return
    if wanted == "random":
        return
    training = model.visual.training
    load_pretrained(model.visual, weights=None if wanted == "auto" else wanted, download=download)
    model.visual.train(training)


def _load_people_start(model: WholeBodyPose, config: Config) -> None:
    wanted = config.backbone_weights
    if config.start_from is not None:
        load_weights(model, Path(config.start_from))
    elif wanted == "auto":
        raise UsageError(
            "backbone_weights", expected="a file of weights, or random", got="none",
            fix="Give --backbone-weights FILE, which `cape convert cspnext` writes; or random, which learns slowly.",
        )  # fmt: skip
    elif wanted != "random":
        load_weights(model.backbone, Path(wanted))


def _load_network(page: CalibratedPose, config: Config) -> None:
    """Weights of a frozen network, with the options that it was trained with: those leave no trace in shapes."""
    if config.start_from is None:
        raise UsageError(
            "start_from", expected="trained weights of the network whose confidence is learnt", got="none",
            fix="Give --start-from CHECKPOINT.",
        )  # fmt: skip
    path = Path(config.start_from)
    load_weights(page.network, path)
    stated = json.loads(read_header(path).get("run", "{}"))
    theirs = {key.removeprefix("model."): value for key, value in stated.items() if key.startswith("model.")}
    prefix = "model.network."
    ours = {key.removeprefix(prefix): value for key, value in identity(config).items() if key.startswith(prefix)}
    for key in sorted({*ours, *theirs} if theirs else ()):
        if ours.get(key) != theirs.get(key):
            raise DataError(
                str(path), expected=f"a network with {key} = {ours.get(key)}", got=str(theirs.get(key)),
                fix="Give the weights of the config's network.",
            )  # fmt: skip


def make_runner(
    config: Config,
    *,
    work_dir: Path,
    resume: bool = False,
    amp: bool = False,
    launcher: str = "none",
    download: bool = False,
    progress: Progress = silent,
) -> EpisodeRunner:
    """Everything of a training run, ready for `train()`.

    Args:
        config: As `load_config` gives it.
        work_dir: The run's folder.
        resume: Continue what is there.
        amp: Mixed precision; needs a GPU.
        launcher: "pytorch" under `torchrun`.
        download: Let libraries fetch pretrained weights.
        progress: Shows the progress of encoding.

    Raises:
        CapeError: Something does not exist, does not fit, or the folder belongs to another run.
    """
    if amp and not torch.cuda.is_available():
        raise UsageError("--amp", expected="a GPU", got="none", fix="Leave it out on a CPU.")
    if launcher == "none" and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("torchrun", expected="--launcher pytorch", got="none", fix="Add it: the processes must meet.")
    if launcher != "none" and kind_of(config) == "lifting":
        fix = "Leave --launcher out: a lifter is small."
        raise UsageError("--launcher", expected="one process for a lifter", got=launcher, fix=fix)
    if launcher != "none" and not is_distributed():
        join()
    config = copy.deepcopy(config)
    if amp:  # before the claim: a run of one precision is not resumed in the other
        for part in (optimised_parts(config.optim_wrapper) or {"": config.optim_wrapper}).values():
            part["type"] = "AmpOptimWrapper"
    model = make_model(config, download=download)
    load_start(model, config, download=download)
    data = make_data(config, model)
    claim(work_dir, config, data=" ".join(part.digest() for part in data.values()), resume=resume)
    loaders = make_loaders(config, model, data, progress)
    with told("hooks, evaluator or visualizer"), scoped():
        runner = _runner(config, model, loaders, work_dir=work_dir, resume=resume, launcher=launcher)
    for line in account(model, data):
        runner.logger.info(line)
    return runner


def _runner(
    config: Config, model: Page, loaders: Mapping[str, DataLoader], *, work_dir: Path,
    resume: bool, launcher: str,
) -> EpisodeRunner:  # fmt: skip
    schedules = config.get("param_scheduler") or []
    several = schedules.values() if isinstance(schedules, dict) else [schedules]
    for schedule in (each for some in several for each in some):
        if schedule.get("by_epoch") and schedule["type"] == "OneCycleLR":
            schedule.setdefault("total_steps", config.train_cfg.max_epochs)
        if schedule.get("by_epoch") and schedule["type"] == "CosineAnnealingLR":
            schedule.setdefault("T_max", config.train_cfg.max_epochs - schedule.get("begin", 0))
    hooks = [*config.get("custom_hooks", [])]
    if config.budget_minutes is not None:
        hooks.append({"type": TimeBudget, "minutes": config.budget_minutes})
    return EpisodeRunner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=loaders["train"],
        val_dataloader=loaders["val"],
        train_cfg=config.train_cfg,
        val_cfg=config.val_cfg,
        val_evaluator=config.val_evaluator,
        optim_wrapper=config.optim_wrapper,
        param_scheduler=config.get("param_scheduler"),
        default_hooks=config.get("default_hooks"),
        custom_hooks=hooks,
        resume=resume,
        launcher=launcher,
        env_cfg=config.get("env_cfg", {}),
        log_processor=config.get("log_processor"),
        log_level=config.get("log_level", "INFO"),
        visualizer=config.get("visualizer"),
        # mmengine's own has the second: two runs begun in one would share a logger, and so a file
        experiment_name=f"{work_dir.name}_{time.time_ns()}",
        default_scope=SCOPE,
        randomness={"seed": config.seed},
        cfg=config,
    )
