"""A loss-net and how it learns: what SEAL-pose puts beside a lifter while that trains (specification §2 to §4)."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from cape.errors import UsageError
from cape.losses.negatives import disk_noise, ordered_pairs, window_means, window_starts
from cape.losses.structural import (
    Margin,
    margin_loss,
    ordered_loss,
    pose_distance,
    ranking_loss,
    score_loss,
    slope_penalty,
    window_loss,
)
from cape.registry import MODELS
from cape.structures import Lift

Negative = Literal["prediction", "noise", "given"]
Pair = Literal["none", "perturbed", "separate", "smooth"]
Sees = Literal["joints", "bones", "residual"]
Lifter = Callable[[Float[Tensor, "B T J 2"]], Float[Tensor, "B T J 3"]]


@MODELS.register_module()
class Critic(nn.Module):
    """The loss-net, its negatives and its losses.

    As the paper has it with its defaults; `spectral`, `penalty`, `momentum`, `objective="score"`, negatives of noise
    and `sees` are this library's, for finding a form that helps.

    Args:
        energy: A loss-net; joints and edges are filled in.
        joints: J.
        edges: Pairs of joints.
        root: The joint from which bones are counted.
        objective: "margin" (Eq. 9), "nce" (Eq. 10), or "score", denoising score matching, which has no negatives.
        margin: See `margin_loss`; the official code's is "batch".
        negatives: "prediction" is the lifter's, "noise" the truth with normal noise in three dimensions, "given" what
            `hypotheses` says, diffusion models' samples for example. Their losses are averaged.
        sigma: Of that noise and of "score", in metres.
        pair: Compares wrong poses with each other, too: "perturbed" those that the lifter makes of perturbed points;
            "separate" and "smooth" windows of a sequence, see `window_loss`.
        pair_weight: Of its loss.
        kappa: κ of its margin.
        copies: Perturbed points of each pose.
        radius: Of the disk in which they lie, in screen coordinates.
        window: Frames.
        sees: What of a pose is judged: "joints"; "bones", each joint from the one before it on the way to the root; or
            "residual", what a pose differs from the truth by, a learnt measure of error that only training has.
        spectral: Spectral normalisation of all linear layers.
        penalty: Weight of the squared slope of the energy over negatives.
        momentum: The lifter is judged by an exponential mean of the loss-net with this share of the newest; None: by
            the loss-net as it is.

    Raises:
        UsageError: No or unknown negatives, fewer than two copies, or a number that makes no sense.
    """

    parents: Tensor

    def __init__(
        self,
        *,
        energy: dict,
        joints: int = 17,
        edges: Sequence[Sequence[int]] = (),
        root: int = 0,
        objective: Literal["margin", "nce", "score"] = "margin",
        margin: Margin = "sample",
        negatives: Sequence[str] = ("prediction",),
        sigma: float = 0.03,
        pair: Pair = "none",
        pair_weight: float = 1e-3,
        kappa: float = 1.0,
        copies: int = 4,
        radius: float = 0.03,
        window: int = 3,
        sees: Sees = "joints",
        spectral: bool = False,
        penalty: float = 0.0,
        momentum: float | None = None,
    ) -> None:
        super().__init__()
        if not negatives or not set(negatives) <= set(get_args(Negative)):
            known, fix = ", ".join(get_args(Negative)), "Choose among them."
            raise UsageError("negatives", expected=f"some of {known}", got=str(list(negatives)), fix=fix)
        for name, value, least in (("copies", copies, 2), ("window", window, 1)):
            if value < least:
                raise UsageError(name, expected=f"at least {least}", got=str(value), fix="Say more.")
        if not (
            sigma > 0 and radius > 0 and penalty >= 0 and pair_weight >= 0 and (momentum is None or 0 < momentum <= 1)
        ):
            got = f"{sigma}, {radius}, {penalty}, {pair_weight}, {momentum}"
            where, expected = "sigma, radius, penalty, pair_weight, momentum", "positive numbers, momentum up to 1"
            raise UsageError(where, expected=expected, got=got, fix="Check them.")
        known_edges = [tuple(edge) for edge in edges]
        facts = {"joints": joints} | ({"edges": known_edges} if energy.get("type") == "GraphEnergy" else {})
        self.energy = MODELS.build({**energy, **facts})
        if spectral:
            for module in [each for each in self.energy.modules() if isinstance(each, nn.Linear)]:
                spectral_norm(module)
        self.mean = None if momentum is None else copy.deepcopy(self.energy).requires_grad_(False)
        self.register_buffer("parents", torch.tensor(parents_of(joints, known_edges, root)), persistent=False)
        self.margin: Margin = margin
        self.objective, self.negatives, self.sigma = objective, tuple(negatives), sigma
        self.pair, self.pair_weight, self.kappa = pair, pair_weight, kappa
        self.copies, self.radius, self.window = copies, radius, window
        self.sees, self.penalty, self.momentum = sees, penalty, momentum
        self.hypotheses: Callable[[Lift], Float[Tensor, "B T J 3"]] | None = None
        """Poses from outside, for negatives that are "given"."""

    def forward(
        self,
        points: Float[Tensor, "*B J 2"],
        joints: Float[Tensor, "*B J 3"],
        truth: Float[Tensor, "*B J 3"] | None = None,
    ) -> Float[Tensor, "*B"]:
        """Energies of poses, the lower the more plausible, by the mean of the loss-net where there is one.

        Args:
            points: Screen coordinates.
            joints: Metres from the root.
            truth: Needed where the residual is judged.
        """
        return (self.energy if self.mean is None else self.mean)(points, self._seen(joints, truth))

    def _seen(self, joints: Float[Tensor, "*B J 3"], truth: Float[Tensor, "*B J 3"] | None) -> Float[Tensor, "*B J 3"]:
        if self.sees == "bones":
            return joints - joints[..., self.parents, :]
        if self.sees == "joints":
            return joints
        if truth is None:
            fix = "Train with another `sees` to judge poses whose truth is not known."
            raise UsageError("energy of a residual", expected="the truth", got="none", fix=fix)
        return joints - truth

    def losses(self, batch: Lift, lift: Lifter) -> dict[str, Float[Tensor, ""]]:
        """L_E of one batch, with a few figures beside it.

        Args:
            batch: Windows; frames that its mask leaves out are not judged.
            lift: The lifter as it is, without a gradient.
        """
        whole = self.pair in ("separate", "smooth")
        mask = torch.ones_like(batch.mask) if whole else batch.mask  # windows are of frames in a row
        points, truth = batch.points[mask], batch.joints[mask]  # [M, J, 2 or 3]
        if self.objective == "score":
            noise = torch.randn_like(truth)
            poses = (truth + self.sigma * noise).requires_grad_()
            return {"loss_score": score_loss(self._taught(points, poses, truth), poses, noise, sigma=self.sigma)}

        # All poses in one pass: the truth, its negatives, and what is compared with each other
        wrong = self._wrong(batch, lift, mask)
        count = len(wrong)
        perturbed, errors = self._perturbed(batch, lift, mask) if self.pair == "perturbed" else (wrong[:0], None)
        wrong = torch.cat([wrong, perturbed]).requires_grad_(self.penalty > 0)  # [R, M, J, 3]
        poses = torch.cat([truth[None], wrong])
        energies = self._taught(points.expand(len(poses), -1, -1, -1), poses, truth.expand_as(poses))
        right, false = energies[0].expand(count, -1), energies[1 : 1 + count]  # [R, M]

        counts = batch.mask[mask]
        distance = pose_distance(wrong[:count].detach(), truth.expand(count, -1, -1, -1))
        losses = self._ranking(*(each[:, counts] for each in (right, false, distance)))
        if errors is not None:
            losses["loss_pair"] = self.pair_weight * self._order(wrong[count:].detach(), energies[1 + count :], errors)
        if whole:
            judged = truth if self.pair == "smooth" else wrong[0].detach()
            losses["loss_pair"] = self.pair_weight * self._windows(false[0], judged, batch.mask)
        if self.penalty:
            losses["loss_slope"] = self.penalty * slope_penalty(energies[1:], wrong)
        return losses

    def _taught(self, points: Tensor, poses: Tensor, truth: Tensor) -> Float[Tensor, "*B"]:
        return self.energy(points, self._seen(poses, truth))

    def _ranking(
        self, right: Float[Tensor, "R M"], false: Float[Tensor, "R M"], distance: Float[Tensor, "R M"]
    ) -> dict[str, Float[Tensor, ""]]:
        if self.objective == "margin":
            loss = margin_loss(right, false, distance, margin=self.margin)
        else:
            loss = ranking_loss(right, false)
        told = {"truth": right.detach().mean(), "negative": false.detach().mean()}
        return {"loss_ranking": loss, **told, "ranked": (right < false).float().mean()}

    def _wrong(self, batch: Lift, lift: Lifter, mask: Bool[Tensor, "B T"]) -> Float[Tensor, "R M J 3"]:
        """Negatives of each kind."""
        found = []
        for kind in self.negatives:
            if kind == "prediction":
                found.append(lift(batch.points)[mask])
            elif kind == "noise":
                truth = batch.joints[mask]
                found.append(truth + self.sigma * torch.randn_like(truth))
            elif self.hypotheses is None:
                fix = "Set the critic's `hypotheses`, a function of the batch."
                raise UsageError("negatives", expected="poses that are given", got="none", fix=fix)
            else:
                found.append(self.hypotheses(batch)[mask].detach())
        return torch.stack(found)

    def _perturbed(
        self, batch: Lift, lift: Lifter, mask: Bool[Tensor, "B T"]
    ) -> tuple[Float[Tensor, "R M J 3"], Float[Tensor, "R M"]]:
        """What becomes of perturbed points, and how far those are from the ones that were seen."""
        points = batch.points.expand(self.copies, *batch.points.shape)
        noise = disk_noise(points, radius=self.radius)
        poses = lift((points + noise).flatten(0, 1)).unflatten(0, (self.copies, -1))
        return poses[:, mask], noise.norm(dim=-1).mean(dim=-1)[:, mask]

    def _order(
        self, poses: Float[Tensor, "R M J 3"], energies: Float[Tensor, "R M"], errors: Float[Tensor, "R M"]
    ) -> Float[Tensor, ""]:
        pairs = ordered_pairs(errors)
        columns = torch.arange(errors.shape[1], device=errors.device)
        distance = pose_distance(poses[pairs.worse, columns], poses[pairs.better, columns])
        return ordered_loss(
            energies.gather(0, pairs.better), energies.gather(0, pairs.worse), distance, kappa=self.kappa
        )

    def _windows(
        self, energies: Float[Tensor, "M"], poses: Float[Tensor, "M J 3"], mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, ""]:
        frames = mask.shape[1]
        if frames <= self.window:
            got, fix = f"{frames} frames", "Give longer windows of data, or a shorter `window`."
            raise UsageError("pair", expected=f"more than {self.window} frames", got=got, fix=fix)
        energies, poses = energies.unflatten(0, mask.shape), poses.unflatten(0, mask.shape)
        starts = window_starts(frames, self.window, like=mask)
        one, other = (window_means(energies, start, self.window) for start in starts)
        there, here = (window_means(poses, start, self.window) for start in starts)
        mode: Any = self.pair
        return window_loss(one, other, pose_distance(there, here), mode=mode, kappa=self.kappa)

    @torch.no_grad()
    def follow(self) -> None:
        """Let the mean take the newest weights in."""
        if self.mean is not None and self.momentum is not None:
            newest = self.energy.state_dict()
            for name, value in self.mean.state_dict().items():
                value.lerp_(newest[name], self.momentum) if value.is_floating_point() else value.copy_(newest[name])


def parents_of(joints: int, edges: Sequence[Sequence[int]], root: int) -> list[int]:
    """The joint before each on the way to the root; itself of the root, and where there is no way.

    Raises:
        UsageError: The root is no joint.
    """
    if not 0 <= root < joints:
        raise UsageError("root", expected=f"a joint below {joints}", got=str(root), fix="Say 0, the pelvis.")
    parents, front = list(range(joints)), [root]
    reached = {root}
    while front:
        joint = front.pop(0)
        for edge in edges:
            other = edge[0] + edge[1] - joint
            if joint in edge and other not in reached:
                parents[other] = joint
                reached.add(other)
                front.append(other)
    return parents
