"""The engine: from a config to a run of mmengine's Runner."""

import copy
import inspect
import json
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.dist import is_distributed
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import FUNCTIONS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from cape.checkpoints import load_weights, read_header
from cape.configuration import unknown_key
from cape.data.episodes import Episodes
from cape.errors import CapeError, DataError, UsageError
from cape.features import Progress, find_device, make_bank, silent
from cape.hooks import TimeBudget, saver
from cape.models.encoders.visual import load_pretrained
from cape.models.fewshot import FewShotPose
from cape.registry import DATASETS, MODELS
from cape.runs import claim, identity

MANY_LINES = 4


def make_model(config: Config, *, download: bool = False) -> FewShotPose:
    """The model of a config, with random weights; its text encoder may fetch its own if `download` says so.

    Raises:
        UsageError: A key or a type that does not exist.
    """
    torch.manual_seed(config.seed)
    options = config.model.to_dict()
    if download and options.get("text"):
        options["text"]["download"] = True
    model: FewShotPose = _build(MODELS, options, where="model")
    return model


def load_model(
    config: Config,
    checkpoint: Path,
    *,
    allow_pickle: bool = False,
    download: bool = False,
    device: str = "auto",
    changed: Collection[str] = (),
) -> FewShotPose:
    """A trained model in evaluation mode.

    Weights that fit may still be another model's: heads, strides or a text style leave no trace in their shapes. What
    the checkpoint says of its run is compared with the config, never executed; so is the split, whose test categories
    another split trains on.

    Args:
        config: Of its training.
        checkpoint: Its weights, the visual encoder's included.
        allow_pickle: See `checkpoints.read_weights`.
        download: See `make_model`.
        device: "auto" is the GPU where there is one.
        changed: Dotted keys that may differ from the training's; not the split.

    Raises:
        CapeError: The file is damaged, of another model or a pickle, or there is no such device.
    """
    model = make_model(config, download=download)
    load_weights(model, checkpoint, allow_pickle=allow_pickle)
    ours, theirs = identity(config), json.loads(read_header(checkpoint).get("run", "{}"))
    for key in sorted({*ours, *theirs} if theirs else ()):
        matters = key == "split" or (key.startswith(("model.", "text_")) and key not in changed)
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
        "root": config.data_root,
        "pictures": config.pictures,
        "strict": config.strict,
        "text_pack": config.text_pack,
        "text_style": config.text_style,
    }
    if config.pattern is not None:
        facts["pattern"] = config.pattern
    source = _with_facts(DATASETS, options["source"], facts)
    if "root" in source and source["root"] is None:
        raise UsageError(
            "data", expected="a folder with annotations/ and images/", got="none", fix="Give --data, or set data_root."
        )
    options["source"] = _build(DATASETS, source, where=f"{subset}_dataloader.dataset.source")
    facts = {"shots": config.shots, "seed": config.seed, "size": size}
    if subset == "train":
        facts["fraction"] = config.data_fraction
    return _build(DATASETS, _with_facts(DATASETS, options, facts), where=f"{subset}_dataloader.dataset")


def _with_facts(registry: Any, options: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Options with the facts that their type knows; what the options say themselves stays."""
    kind = registry.get(options["type"])
    known = set() if kind is None else set(inspect.signature(kind).parameters)
    return {**{key: value for key, value in facts.items() if key in known}, **options}


def _build(registry: Any, options: Mapping[str, Any], *, where: str) -> Any:
    with told(where):
        return registry.build(dict(options))


@contextmanager
def told(where: str) -> Iterator[None]:
    """Other libraries' words for a config that does not fit, as an error that says where."""
    try:
        yield
    except CapeError:
        raise
    except (TypeError, ValueError, KeyError, AssertionError, AttributeError) as error:
        got = f"{type(error).__name__}: {error}".partition("\n")[0][:300]
        raise UsageError(where, expected="options that go together", got=got, fix="Check keys and values.") from error


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


class EpisodeRunner(Runner):
    """mmengine's Runner, with two changes.

    It resumes through `Checkpoints`: mmengine's own way executes text out of the file. And the long dumps of its
    beginning (environment, config, hooks) go to the log file alone, so that a terminal shows the training.
    """

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """The logger of mmengine, its terminal without what has many lines."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(lambda record: record.getMessage().count("\n") < MANY_LINES)
        return logger

    # What mmengine builds only when training begins: its errors do not say which part of the config they are about.

    def build_train_loop(self, loop: Any) -> Any:
        """As mmengine, in our words."""
        with told("train_cfg"):
            return super().build_train_loop(loop)

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """As mmengine, in our words."""
        with told("optim_wrapper"):
            return super().build_optim_wrapper(optim_wrapper)

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """As mmengine, in our words."""
        with told("param_scheduler"):
            return super().build_param_scheduler(scheduler)

    def build_val_loop(self, loop: Any) -> Any:
        """As mmengine, in our words."""
        with told("val_cfg"):
            return super().build_val_loop(loop)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """As mmengine, which names a GPU even where there is none."""
        if self.distributed and not torch.cuda.is_available():
            return MMDistributedDataParallel(module=model, broadcast_buffers=False)
        return super().wrap_model(model_wrapper_cfg, model)

    def load_or_resume(self) -> None:
        """Continue where the run's folder ends, if asked to."""
        if not self._resume:
            return
        epoch = saver(self).resume(self)
        self.logger.info(f"resumed after epoch {epoch}" if epoch else "nothing to resume: starting at epoch 1")
        self._has_loaded = True


def _join() -> None:
    """Meet the other processes of `torchrun`.

    Before the Runner would, since the loaders' samplers ask which process this is; and not through mmengine, which
    wants a GPU.
    """
    if "LOCAL_RANK" not in os.environ:
        raise UsageError("--launcher pytorch", expected="torchrun", got="a process alone", fix="Start it by torchrun.")
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("nccl" if gpu else "gloo")


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
        _join()
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
        return _runner(config, model, loaders, work_dir=work_dir, resume=resume, launcher=launcher)


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
