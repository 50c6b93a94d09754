"""Trials of structural losses: a lifter with and without them, trained alike, looked at alike (SEAL-pose, §5)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cape.configuration import load_config
from cape.data.lifting import LiftingData
from cape.data.motion.reprojected import Reprojected
from cape.errors import UsageError
from cape.evaluation.lifting import figures_of, scores_of
from cape.evaluation.structure import binned
from cape.lifters import load_lifting_model, predict_lifts
from cape.loaders import motion_of

FIGURES = ("MPJPE", "P-MPJPE", "LSE", "BSLE")
EDGES = (0, 10, 20, 30, 40, 60, 80, 120)
"""Millimetres of P-MPJPE."""
ELSEWHERE: dict[str, Any] = {"bones": 0.05, "size": 0.05, "turn": 180.0, "tilt": 10.0, "distance": 0.2, "seed": 7}
"""People of other bones before other cameras: options of `Reprojected`."""
GRAPH = {"energy": {"type": "GraphEnergy", "width": 64, "heads": 4, "layers": 2}}
MLP = {"energy": {"type": "MLPEnergy", "width": 256}}


class Form(NamedTuple):
    """One way to train a lifter."""

    about: str
    model: dict[str, Any]
    """What it changes of the model; a critic stands for itself alone."""
    against: str = "baseline"
    """The form that it is compared with."""
    warm: float = 0.0
    """Share of the steps over which α grows."""


FORMS: dict[str, Form] = {
    "baseline": Form("places alone", {"critic": None}),
    "explicit": Form(
        "bone lengths and symmetry as losses", {"critic": None, "bones": {"length": 1e-2, "symmetry": 1e-2}}
    ),
    "mlp": Form("SEAL-pose, MLP loss-net of width 256", {"critic": MLP}),
    "graph": Form("SEAL-pose, graph loss-net of width 64 and 2 layers", {"critic": GRAPH}),
    "direction": Form("bones as vectors as a loss", {"critic": None, "bones": {"direction": 1.0}}),
    "balanced": Form("mlp, its gradient a tenth of the other's", {"critic": MLP, "balance": "gradient", "alpha": 0.1}),
    "residual": Form("mlp, sees the error of a pose", {"critic": {**MLP, "sees": "residual"}}),
    "bones": Form("mlp, sees bones", {"critic": {**MLP, "sees": "bones"}}),
    "warm_up": Form("mlp, α grows over half of the steps", {"critic": MLP}, warm=0.5),
    "spectral": Form("mlp, spectral normalisation", {"critic": {**MLP, "spectral": True}}),
    "penalty": Form("mlp, penalty on its slope", {"critic": {**MLP, "penalty": 0.1}}),
    "mean": Form("mlp, judged by its running mean", {"critic": {**MLP, "momentum": 0.01}}),
    "score": Form("mlp, denoising score matching", {"critic": {**MLP, "objective": "score"}}),
    "score_balanced": Form(
        "mlp, denoising score matching, its gradient a tenth of the other's",
        {"critic": {**MLP, "objective": "score"}, "balance": "gradient", "alpha": 0.1},
    ),
    "noisy": Form("places alone, 2D noise as a detector makes it", {"critic": None, "noise": 0.01}),
    "noisy_mlp": Form("mlp, 2D noise as a detector makes it", {"critic": MLP, "noise": 0.01}, against="noisy"),
}


def form_of(name: str) -> Form:
    """A form by its name.

    Raises:
        UsageError: There is none.
    """
    if name not in FORMS:
        raise UsageError("--forms", expected=", ".join(FORMS), got=name, fix="Choose among them.")
    return FORMS[name]


def form_options(form: Form, *, steps: int) -> list[str]:
    """KEY=VALUE for a config of a lifter.

    Args:
        form: Of the training.
        steps: How many it has.
    """
    warm = {"warm_up": round(form.warm * steps)} if form.warm else {}
    alone = {
        key: {**value, "_delete_": True} if key == "critic" and value is not None else value
        for key, value in {**form.model, **warm}.items()
    }
    return [f"model.{key}={value!r}" for key, value in alone.items()]


def schedule_options(schedule: str, *, epochs: int) -> list[str]:
    """KEY=VALUE: the lifter's learning rate, "constant" or "decayed" to nothing along a cosine, step by step.

    Raises:
        UsageError: There is no such schedule.
    """
    cosine = {"type": "CosineAnnealingLR", "by_epoch": True, "convert_to_iter_based": True, "T_max": epochs}
    known = {"constant": [], "decayed": [cosine]}
    if schedule not in known:
        raise UsageError("--schedules", expected=", ".join(known), got=schedule, fix="Choose among them.")
    return [f"train_cfg.max_epochs={epochs}", f"param_scheduler.lifter={known[schedule]!r}"]


def held_out_options(subject: str, others: Sequence[str], *, path: str) -> list[str]:
    """KEY=VALUE: a subject of the training file is what is tested on, and no longer learnt from."""
    return [
        f"train_dataloader.dataset.source.subjects={list(others)!r}",
        f"val_dataloader.dataset.source={ {'path': path, 'subjects': [subject]}!r}",
    ]


def steps_of(config: str, changes: Mapping[str, object], *, epochs: int) -> tuple[int, int]:
    """Steps of a training, and windows that it sees.

    Raises:
        CapeError: Something about the config or its data is wrong.
    """
    from cape.loaders import make_lifting

    settings = load_config(config, changes)
    windows = len(make_lifting(settings, "train"))
    return epochs * -(-windows // settings.train_dataloader.batch_size), epochs * windows


def examine(config: str, weights: Path, changes: Mapping[str, object]) -> dict[str, Any]:
    """What a trained lifter does on its config's test, how that depends on P-MPJPE, and what it does elsewhere.

    Args:
        config: A config of a lifter.
        weights: Of its training.
        changes: New values under dotted keys: those of its training.

    Returns:
        JSON: `figures` as `LiftingErrors` has them; `bins` with `edges`, `counts` and means of LSE and BSLE (Fig. 4);
        `elsewhere`, figures with other bones and cameras, see `ELSEWHERE`.

    Raises:
        CapeError: Something about config, weights or data is wrong.
    """
    loaded = load_lifting_model(config, weights, changes, device="cpu")
    data = loaded.data()
    poses = predict_lifts(loaded.model, data)
    scores = scores_of(poses, data.skeleton, root=data.root)
    bins = binned({key: scores[key] for key in ("LSE", "BSLE")}, scores["P-MPJPE"], EDGES)
    other = LiftingData(source=Reprojected(source=motion_of(loaded.config, "val"), **ELSEWHERE), window=data.window)
    far = figures_of(predict_lifts(loaded.model, other), other.skeleton, root=other.root)
    return {
        "frames": len(poses.found),
        "figures": figures_of(poses, data.skeleton, root=data.root),
        "bins": {
            "edges": list(EDGES),
            "counts": bins.counts.tolist(),
            "means": {
                key: [each if count else None for each, count in zip(means.tolist(), bins.counts, strict=True)]
                for key, means in bins.means.items()
            },
        },
        "elsewhere": far,
    }
