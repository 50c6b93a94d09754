"""The engine: from a config to a run of mmengine's Runner."""

import copy
import inspect
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.dist import is_distributed
from mmengine.registry import FUNCTIONS
from torch.utils.data import DataLoader

from cape.checkpoints import load_weights, read_header
from cape.configuration import told, unknown_key
from cape.data.episodes import Episodes
from cape.errors import DataError, UsageError
from cape.features import Progress, find_device, make_bank, silent
from cape.hooks import TimeBudget
from cape.models.encoders.visual import load_pretrained
from cape.models.fewshot import FewShotPose
from cape.registry import DATASETS, MODELS
from cape.runner import EpisodeRunner, join
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
    return _build(MODELS, options, where="model")


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


def load_start(model: FewShotPose, config: Config, *, download: bool = False) -> None:
    """Fill a model with the weights that its training starts from.

    `start_from` is a checkpoint of the whole model; where children are frozen, it need have no others.
    `backbone_weights` fills the visual encoder alone: a safetensors file, "auto" (an installed package, or a download
    if that is allowed) or "random".

    Raises:
        UsageError: No weights: says where they can come from.
        DataError: The checkpoint is damaged, or of another architecture.
    """
    wanted = config.backbone_weights
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


def make_episodes(config: Config, subset: str, *, size: int) -> Episodes:
    """The episodes of "train" or "val", in pictures of `size` pixels a side.

    Raises:
        CapeError: Something about the data or the keys is wrong.
    """
    options = dict(config[f"{subset}_dataloader"].dataset)
    facts = {
        "split": config.split,
        "held_out": config.held_out,
        "root": config.data_root,
        "pictures": config.pictures,
        "strict": config.strict,
        "text_pack": config.text_pack,
        "text_style": config.text_style,
    }
    if config.pattern is not None:
        facts["pattern"] = config.pattern
    source = _source(options["source"], facts)
    options["source"] = _build(DATASETS, source, where=f"{subset}_dataloader.dataset.source")
    support = config.model.get("support") or {}
    facts = {"shots": config.shots, "seed": config.seed, "size": size}
    facts["asked"] = "any" if support.get("shots") == "shown" else "all"
    if subset == "train":
        facts["fraction"] = config.data_fraction
    return _build(DATASETS, _with_facts(DATASETS, options, facts), where=f"{subset}_dataloader.dataset")


def _source(options: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a data set with the facts that it knows, and those of all that it joins."""
    found = _with_facts(DATASETS, options, facts)
    if "root" in found and found["root"] is None:
        raise UsageError(
            "data", expected="a folder with annotations/ and images/", got="none", fix="Give --data, or set data_root."
        )
    if "sources" in found:
        found["sources"] = [_source(each, facts) for each in found["sources"]]
    return found


def _with_facts(registry: Any, options: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Options with the facts that their type knows; what the options say themselves stays."""
    kind = registry.get(options["type"])
    known = set() if kind is None else set(inspect.signature(kind).parameters)
    return {**{key: value for key, value in facts.items() if key in known}, **options}


def _build(registry: Any, options: Mapping[str, Any], *, where: str) -> Any:
    with told(where):
        return registry.build(dict(options))


def make_loader(episodes: Episodes, options: Mapping[str, Any], *, seed: int) -> DataLoader:
    """A loader whose order depends on seed and epoch alone, and which leaves torch's global generator as it was."""
    rest = {key: value for key, value in options.items() if key not in ("dataset", "sampler", "collate_fn")}
    if not rest.get("num_workers"):
        rest["persistent_workers"] = False
    with told("dataloader"):
        sampler = {key: value for key, value in dict(options["sampler"]).items() if key != "type"}
        return DataLoader(
            episodes,
            sampler=DefaultSampler(episodes, seed=seed, **sampler),
            collate_fn=FUNCTIONS.get(options["collate_fn"]["type"]),
            generator=torch.Generator(),
            **rest,
        )


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
    if launcher != "none" and not is_distributed():
        join()
    config = copy.deepcopy(config)
    if amp:  # before the claim: a run of one precision is not resumed in the other
        config.optim_wrapper["type"] = "AmpOptimWrapper"
    model = make_model(config, download=download)
    load_start(model, config, download=download)
    data = {subset: make_episodes(config, subset, size=model.visual.size) for subset in ("train", "val")}
    claim(work_dir, config, data=" ".join(episodes.digest() for episodes in data.values()), resume=resume)
    loaders = {}
    for subset, episodes in data.items():
        if model.text is not None:  # now, so that missing weights are told before the work begins
            model.text.embed([text for each in episodes.source.categories.values() for text in each.texts])
        if config.features:
            episodes.bank = _bank(config, model, episodes, subset, progress)
        loaders[subset] = make_loader(episodes, config[f"{subset}_dataloader"], seed=config.seed)
    with told("hooks, evaluator or visualizer"):
        runner = _runner(config, model, loaders, work_dir=work_dir, resume=resume, launcher=launcher)
    for subset, episodes in data.items():
        runner.logger.info(_account(subset, episodes))
        for what, count in getattr(episodes.source, "licences", {}).items():
            runner.logger.info(f"{subset}: {count} pictures of {what}")
    if model.decision_share:
        runner.logger.info(f"of the training categories these teach the decision alone: {_held(model, data['train'])}")
    return runner


def _held(model: FewShotPose, episodes: Episodes) -> str:
    names = {number: each.name for number, each in episodes.source.categories.items()}
    held = [name for number, name in names.items() if model.teaches_decision_alone(torch.tensor(number))]
    return ", ".join(held) or "none, so it stays as it starts"


def _account(subset: str, episodes: Episodes) -> str:
    """What a run learns from or is chosen by, and what is too small for an episode."""
    names = {number: category.name for number, category in episodes.source.categories.items()}
    used = ", ".join(name for number, name in names.items() if number not in episodes.skipped)
    skipped = ", ".join(f"{names[number]} ({count})" for number, count in episodes.skipped.items())
    left_out = f"; too few instances: {skipped}" if skipped else ""
    return f"{subset}: {len(episodes)} episodes of {len(names) - len(episodes.skipped)} categories: {used}{left_out}"


def _bank(config: Config, model: FewShotPose, episodes: Episodes, subset: str, progress: Progress) -> Any:
    if not model.visual.frozen:
        raise UsageError("features", expected="a frozen visual encoder", got="one that trains", fix="Set frozen=True.")
    options = dict(config.features)
    variants, folder = options.pop("variants", 4), options.pop("folder", None)
    if options:
        raise unknown_key(next(iter(options)), ["variants", "folder"], where="features")
    return make_bank(
        episodes,
        model.visual.to(find_device("auto")),
        variants=variants if subset == "train" else 1,
        seed=config.seed,
        folder=None if folder is None else Path(folder).expanduser(),
        workers=config[f"{subset}_dataloader"].get("num_workers", 0),
        progress=progress,
    )


def _runner(
    config: Config, model: FewShotPose, loaders: Mapping[str, DataLoader], *, work_dir: Path, resume: bool,
    launcher: str,
) -> EpisodeRunner:  # fmt: skip
    for schedule in config.get("param_scheduler") or ():
        if schedule.get("by_epoch") and schedule["type"] == "OneCycleLR":
            schedule.setdefault("total_steps", config.train_cfg.max_epochs)
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
        default_scope="cape",
        randomness={"seed": config.seed},
        cfg=config,
    )
