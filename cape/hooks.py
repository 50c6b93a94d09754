"""What mmengine's Runner calls during training: episodes by epoch, checkpoints, the time budget.

A training run leaves in its folder

    checkpoints/epoch_N.safetensors   weights, for everyone (their mean, with `AverageWeights`); the last few, and best
    resume/epoch_N.pth                what a resumed run needs besides: private, read through `compat` alone

A state is written after its weights and names their hash, each by rename: a kill at any moment leaves at least the pair
of files before. The moment of saving is after the validation that an epoch may end with, so that a resumed run has seen
what the uninterrupted one has. Best weights that a kill left ahead of the states are written again, alike.

Under `torchrun` process 0 writes, and each gets its own random state back. A run resumes with as many processes as it
began with, since their number is part of the batch size.
"""

import bisect
import hashlib
import io
import json
import math
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, broadcast_object_list, get_rank, get_world_size, master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from safetensors import safe_open

from cape import compat
from cape.averaging import averager
from cape.checkpoints import load_weights, save_weights
from cape.errors import DataError, UsageError
from cape.files import write_atomically
from cape.loops import unwrapped
from cape.registry import HOOKS
from cape.runs import epochs_in, identity, saved_epochs, state_path, weights_path

_OLDER = "Resume from an older epoch."


@HOOKS.register_module()
class EpisodeEpoch(Hook):
    """Tells the training episodes which epoch it is, before the workers start on it."""

    priority = "VERY_HIGH"

    def before_train_epoch(self, runner: Runner) -> None:
        """New random episodes."""
        runner.train_dataloader.dataset.set_epoch(runner.epoch)  # type: ignore[attr-defined]


@HOOKS.register_module()
class ConsistencyRamp(Hook):
    """Lets the consistency loss of decision-level fusion grow linearly to its weight (specification §4.3, 13).

    Branches that know nothing yet would agree on the middle of the picture. Without a decision it does nothing.

    Args:
        share: Of all iterations, over which it grows.
    """

    def __init__(self, *, share: float = 0.1) -> None:
        self.share = share

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """A pure function of the iteration, so that a resumed run goes on where it was."""
        del batch_idx, data_batch
        over = self.share * runner.max_iters
        unwrapped(runner.model).ramp = min(1.0, (runner.iter + 1) / over) if over else 1.0


@HOOKS.register_module()
class Checkpoints(Hook):
    """Saves weights and the private resume state after every epoch, and the best weights by validation.

    Args:
        keep: How many epochs stay on disk; at least 2, so that a damaged file is never the only one.
        best: The figure of validation that the best weights have the most of.
        least: They have the least of it.
    """

    priority = "VERY_LOW"

    def __init__(self, *, keep: int = 2, best: str = "PCK@0.20", least: bool = False) -> None:
        self.keep, self.best, self.least = max(2, keep), best, least
        self.highest: float | None = None
        self.hash: str | None = None  # of best.safetensors
        self.validated = False  # whether the newest epoch was
        self.seconds, self._since = 0.0, time.monotonic()

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Clear away what a kill left: files half written, as large as a checkpoint each, and epochs to be pruned."""
        folder = Path(runner.work_dir)
        for place in (folder, folder / "checkpoints", folder / "resume"):
            for path in place.glob(".cape-*"):  # the names of `write_atomically`
                path.unlink(missing_ok=True)
        if runner.epoch:
            self._prune(runner.work_dir, runner.epoch)

    def after_train_epoch(self, runner: Runner) -> None:
        """Save, unless a validation follows, which then does it."""
        if not validates(runner, runner.epoch + 1):
            self.validated = False
            self._save(runner, runner.epoch + 1)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Keep the best weights, then save."""
        value = (metrics or {}).get(self.best, math.nan)
        if math.isnan(value):  # a NaN that counted as the best would be the best for ever
            runner.logger.warning(f"no {self.best} to choose the best weights by, but {', '.join(metrics or ())}")
        elif self.highest is None or (value < self.highest if self.least else value > self.highest):
            self.highest = value
            self.hash = self._write_weights(runner, "best", runner.epoch)
        self.validated = True
        self._save(runner, runner.epoch)

    def elapsed(self) -> float:
        """Seconds of training, earlier sessions included."""
        return self.seconds + time.monotonic() - self._since

    def _save(self, runner: Runner, epoch: int) -> None:
        rngs = all_gather_object(_rng())  # before the branch: all processes have to take part
        self._write(runner, epoch, rngs)

    @master_only
    def _write(self, runner: Runner, epoch: int, rngs: list[dict[str, Any]]) -> None:
        state = {
            "epoch": epoch,
            "iter": runner.iter,
            "weights": self._write_weights(runner, f"epoch_{epoch}", epoch),
            "optimizer": runner.optim_wrapper.state_dict(),  # type: ignore[union-attr]
            "schedulers": [each.state_dict() for each in _schedules(runner)],
            "rngs": rngs,
            "highest": self.highest,
            "best": self.hash,
            "validated": self.validated,
            "seconds": self.elapsed(),
        }
        if (mean := averager(runner)) is not None:
            state["average"] = mean.state(runner)
        file = io.BytesIO()
        torch.save(state, file)
        write_atomically(state_path(runner.work_dir, epoch), file.getvalue())
        self._prune(runner.work_dir, epoch)

    def _prune(self, work_dir: str | Path, epoch: int) -> None:
        """Remove all but the last epochs, states first: none may stay without its weights.

        What is newer than this epoch could not be resumed: it stays, but takes the place of none that can.
        """
        past = [each for each in saved_epochs(work_dir) if each <= epoch]
        for old in past[self.keep :]:
            state_path(work_dir, old).unlink(missing_ok=True)
        # By their own names, since a kill between the two leaves weights without a state.
        for old in epochs_in(weights_path(work_dir, "best").parent, ".safetensors"):
            if old < min(past[: self.keep]):
                weights_path(work_dir, f"epoch_{old}").unlink(missing_ok=True)

    @master_only
    def _write_weights(self, runner: Runner, name: str, epoch: int) -> str:
        about = {"epoch": str(epoch), "library": "cape", "run": json.dumps(identity(runner.cfg))}
        about |= {self.best: str(self.highest)} if name == "best" else {}
        mean = averager(runner)
        state = unwrapped(runner.model).state_dict() if mean is None else mean.weights()
        return save_weights(weights_path(runner.work_dir, name), state, about=about)

    def resume(self, runner: Runner) -> int:
        """Continue from the newest epoch of the run's folder that is whole.

        Returns:
            Its number, 0 where there is none.

        Raises:
            DataError: There are states, and none of them is whole; or the processes do not find the same.
            UsageError: The run began with another number of processes.
        """
        found, failures = 0, []
        for epoch in saved_epochs(runner.work_dir):
            try:
                self._load(runner, epoch)
                found = epoch
                break
            except DataError as error:
                failures.append(error)
                runner.logger.warning(f"epoch {epoch} cannot be resumed, trying the one before: {error}")
        everywhere = all_gather_object(found)
        if len(set(everywhere)) > 1:  # nothing would ever make their weights equal again
            fix = "Give all of them the same folder."
            raise DataError(runner.work_dir, expected="one epoch in all processes", got=str(everywhere), fix=fix)
        if failures and not found:
            raise failures[0]
        return found

    def _load(self, runner: Runner, epoch: int) -> None:
        state = _read_state(runner.work_dir, epoch)
        if (began := len(state["rngs"])) != get_world_size():
            got, fix = str(get_world_size()), "Resume with as many, or begin another run."
            raise UsageError(runner.work_dir, expected=f"{began} processes, as it began", got=got, fix=fix)
        load_weights(unwrapped(runner.model), weights_path(runner.work_dir, f"epoch_{epoch}"))
        try:
            self._restore(runner, state)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            where, got = str(state_path(runner.work_dir, epoch)), f"{type(error).__name__}: {error}"
            raise DataError(where, expected="a state of this configuration", got=got, fix=_OLDER) from error

    def _restore(self, runner: Runner, state: dict[str, Any]) -> None:
        runner.optim_wrapper.load_state_dict(state["optimizer"])  # type: ignore[union-attr]
        if (mean := averager(runner)) is not None:
            mean.restore(runner, state["average"])
        for scheduler, saved in zip(_schedules(runner), state["schedulers"], strict=True):
            scheduler.load_state_dict(saved)
        runner.train_loop._epoch, runner.train_loop._iter = state["epoch"], state["iter"]  # type: ignore[attr-defined]
        self.highest, self.hash, self.validated = state["highest"], state["best"], state["validated"]
        if self.highest is not None and not _stands(runner.work_dir, state["best"], state["epoch"]):
            runner.logger.warning("best.safetensors is gone or damaged: the next validation starts it anew")
            self.highest = self.hash = None
        self.seconds, self._since = state["seconds"], time.monotonic()
        _restore_rng(state["rngs"][get_rank()])


@HOOKS.register_module()
class TimeBudget(Hook):
    """Ends training with the epoch in which the time is up, and with its validation.

    Args:
        minutes: Of training and validation, those before a resume included.
    """

    def __init__(self, *, minutes: float) -> None:
        self.minutes = minutes

    def before_train(self, runner: Runner) -> None:
        """Do nothing more if a resumed run had ended: a job that is always started with --resume adds no epochs."""
        if runner.epoch and saver(runner).validated and self._over(runner):
            self._end(runner, runner.epoch)

    def after_train_epoch(self, runner: Runner) -> None:
        """Make this epoch the last if the time is up."""
        if self._over(runner):
            self._end(runner, runner.epoch + 1)

    def _over(self, runner: Runner) -> bool:
        over = [saver(runner).elapsed() > 60 * self.minutes]
        broadcast_object_list(over)  # process 0 decides, since their clocks differ
        return over[0]

    def _end(self, runner: Runner, epoch: int) -> None:
        runner.logger.info(f"time budget of {self.minutes:g} minutes used up in epoch {epoch}")
        loop: Any = runner.train_loop
        loop._max_epochs, loop.val_begin = epoch, min(loop.val_begin, epoch)


def _schedules(runner: Runner) -> list[Any]:
    """All of a run, those of several optimisers one after the other."""
    found: Any = runner.param_schedulers or []
    return [each for some in found.values() for each in some] if isinstance(found, dict) else list(found)


def saver(runner: Runner) -> Checkpoints:
    """The run's `Checkpoints`.

    Raises:
        UsageError: The config left it out.
    """
    for hook in runner.hooks:
        if isinstance(hook, Checkpoints):
            return hook
    raise UsageError("custom_hooks", expected="Checkpoints", got="none", fix="Keep the hooks of runtime.py.")


def validates(runner: Runner, epoch: int) -> bool:
    """Whether mmengine's loop validates after this epoch: the loop decides on the interval after the hooks have run."""
    loop: Any = runner.train_loop
    interval = loop.dynamic_intervals[bisect.bisect(loop.dynamic_milestones, epoch + 1) - 1]
    due = epoch % interval == 0 or epoch == loop.max_epochs
    return runner.val_loop is not None and epoch >= loop.val_begin and due


def _read_state(work_dir: str | Path, epoch: int) -> dict[str, Any]:
    path, weights = state_path(work_dir, epoch), weights_path(work_dir, f"epoch_{epoch}")
    state = compat.load_trusted_state(path)
    if state.get("epoch") != epoch or not isinstance(state.get("rngs"), list):
        got = f"a state of epoch {state.get('epoch')} with {', '.join(map(str, state))}"[:200]
        raise DataError(str(path), expected=f"the state of epoch {epoch}", got=got, fix=_OLDER)
    if (found := _digest(weights)) != state.get("weights"):
        raise DataError(str(weights), expected=f"SHA-256 {state.get('weights')}", got=found, fix=_OLDER)
    return state


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no such file"


def _stands(work_dir: str | Path, digest: str | None, epoch: int) -> bool:
    """Whether the best weights are those that a state knows, or later ones, whose own state a kill prevented."""
    path = weights_path(work_dir, "best")
    try:
        with safe_open(path, framework="pt") as file:
            return _digest(path) == digest or int(file.metadata()["epoch"]) > epoch
    except Exception:  # safetensors' own for a damaged file, OSError for none, three more for a foreign header
        return False


def _rng() -> dict[str, Any]:
    """The random states of this process."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002 (third parties draw from the legacy generator)
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def _restore_rng(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
