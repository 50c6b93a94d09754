"""Forms of training a lifter: every one builds and takes a step, and what is measured of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from motion_files import write_motion

from cape.checkpoints import save_weights
from cape.configuration import load_config, parse_options
from cape.engine import make_model
from cape.errors import UsageError
from cape.lifters import load_lifting_model, predict_lifts
from cape.loaders import make_lifting, motion_of
from cape.trials import EDGES, FORMS, examine, form_of, form_options, held_out_options, schedule_options, steps_of


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    """Of the small configs, on a small file."""
    write_motion(tmp_path / "motion.npz")
    source = {"type": "CmuMotion", "path": "motion.npz"}
    return [
        f"data_root={str(tmp_path)!r}", "train_dataloader.batch_size=32",
        *(f"{subset}_dataloader.dataset.source={source!r}" for subset in ("train", "val")),
    ]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("config", ["lift_lite_simple_baseline", "lift_lite_semgcn"])
def test_every_form_takes_a_step(form: str, config: str, options: list[str]) -> None:
    settings = load_config(config, parse_options([*form_options(FORMS[form], steps=10), *options]))
    model = make_model(settings).train()
    assert FORMS[form].against in FORMS and (model.critic is None) == (FORMS[form].model["critic"] is None)
    parts = {"lifter": model.lifter, **({} if model.critic is None else {"critic": model.critic})}
    optimisers = {name: OptimWrapper(torch.optim.Adam(part.parameters(), 1e-3)) for name, part in parts.items()}
    before = [each.detach().clone() for each in model.lifter.parameters()]
    told = model.train_step(make_lifting(settings, "train").batch(torch.arange(8)), OptimWrapperDict(**optimisers))
    assert all(torch.as_tensor(each).isfinite() for each in told.values())
    assert any(not torch.equal(a, b) for a, b in zip(before, model.lifter.parameters(), strict=True))
    if form == "warm_up":
        assert model.warm_up == 5


def test_schedules_are_of_the_lifter_alone(options: list[str], refused) -> None:
    for schedule, count in (("decayed", 1), ("constant", 0)):
        config = load_config("lift_lite_semgcn", parse_options([*schedule_options(schedule, epochs=3), *options]))
        assert len(config.param_scheduler.lifter) == count and not config.param_scheduler.critic
        assert config.train_cfg.max_epochs == 3
    with refused(UsageError, "--schedules", "step"):
        schedule_options("step", epochs=1)
    with refused(UsageError, "--forms", "none"):
        form_of("none")


def test_a_subject_is_held_out(options: list[str]) -> None:
    held = held_out_options("02", ["01"], path="motion.npz")
    config = load_config("lift_lite_semgcn", parse_options([*options, *held]))
    for subset, subject in (("train", "01"), ("val", "02")):
        assert {clip.subject for clip in motion_of(config, subset).clips} == {subject}
    assert steps_of("lift_lite_semgcn", parse_options([*options, *held]), epochs=2) == (6, 160)


def test_what_is_measured(options: list[str], tmp_path: Path) -> None:
    changes = parse_options([*form_options(FORMS["baseline"], steps=1), *options])
    model = make_model(load_config("lift_lite_simple_baseline", changes))
    save_weights(tmp_path / "weights.safetensors", model.state_dict(), about={})
    found = examine("lift_lite_simple_baseline", tmp_path / "weights.safetensors", changes)
    loaded = load_lifting_model("lift_lite_simple_baseline", tmp_path / "weights.safetensors", changes, device="cpu")
    poses = predict_lifts(loaded.model, loaded.data())
    away = np.linalg.norm(poses.found - poses.found[:, :1] - poses.truth, axis=-1)
    assert found["figures"]["MPJPE"] == pytest.approx(1000 * away.mean(), rel=1e-4)
    assert found["frames"] == 160 and len(found["bins"]["counts"]) == len(EDGES) - 1
    empty = [place for place, count in enumerate(found["bins"]["counts"]) if not count]
    assert all(found["bins"]["means"]["LSE"][place] is None for place in empty)
    assert found["elsewhere"]["MPJPE"] != found["figures"]["MPJPE"]
