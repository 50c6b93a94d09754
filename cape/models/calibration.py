"""Calibrated confidence for a pose network that stays as it is: CCNet.

    batch ──▶ network (frozen) ──▶ answer ─────────────────────────▶ the same poses
                    └▶ reader ──▶ evidence ──▶ head ──▶ accuracy ──▶ scores of keypoints ┐
                                                   └──▶ presence ──▶ is it shown? ───────┴▶ score of the pose

The paper is "On the Calibration of Human Pose Estimation". The network is in evaluation mode and gets no gradient, so
that its poses, and what recall they have, are bit for bit those it has alone; their ranking, hence AP, changes.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from mmengine.model import BaseModel
from torch import Tensor, nn

from cape.data.skeletons import read_sigmas
from cape.errors import DataError, UsageError
from cape.evaluation.aggregation import Rule, aggregate
from cape.evaluation.targets import Similarity, SoftlyWithin, Target, Within
from cape.losses.confidence import Regression, confidence_loss, presence_loss
from cape.registry import MODELS
from cape.structures import Confidence, Evidence, Judged, Observation, Outcome, Reading

Metric = Literal["oks", "pck", "soft_pck"]
KNOTS = 65


class Verdict(NamedTuple):
    """How far poses can be trusted: all from 0 to 1."""

    scores: Float[Tensor, "B K"]
    """Expected accuracy of each keypoint; 0 where none was asked for."""
    presence: Float[Tensor, "B K"]
    """Probability that the picture shows it."""
    mask: Bool[Tensor, "B K"]
    """Keypoints that were asked for."""

    def confidence(self, rule: Rule = "soft") -> Float[Tensor, "B"]:
        """Expected accuracy of the poses, of those of which nothing was asked 0; see `evaluation.aggregation`."""
        told = (each.double().cpu().numpy() for each in (self.scores, self.presence))
        pose = np.nan_to_num(aggregate(*told, rule=rule, asked=self.mask.cpu().numpy()))
        return torch.from_numpy(pose).to(self.scores)


@MODELS.register_module()
class CalibratedPose(BaseModel):
    """CCNet around any pose network.

    Args:
        network: The page whose answers are judged, or how to build it; it is frozen.
        reader: Which part of it to look at, see `models.readers`.
        head: Judges; its sizes are filled in. See `models.heads.confidence`.
        metric: What a confidence is the expectation of: similarity, or being near enough; see `evaluation.targets`.
        threshold: Of "pck" and "soft_pck".
        sigmas: Of "oks": a skeleton's by its name ("coco_wholebody"), one a keypoint, or one for all categories.
        loss: How confidence is learnt, see `confidence_loss`.
        presence_weight: λ of Eq. 22.
        aggregation: How keypoints make up the pose's confidence, see `evaluation.aggregation`.

    Attributes:
        knots: A rising curve over equal steps of the head's accuracy from 0 to 1: what is told in its place. The
            straight line, unless `recalibrate` has put another there (isotonic regression on other data).
    """

    knots: Float[Tensor, "M"]

    def __init__(
        self,
        *,
        network: dict | nn.Module,
        reader: dict,
        head: dict,
        metric: Metric = "pck",
        threshold: float = 0.2,
        sigmas: str | Sequence[float] | float = 0.08,
        loss: Regression = "squared",
        presence_weight: float = 0.02,
        aggregation: Rule = "soft",
    ) -> None:
        super().__init__()
        targets: dict[str, Callable[[], Target]] = {
            "oks": lambda: Similarity(sigmas=_sigmas(sigmas)),
            "pck": lambda: Within(threshold=threshold),
            "soft_pck": lambda: SoftlyWithin(threshold=threshold),
        }
        self.target = targets[metric]()
        self.loss: Regression = loss
        self.presence_weight = presence_weight
        self.aggregation: Rule = aggregation
        built = network if isinstance(network, nn.Module) else MODELS.build(network)
        self.network: Any = built.requires_grad_(False).eval()
        self.reader = MODELS.build(reader)
        sizes = {
            "keypoints": self.reader.keypoints_of(self.network),
            "channels": self.reader.channels_of(self.network),
            "width": self.reader.width_of(self.network),
            "cues": self.reader.cues,
        }
        self.head = MODELS.build({**sizes, **head})
        self.register_buffer("knots", torch.linspace(0, 1, KNOTS))

    def train(self, mode: bool = True) -> "CalibratedPose":
        """Training mode of the head alone: the network's statistics and dropout stay as in evaluation."""
        super().train(mode)
        self.network.eval()
        return self

    def forward(  # noqa: D417  # pyright: ignore[reportIncompatibleMethodOverride] (an Observation's fields)
        self,
        evidence: Evidence,
        outcome: Outcome,
        group: Int64[Tensor, "B"],
        row: Int64[Tensor, "B"],
        mode: str = "tensor",
    ) -> Any:
        """One batch of observations, field by field as mmengine unpacks an `Observation`.

        Args:
            mode: "loss" gives named scalars, "predict" a row of arrays for each pose, "tensor" logits.
        """
        if mode == "loss":
            return self.losses(self.head(evidence), evidence.mask, outcome)
        if mode == "predict":
            verdict = self.judge((evidence,))
            pose = verdict.confidence(self.aggregation)
            fields = (verdict.scores, verdict.presence, pose, *outcome, evidence.mask, group, row)
            return [Judged(*each) for each in zip(*(field.cpu() for field in fields), strict=True)]
        return self.head(evidence)

    def losses(self, found: Confidence, mask: Bool[Tensor, "B K"], outcome: Outcome) -> dict[str, Tensor]:
        """Accuracy (Eq. 20) and presence (Eq. 21, 22)."""
        return {
            "loss_confidence": confidence_loss(found, outcome, mask, loss=self.loss),
            "loss_presence": self.presence_weight * presence_loss(found, outcome, mask),
        }

    @torch.no_grad()
    def read(self, *batch: Any, **named: Any) -> Reading:
        """What the network makes of a batch of its own kind, and what there is to judge it by."""
        return self.reader(self.network, *batch, **named)

    def observe(self, reading: Reading) -> Observation:
        """What can be learnt from an answer whose truth is known; of feature maps what the head reads is kept.

        Raises:
            DataError: A size that is not positive.
        """
        counts = reading.labelled
        places = (each.double().cpu().numpy() for each in (reading.points, reading.truth, reading.size))
        accuracy = torch.from_numpy(self.target(*places)).float().to(counts.device) * counts
        outcome, evidence = Outcome(accuracy, counts, reading.known), reading.evidence[0]
        evidence = evidence._replace(feature=self.head.condensed(evidence.feature))
        return Observation(evidence, outcome, reading.group, reading.row)

    @torch.no_grad()
    def judge(self, views: Sequence[Evidence], mirror: Int64[Tensor, "K"] | None = None) -> Verdict:
        """How far an answer can be trusted.

        Args:
            views: Its evidence, `Reading.evidence`; with a mirrored view the mean of both.
            mirror: `Reading.mirror`: the mirrored view is judged as it is, then left and right are exchanged back.

        Raises:
            DataError: The head says something that is not a number, because there is one in the evidence.
        """
        heard = torch.stack([torch.stack(self.head(evidence)) for evidence in views])  # [V, 2, B, K]
        if not heard.isfinite().all():
            raise DataError(
                "confidence", expected="finite evidence and weights", got="some that are NaN or infinite",
                fix="Check the pictures, and the weights of network and head.",
            )  # fmt: skip
        if mirror is not None:
            heard[1:] = heard[1:][..., mirror]
        accuracy, presence = heard.sigmoid().unbind(dim=1)
        scores, presence = self.recalibrated(accuracy).mean(dim=0), presence.mean(dim=0)
        mask = views[0].mask
        return Verdict(scores * mask, presence * mask, mask)

    @torch.no_grad()
    def told(self, seen: Observation) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N"]]:
        """What the head says of all labelled keypoints, before `knots`, and what is true of them."""
        was, device = self.training, self.knots.device
        self.eval()
        heard = []
        for start in range(0, len(seen.row), 1024):
            some = (each[start : start + 1024].to(device) for each in seen.evidence)
            evidence = Evidence(*(each.float() if each.is_floating_point() else each for each in some))
            heard.append(self.head(evidence).accuracy.sigmoid().cpu())
        self.train(was)
        counts = seen.outcome.labelled & seen.evidence.mask
        return torch.cat(heard)[counts].double().numpy(), seen.outcome.accuracy[counts].double().numpy()

    def recalibrated(self, accuracy: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
        """The curve of `knots`, linear between them."""
        place = accuracy * (KNOTS - 1)
        below = place.floor().clamp(max=KNOTS - 2).long()
        low, high = self.knots[below], self.knots[below + 1]
        return low + (high - low) * (place - below)

    @torch.no_grad()
    def recalibrate(self, knots: Float[Tensor, "_"]) -> None:
        """Tell another curve's values from now on.

        Args:
            knots: 65 rising values from 0 to 1, for accuracies of 0, 1/64, 2/64, ... 1.

        Raises:
            UsageError: They are not.
        """
        curve = knots.to(self.knots)
        bad = curve.shape != self.knots.shape or not curve.isfinite().all()
        if bad or (curve.diff() < 0).any() or curve.min() < 0 or curve.max() > 1:
            raise UsageError(
                "recalibrate", expected=f"{KNOTS} rising values from 0 to 1", got=f"{tuple(curve.shape)}",
                fix="Fit them with `evaluation.recalibration.fit_isotonic`.",
            )  # fmt: skip
        self.knots.copy_(curve)

    @torch.no_grad()
    def start_at(self, seen: Observation) -> None:
        """Let an untrained head say of every keypoint what is usual (specification §3.3).

        Raises:
            DataError: No keypoint is labelled.
        """
        outcome, mask = seen.outcome, seen.evidence.mask
        labelled, known = outcome.labelled & mask, outcome.known & mask
        if not labelled.any():
            raise DataError(
                "observations", expected="labelled keypoints to learn from", got="none", fix="Check the data set."
            )
        rates = [outcome.accuracy[labelled].mean(), outcome.labelled[known].float().mean()]
        biases = torch.stack(rates).clamp(0.01, 0.99).logit()
        *_, last = (each for each in self.head.modules() if isinstance(each, nn.Linear))
        last.bias.copy_(biases.to(last.bias).repeat(len(last.bias) // 2))


def _sigmas(given: str | Sequence[float] | float) -> Float[np.ndarray, "_"] | float:
    if isinstance(given, str):
        return np.asarray(read_sigmas(given), dtype=np.float64)
    return float(given) if isinstance(given, float | int) else np.asarray(given, dtype=np.float64)
