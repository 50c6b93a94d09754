"""From two dimensions to three, with a learnt structural loss: SEAL-pose, and any lifter, which it is without one.

    points ──▶ lifter ──▶ joints ──▶ error of places (and explicit structure)
                 │            └────▶ critic ──▶ α · energy      the lifter's step, critic frozen
                 └─ (evaluation mode, no gradient) ──▶ critic learns: truth below prediction     its step, first

The paper is "SEAL-pose: Enhancing 3D Human Pose Estimation via a Learned Loss for Structural Consistency". At test time
only the lifter works; the critic's energy is there as a score of plausibility.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from jaxtyping import Float
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from cape.data.skeletons import read_skeleton
from cape.errors import UsageError
from cape.losses.lifting import Error, bone_losses, motion_losses, place_loss
from cape.losses.negatives import detector_noise
from cape.losses.structural import gradient_ratio
from cape.models.critic import Critic
from cape.registry import MODELS
from cape.structures import Lift, Lifted

STREAM = 0x5EA1
"""Told apart from the run's seed, so that the critic draws other numbers than the lifter."""


@MODELS.register_module()
class Lifting(BaseModel):
    """A lifter, and what it learns from (specification §2). Without `critic` it is the baseline.

    The critic draws from a generator of its own, a function of the run's seed and the step: with α = 0 the lifter goes
    the baseline's way bit for bit, and a resumed run goes on as it would have.

    Args:
        skeleton: Joints and edges: a name in `annotations/skeletons`, or a JSON file like those.
        root: The joint that poses are relative to.
        lifter: A lifter; joints and edges are filled in.
        critic: `Critic` with a loss-net; None: no learnt loss.
        alpha: α, the energy's weight, beside an error of places in square metres (specification §6, §12: 1e-1 ruins a
            small lifter).
        warm_up: Steps over which α grows from 0.
        balance: "loss" is the paper's: α times the energy. "gradient": its gradient over the poses is α times as large
            as that of the rest of the loss, whatever units and slopes are.
        limit: The energy's gradient is at most so many times the rest's; None: no limit.
        error: See `place_loss`.
        joint_weights: Of the error.
        smoothness: Weight of the mean squared step between frames, MixSTE's.
        velocity: Weight of the error of velocities.
        bones: Weights of `bone_losses`, by name.
        noise: Of the points in training, see `detector_noise`; 0: none.
        flip_test: Lift the mirrored points, too, and average.

    Raises:
        UsageError: A number that makes no sense, weights of another number of joints, or a bone loss that is none.
        SkeletonError: The skeleton is not one.
    """

    mirror: Tensor
    edges: Tensor
    weights: Tensor | None
    steps: Tensor

    def __init__(
        self,
        *,
        skeleton: str = "coco",
        root: int = 0,
        lifter: dict,
        critic: dict | None = None,
        alpha: float = 1e-3,
        warm_up: int = 0,
        balance: Literal["loss", "gradient"] = "loss",
        limit: float | None = None,
        error: Error = "mse",
        joint_weights: Sequence[float] | None = None,
        smoothness: float = 0.0,
        velocity: float = 0.0,
        bones: dict[str, float] | None = None,
        noise: float = 0.0,
        flip_test: bool = False,
    ) -> None:
        super().__init__()
        self.skeleton = read_skeleton(skeleton)
        count, edges = len(self.skeleton), self.skeleton.edges
        _check_numbers(alpha=alpha, warm_up=warm_up, limit=limit or 0.0, noise=noise)
        _check_bones(bones or {})
        if joint_weights is not None and len(joint_weights) != count:
            got, fix = str(len(joint_weights)), "Say one for each, or none."
            raise UsageError("joint_weights", expected=f"{count} weights", got=got, fix=fix)
        self.alpha, self.warm_up, self.limit, self.noise = alpha, warm_up, limit, noise
        self.balance: Literal["loss", "gradient"] = balance
        self.error: Error = error
        self.smoothness, self.velocity, self.bones = smoothness, velocity, dict(bones or {})
        self.flip_test = flip_test
        self.register_buffer("mirror", torch.as_tensor(self.skeleton.mirror()), persistent=False)
        self.register_buffer("edges", torch.tensor(edges, dtype=torch.int64).reshape(-1, 2), persistent=False)
        weights = None if joint_weights is None else torch.tensor(joint_weights)
        self.register_buffer("weights", weights, persistent=False)

        facts = {"joints": count, "edges": edges}
        self.lifter = MODELS.build(_filled(lifter, facts))
        self.seed = torch.initial_seed() ^ STREAM
        self.critic: Critic | None = None
        if critic is not None:
            self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
            with _stream(self.seed):
                self.critic = MODELS.build({"type": "Critic", **critic, **facts, "root": root})

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] (a Lift's fields)
        self,
        points: Float[Tensor, "B T J 2"],
        *rest: Tensor,
        mode: str = "tensor",
    ) -> Any:
        """The three modes of mmengine.

        Args:
            points: Screen coordinates.
            rest: The other fields of a `Lift`, of which "tensor" needs none.
            mode: "tensor" gives the joints, "loss" the lifter's losses, "predict" a list of `Lifted`.
        """
        if mode == "tensor":
            return self.lifter(points)
        batch = Lift(points, *rest)
        return self.predict(points, batch.row) if mode == "predict" else self.losses(batch)

    def losses(self, batch: Lift) -> dict[str, Tensor]:
        """L_F: error of places and α times the energy (Eq. 7); the critic is in evaluation mode and learns nothing."""
        points, joints, mask = batch[:3]
        if self.training and self.noise:
            points = points + detector_noise(points, sigma=self.noise)
        found = self.lifter(points)
        losses = {"loss_pose": place_loss(found, joints, mask, error=self.error, weights=self.weights)}
        if self.smoothness or self.velocity:
            smooth, velocity = motion_losses(found, joints, weights=self.weights)
            losses |= {"loss_smoothness": self.smoothness * smooth, "loss_velocity": self.velocity * velocity}
        if self.bones:
            explicit = bone_losses(found[mask], joints[mask], edges=self.edges, mirror=self.mirror)
            losses |= {f"loss_{name}": weight * explicit[name] for name, weight in self.bones.items()}
        if self.critic is not None and (alpha := self.weight()):
            with _frozen(self.critic):
                energy = self.critic(points[mask], found[mask], joints[mask]).mean()
            losses |= self._weighed(energy, found, sum(losses.values()), alpha)
        return losses

    def weight(self) -> float:
        """α of this step."""
        return self.alpha * min(1.0, (int(self.steps) + 1) / self.warm_up) if self.warm_up else self.alpha

    def _weighed(self, energy: Tensor, found: Tensor, rest: Any, alpha: float) -> dict[str, Tensor]:
        """The energy's part of the loss."""
        if not found.requires_grad or (self.balance == "loss" and self.limit is None):
            return {"loss_energy": alpha * energy, "energy": energy.detach()}
        wanted, theirs = (torch.autograd.grad(each, found, retain_graph=True)[0] for each in (rest, energy))
        ratio = gradient_ratio(wanted, theirs)
        scale = alpha * ratio if self.balance == "gradient" else ratio.new_tensor(alpha)
        if self.limit is not None:
            scale = torch.minimum(scale, self.limit * ratio)
        return {"loss_energy": scale * energy, "energy": energy.detach(), "energy_scale": scale}

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """One step of Algorithm 1: the critic learns from the lifter as it is, then the lifter from the new critic.

        Args:
            data: A `Lift`, collated.
            optim_wrapper: Optimisers of `lifter` and `critic` by these names; without a critic one will do.

        Raises:
            UsageError: There is a critic, and no optimiser for it.
        """
        parts = optim_wrapper if isinstance(optim_wrapper, OptimWrapperDict) else {"lifter": optim_wrapper}
        if self.critic is None:
            return super().train_step(data, parts["lifter"])
        if "critic" not in parts:
            fix = "Give optim_wrapper = dict(lifter=..., critic=...)."
            raise UsageError("optim_wrapper", expected="an optimiser of the critic, too", got="one alone", fix=fix)
        told = self._teach(self.critic, data, parts["critic"])
        told |= super().train_step(data, parts["lifter"])
        self.steps += 1
        return told

    def _teach(self, critic: Critic, data: Any, optimiser: OptimWrapper) -> dict[str, Tensor]:
        """The critic's step. Nothing of it reaches the lifter, its batch statistics or the generator it draws from."""
        device = next(critic.parameters()).device
        with _stream(self.seed + int(self.steps) + 1, device), _evaluated(self.lifter):
            with optimiser.optim_context(critic):
                batch = Lift(*self.data_preprocessor(data, True))
                losses = critic.losses(batch, torch.no_grad()(self.lifter))
            parsed, told = self.parse_losses(losses)
            optimiser.update_params(parsed)
            critic.follow()
        return {f"critic_{name}": value for name, value in told.items()}

    @torch.no_grad()
    def predict(self, points: Float[Tensor, "B T J 2"], row: Any = None) -> list[Lifted]:
        """Joints in metres from the root, with the energy of each frame's pose; NaN without a critic that can say."""
        joints = self.lifter(points)
        if self.flip_test:
            joints = (joints + self._mirrored(points)) / 2
        energy = self.plausibility(points, joints) if self.judges else torch.full_like(points[..., 0, 0], torch.nan)
        rows = [-1] * len(points) if row is None else torch.as_tensor(row).tolist()
        return [Lifted(*each) for each in zip(joints.cpu(), energy.cpu(), rows, strict=True)]

    def _mirrored(self, points: Float[Tensor, "B T J 2"]) -> Float[Tensor, "B T J 3"]:
        """Joints of the mirrored points, turned back: x from right to left, left and right exchanged."""
        turned = self.lifter((points * points.new_tensor([-1.0, 1.0]))[..., self.mirror, :])
        return (turned * points.new_tensor([-1.0, 1.0, 1.0]))[..., self.mirror, :]

    @property
    def judges(self) -> bool:
        """Whether it can score a pose whose truth is not known."""
        return self.critic is not None and self.critic.sees != "residual"

    @torch.no_grad()
    def plausibility(self, points: Float[Tensor, "*B J 2"], joints: Float[Tensor, "*B J 3"]) -> Float[Tensor, "*B"]:
        """Structural energy of poses: the lower, the more plausible for these points.

        It tells poses of one picture apart. Nothing in the margin loss makes energies of two pictures comparable, and
        measured over pictures they rank worse than chance (specification §12): no confidence without calibration.

        Args:
            points: Screen coordinates, see `structures.Lift`.
            joints: Metres from the root.

        Raises:
            UsageError: There is no critic, or it judges residuals alone.
        """
        if self.critic is None:
            fix = "Load a model that was trained with one."
            raise UsageError("plausibility", expected="a critic", got="a lifter alone", fix=fix)
        with _evaluated(self.critic):
            return self.critic(points, joints)


@contextmanager
def _stream(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Draw from another generator, and leave torch's as they were."""
    devices = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def _evaluated(module: nn.Module) -> Iterator[None]:
    """In evaluation mode: without dropout, with the batch statistics that it has."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


@contextmanager
def _frozen(critic: nn.Module) -> Iterator[None]:
    """In evaluation mode, and without gradients of its weights."""
    learning = [each for each in critic.parameters() if each.requires_grad]
    for each in learning:
        each.requires_grad_(False)
    try:
        with _evaluated(critic):
            yield
    finally:
        for each in learning:
            each.requires_grad_(True)


def _filled(lifter: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a lifter, and of the one inside it, with the facts that their types know."""
    kind = MODELS.get(lifter.get("type", ""))
    known = set() if kind is None else set(inspect.signature(kind).parameters)
    nested = {
        key: _filled(value, facts) for key, value in lifter.items() if isinstance(value, dict) and "type" in value
    }
    return {**lifter, **nested, **{key: value for key, value in facts.items() if key in known}}


def _check_numbers(**numbers: float | int) -> None:
    for name, value in numbers.items():
        if not 0 <= value < float("inf"):
            raise UsageError(name, expected="a finite number of at least 0", got=str(value), fix="Say 0 for none.")


def _check_bones(bones: dict[str, float]) -> None:
    if odd := set(bones) - {"length", "symmetry", "direction"}:
        fix = "Leave the others out."
        raise UsageError("bones", expected="length, symmetry, direction", got=", ".join(sorted(odd)), fix=fix)
