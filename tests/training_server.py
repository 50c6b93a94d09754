"""What the tests of training run as a program of its own: a tiny config, a server of attempts, a trace of the losses.

The server imports once, then forks a process per attempt. An audit hook sees each rename and removal before it happens,
so that a kill needs no help from the code under test; a kill in the middle of a write leaves a temporary file cut off.
"""

import contextlib
import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BASES = Path(__file__).parents[1] / "configs" / "_base_"
CONFIG = f"""
_base_ = ["{BASES}/mp100.py", "{BASES}/runtime.py"]
model = dict(
    type="FewShotPose", width=32, text=None, support=dict(type="SupportEncoder"),
    visual=dict(type="VisualEncoder", name="test_vit", options=dict(img_size=64), frozen=True),
    matching=dict(type="Matching", layers=1, hidden=32, heads=2),
    decoder=dict(type="KeypointDecoder", layers=1, heads=2, graph=dict(type="GraphFeedForward", hidden=32)),
)
backbone_weights = "random"
drawn = dict(_delete_=True, type="Drawn", instances=6, size=64, categories=["chair", "arrow"])
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(source=drawn))
val_dataloader = dict(num_workers=0, dataset=dict(source=dict(drawn, seed=1, instances=16), pairs=dict(episodes=2)))
del drawn
train_cfg = dict(by_epoch=True, max_epochs=6, val_interval=2)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=3e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=5),
    dict(type="MultiStepLR", by_epoch=True, milestones=[4], gamma=0.3),
]
visualizer = dict(_delete_=True, type="Visualizer", vis_backends=[dict(type="LocalVisBackend")])
"""


def load() -> Callable[[list[str]], int]:
    """Import all that training needs; the command."""
    from cape import compat

    compat.prepare()
    import mmengine.config.config
    import mmengine.runner.runner

    from cape.commands.train import main

    for late in ("cape.commands.console", "cape.engine", "cape.evaluation.fewshot", "cape.models", "matplotlib.pyplot"):
        importlib.import_module(late)
    # Half of the time of an attempt
    mmengine.config.config.FormatCode = lambda text, **_: (text, False)
    mmengine.runner.runner.collect_env = dict
    return main


def arm(event: str, number: int) -> None:
    """Kill this process at the `number`-th event of this name."""
    from mmengine.runner import EpochBasedTrainLoop

    import cape.loops

    left, target = number, ""

    def happens(name: str, temporary: str = "") -> None:
        nonlocal left
        left -= name == event
        if left == 0:
            if temporary:
                os.truncate(temporary, Path(temporary).stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(name: str, arguments: tuple) -> None:
        nonlocal target
        if name == "os.rename":
            target = Path(os.fsdecode(arguments[1])).name
            happens(f"half {target}", os.fsdecode(arguments[0]))
            happens(f"before {target}")
        elif name == "os.remove":
            removed = Path(os.fsdecode(arguments[0])).name
            happens(f"remove {removed}")
            if removed.startswith(".cape-"):  # the first thing after the rename
                happens(f"after {target}")

    step, score = EpochBasedTrainLoop.run_iter, cape.loops.predict_episodes

    def run_iter(self: Any, *arguments: Any) -> None:
        happens("iteration")
        step(self, *arguments)
        happens("iterated")

    def predict(*arguments: Any, **options: Any) -> Iterator:
        for batch in score(*arguments, **options):
            happens("validation")
            yield batch

    EpochBasedTrainLoop.run_iter, cape.loops.predict_episodes = run_iter, predict
    sys.addaudithook(audit)


def attempt(main: Callable[[list[str]], int], job: dict) -> None:
    """One training in a forked process, which ends here."""
    os.setsid()
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 70
    try:
        if job["kill"]:
            arm(*job["kill"])
        code = main(job["argv"])
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def serve() -> None:
    """Read jobs as lines, answer with exit codes."""
    main = load()
    for line in sys.stdin:
        job = json.loads(line)
        assert len(os.listdir("/proc/self/task")) == 1, "a fork takes one thread along"  # noqa: PTH208
        child = os.fork()
        if child == 0:
            attempt(main, job)
        if job["after"]:
            time.sleep(job["after"])
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # its workers
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)  # noqa: T201


def trace(folder: Path, argv: list[str]) -> int:
    """Train, and write what this process saw: losses and episodes of each iteration, figures of each validation."""
    main = load()
    from mmengine.runner import Runner

    rank = os.environ.get("RANK", "0")
    if rank == "1" and (moment := os.environ.get("KILL_PROCESS_1_AT_ITERATION")):
        arm("iteration", int(moment))
    if rank == "1" and (other := os.environ.get("WORK_DIR_OF_PROCESS_1")):
        argv[argv.index("--work-dir") + 1] = other
    seen: dict[str, list] = {"losses": [], "episodes": [], "figures": []}
    call_hook = Runner.call_hook

    def watch(self: Runner, name: str, **arguments: Any) -> None:
        if name == "after_train_iter":
            seen["losses"].append(float(arguments["outputs"]["loss"]))
            seen["episodes"].append(arguments["data_batch"].pair.tolist())
        elif name == "after_val_epoch":
            seen["figures"].append(arguments["metrics"])
        call_hook(self, name, **arguments)

    Runner.call_hook = watch
    code = main(argv)
    (folder / f"trace_{rank}.json").write_text(json.dumps(seen))
    return code


if __name__ == "__main__":
    if sys.argv[1] == "config":
        Path(sys.argv[2]).write_text(f'{CONFIG}features = dict(variants=2, folder="{sys.argv[3]}")\n')
    elif sys.argv[1] == "serve":
        serve()
    else:
        sys.exit(trace(Path(sys.argv[2]), sys.argv[3:]))
