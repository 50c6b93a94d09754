"""The lifting page: Algorithm 1 step by step, with α = 0 the baseline, and what it says in the end."""

import copy
from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from cape.errors import UsageError
from cape.registry import MODELS
from cape.structures import Lift

JOINTS = 17
LIFTER = {"type": "SimpleBaseline", "width": 32, "stages": 1, "root": None}  # dropout and batch statistics
GRAPH = {"type": "GraphEnergy", "width": 16, "heads": 2, "layers": 1, "dropout": 0.1}
MLP = {"type": "MLPEnergy", "width": 32}


def build(*, seed: int = 0, critic: dict | None = None, **options: Any) -> Any:
    torch.manual_seed(seed)
    return MODELS.build({"type": "Lifting", "skeleton": "coco", "lifter": LIFTER, "critic": critic, **options})


def optimisers(model: Any, *, lr: float = 1e-2) -> Any:
    parts = {"lifter": model.lifter} | ({} if model.critic is None else {"critic": model.critic})
    return OptimWrapperDict(
        **{name: OptimWrapper(torch.optim.Adam(part.parameters(), lr=lr)) for name, part in parts.items()}
    )


def windows(batch: int = 8, frames: int = 1, *, seed: int = 5) -> Lift:
    generator = torch.Generator().manual_seed(seed)
    joints = 0.3 * torch.randn(batch, frames, JOINTS, 3, generator=generator)
    points = joints[..., :2] + 0.01 * torch.randn(batch, frames, JOINTS, 2, generator=generator)
    everywhere = torch.ones(batch, frames, dtype=torch.bool)
    return Lift(points, joints, everywhere, torch.zeros(batch, frames, 3), torch.zeros(batch, 9), torch.arange(batch))


def state(module: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(module.state_dict())


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("energy", [GRAPH, MLP], ids=["graph", "mlp"])
def test_with_alpha_0_the_lifter_goes_the_way_of_the_baseline(energy: dict) -> None:
    """Bit for bit, dropout included, though the critic draws dropout and noise of its own."""
    baseline = build(noise=0.01)
    seal = build(noise=0.01, alpha=0.0, critic={"energy": energy, "negatives": ("prediction", "noise")})
    assert same(state(baseline.lifter), state(seal.lifter))
    started = state(seal.critic)
    plain, both = OptimWrapper(torch.optim.Adam(baseline.parameters(), lr=1e-2)), optimisers(seal)
    torch.manual_seed(1)
    alone = [baseline.train_step(windows(seed=step), plain) for step in range(5)]
    torch.manual_seed(1)
    beside = [seal.train_step(windows(seed=step), both) for step in range(5)]
    assert same(state(baseline.lifter), state(seal.lifter))
    assert [each["loss_pose"].item() for each in alone] == [each["loss_pose"].item() for each in beside]
    assert not same(started, state(seal.critic)), "the critic has learnt"
    assert torch.equal(torch.rand(3), torch.rand(3)) is False


def test_with_an_energy_it_goes_another() -> None:
    baseline, seal = build(), build(alpha=1e-2, critic={"energy": MLP})
    for model in (baseline, seal):
        wrappers = optimisers(model)
        torch.manual_seed(1)
        for step in range(3):
            model.train_step(windows(seed=step), wrappers)
    assert not same(state(baseline.lifter), state(seal.lifter))


@pytest.mark.parametrize(
    "options",
    [
        {}, {"objective": "nce"}, {"objective": "score"}, {"margin": "batch"}, {"pair": "perturbed"},
        {"negatives": ("prediction", "noise")}, {"spectral": True}, {"penalty": 0.1}, {"momentum": 0.1},
        {"sees": "bones"}, {"sees": "residual"}, {"pair": "separate"}, {"pair": "smooth", "objective": "nce"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("energy", [GRAPH, MLP], ids=["graph", "mlp"])
def test_each_step_moves_its_own_part(options: dict, energy: dict) -> None:
    model = build(alpha=1e-2, critic={"energy": energy, **options}).train()
    frames = 5 if options.get("pair") in ("separate", "smooth") else 2
    batch, wrappers = windows(frames=frames), optimisers(model)
    moments: list[tuple[dict, dict, list]] = []

    class Watched(OptimWrapper):
        def step(self, **kwargs: Any) -> None:
            gradients = [name for name, each in model.critic.energy.named_parameters() if each.grad is None]
            moments.append((state(model.lifter), state(model.critic), gradients))
            super().step(**kwargs)

    for name in ("lifter", "critic"):
        wrappers.optim_wrappers[name] = Watched(wrappers[name].optimizer)
    before, told = (state(model.lifter), state(model.critic)), model.train_step(batch, wrappers)
    after = (state(model.lifter), state(model.critic))
    assert len(moments) == 2
    first, second = moments
    assert same(first[0], before[0]), "the critic's step has left the lifter and its statistics alone"
    # A score is a slope, of which a constant is no part
    constant = 1 if options.get("objective") == "score" else 0
    assert len(first[2]) == constant, "and reached every weight of the critic"
    assert same(second[1], after[1]), "the lifter's step has left the critic alone"
    assert len(second[2]) == len(list(model.critic.energy.parameters())), "which has no gradients of it"
    assert not same(after[0], before[0])
    assert not same(after[1], before[1])
    assert model.training and model.critic.training and model.lifter.training
    assert all(each.requires_grad for each in model.critic.energy.parameters())
    assert all(torch.as_tensor(value).isfinite() for value in told.values()), told


def test_the_gradient_of_the_energy_is_alpha_times_the_chain_rule() -> None:
    """α dE/dy dF/dφ, by differences of the energy along one direction of the weights."""
    model = build(alpha=0.3, critic={"energy": {**GRAPH, "dropout": 0.0}}).double().eval()
    batch = windows()
    batch = batch._replace(**{name: getattr(batch, name).double() for name in ("points", "joints")})
    energy = model.losses(batch)["loss_energy"]
    energy.backward()
    parameter = model.lifter.last.weight
    assert all(each.grad is None for each in model.critic.parameters())
    direction, step = torch.randn_like(parameter), 1e-5
    with torch.no_grad():
        values = []
        for sign in (1, -1):
            parameter += sign * step * direction
            values.append(0.3 * model.critic(batch.points, model.lifter(batch.points)).mean())
            parameter -= sign * step * direction
    slope = (values[0] - values[1]) / (2 * step)
    torch.testing.assert_close((parameter.grad * direction).sum(), slope, rtol=1e-6, atol=1e-9)


def test_the_scale_of_the_energy_can_be_that_of_the_rest() -> None:
    """With balance="gradient" the energy's gradient over the poses has α times the norm of the rest's; limits hold."""
    batch = windows()
    for options, expected in (({"balance": "gradient", "alpha": 0.25}, 0.25), ({"alpha": 1e3, "limit": 0.5}, 0.5)):
        model = build(critic={"energy": MLP}, **options).eval()
        found: list[Tensor] = []
        model.lifter.register_forward_hook(lambda *arguments, found=found: found.append(arguments[-1]))
        losses = model.losses(batch)
        wanted, theirs = (
            torch.autograd.grad(losses[name], found[0], retain_graph=True)[0] for name in ("loss_pose", "loss_energy")
        )
        torch.testing.assert_close(theirs.norm() / wanted.norm(), torch.tensor(expected))


def test_alpha_grows() -> None:
    model = build(alpha=0.4, warm_up=4, critic={"energy": MLP})
    wrappers, seen = optimisers(model), []
    for step in range(5):
        seen.append(model.weight())
        model.train_step(windows(seed=step), wrappers)
    assert seen == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])


def test_the_critic_learns_to_tell_truth_from_predictions() -> None:
    model = build(alpha=0.0, critic={"energy": GRAPH})
    wrappers = optimisers(model, lr=3e-3)
    told = [model.train_step(windows(64, seed=step), wrappers) for step in range(40)]
    ranked = [float(each["critic_ranked"]) for each in told]
    assert sum(ranked[-5:]) / 5 > 0.9, ranked


def test_negatives_from_outside() -> None:
    model = build(critic={"energy": MLP, "negatives": ("given",)})
    wrappers = optimisers(model)
    with pytest.raises(UsageError, match="hypotheses"):
        model.train_step(windows(), wrappers)
    asked: list[Lift] = []
    model.critic.hypotheses = lambda batch: (asked.append(batch), batch.joints + 1)[1]
    model.train_step(windows(), wrappers)
    assert len(asked) == 1 and isinstance(asked[0], Lift)


def test_padded_frames_are_not_judged() -> None:
    model = build(critic={"energy": MLP}).eval()
    batch, mask = windows(4, 3), torch.ones(4, 3, dtype=torch.bool)
    mask[:, 2] = False
    batch = batch._replace(mask=mask)
    broken = batch._replace(joints=batch.joints.masked_fill(~mask[..., None, None], 50.0))
    for losses in (model.losses, lambda each: model.critic.losses(each, torch.no_grad()(model.lifter))):
        one, other = losses(batch), losses(broken)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one), one


def test_modes() -> None:
    model = build(critic={"energy": GRAPH}, flip_test=True).eval()
    batch = windows(3, 2)
    assert model(batch.points).shape == (3, 2, JOINTS, 3)
    found = model(*batch, mode="predict")
    assert [each.row for each in found] == [0, 1, 2]
    assert found[0].joints.shape == (2, JOINTS, 3) and found[0].energy.shape == (2,)
    torch.testing.assert_close(
        found[1].energy, model.plausibility(batch.points, torch.stack([f.joints for f in found]))[1]
    )
    # A mirrored person is found mirrored
    turn = torch.tensor([-1.0, 1.0])
    mirrored = batch._replace(points=(batch.points * turn)[..., model.mirror, :])
    again = model(*mirrored, mode="predict")[1].joints * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(again[:, model.mirror], found[1].joints)


def test_without_a_critic_nothing_judges(refused) -> None:
    model, batch = build().eval(), windows(3)
    assert model(*batch, mode="predict")[0].energy.isnan().all()
    with refused(UsageError, "critic"):
        model.plausibility(batch.points, batch.joints)
    residual = build(critic={"energy": MLP, "sees": "residual"}).eval()
    assert residual(*batch, mode="predict")[0].energy.isnan().all()
    with refused(UsageError, "truth"):
        residual.plausibility(batch.points, batch.joints)


def test_bones_count_from_the_root() -> None:
    critic = MODELS.build({"type": "Critic", "energy": MLP, "joints": 4, "edges": [(1, 0), (2, 1)], "sees": "bones"})
    assert critic.parents.tolist() == [0, 0, 1, 3]
    joints = torch.randn(2, 4, 3)
    moved = joints + torch.tensor([0.0, 1.0, 2.0])
    seen = critic._seen(joints, None)
    assert not seen[:, [0, 3]].any()
    torch.testing.assert_close(seen[:, 2], joints[:, 2] - joints[:, 1])
    torch.testing.assert_close(critic._seen(moved, None), seen)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": -1.0}, "alpha"), ({"alpha": float("nan")}, "alpha"), ({"joint_weights": [1.0]}, "17 weights"),
        ({"bones": {"lenght": 1.0}}, "lenght"), ({"critic": {"energy": MLP, "negatives": ()}}, "negatives"),
        ({"critic": {"energy": MLP, "negatives": ("diffusion",)}}, "diffusion"),
        ({"critic": {"energy": MLP, "copies": 1}}, "copies"), ({"critic": {"energy": MLP, "sigma": 0.0}}, "sigma"),
        ({"critic": {"energy": MLP}, "root": 17}, "root"), ({"warm_up": -1}, "warm_up"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(options: dict, words: str, refused) -> None:
    with refused(UsageError, words):
        build(**options)


def test_windows_need_frames_and_a_critic_an_optimiser(refused) -> None:
    model = build(critic={"energy": MLP, "pair": "separate", "window": 3})
    with refused(UsageError, "more than 3 frames"):
        model.train_step(windows(frames=3), optimisers(model))
    with refused(UsageError, "optim_wrapper"):
        model.train_step(windows(frames=5), OptimWrapper(torch.optim.Adam(model.parameters(), lr=1e-3)))
