"""How much of its score a model loses when its prompts are damaged, and whether a second modality makes up for it."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from cape.evaluation.comparison import Difference, Method, Split, paired_difference, split_means
from cape.evaluation.pck import HEADLINE, Interval

Runs = list[dict[int, Float[np.ndarray, "N"]]]
"""PCK@0.2 of each pair, in percent: per training run, by split."""
Role = Literal["visual", "text", "fused"]
"""What a model's prompts are made of."""
LOST = "share lost"


class Trial(NamedTuple):
    """One model under damage."""

    name: str
    role: Role
    clean: Runs
    damaged: dict[str, dict[float, Runs]]
    """By kind and rate. Kinds that do not concern the model are not in it: its score stays the clean one."""

    def under(self, kind: str, rate: float) -> Runs:
        """The scores at a rate."""
        return self.damaged.get(kind, {}).get(rate, self.clean)


def mean_score(runs: Runs) -> float:
    """Mean over runs and splits of the mean over pairs."""
    return float(np.mean([[scores.mean() for scores in run.values()] for run in runs]))


def share_lost(trial: Trial, kind: str, rates: list[float]) -> Method:
    """What each pair adds to 1 - PCK(rate) / PCK(0), in percent, averaged over rates.

    Its mean over splits and runs is the share of the clean score that is lost. The denominator is the model's mean, so
    that the bootstrap of `comparison` applies, which then takes it as known.
    """
    whole = mean_score(trial.clean)
    lost = []
    for place, clean in enumerate(trial.clean):
        damaged = {split: np.mean([trial.under(kind, rate)[place][split] for rate in rates], axis=0) for split in clean}
        lost.append({split: {LOST: 100 * (clean[split] - damaged[split]) / max(whole, 1e-9)} for split in clean})
    return Method(trial.name, lost)


def score_table(trials: list[Trial], kind: str, rates: list[float]) -> tuple[list[str], list[list[str]]]:
    """PCK@0.2 at each rate, and the share of the clean score that is lost there."""
    heads = [kind, "clean", *(f"{rate:g}" for rate in rates), *(f"lost at {rate:g}" for rate in rates)]
    rows = []
    for trial in trials:
        whole = mean_score(trial.clean)
        scores = [mean_score(trial.under(kind, rate)) for rate in rates]
        shares = [100 * (whole - score) / max(whole, 1e-9) for score in scores]
        rows.append([
            trial.name, *(f"{score:.2f}" for score in (whole, *scores)), *(f"{share:.1f} %" for share in shares)
        ])  # fmt: skip
    return heads, rows


def extra_loss(
    fused: Trial, branch: Trial, kind: str, rates: list[float], splits: dict[int, Split]
) -> tuple[float, float, Difference]:
    """Shares lost by a fused model and by the branch that is damaged, and the first minus the second."""
    one, other = (share_lost(trial, kind, rates) for trial in (fused, branch))
    own, its = (float(split_means(each, splits, LOST).mean()) for each in (one, other))
    return own, its, paired_difference(one, other, splits, LOST)


def verdicts(
    trials: list[Trial], kind: str, rates: list[float], splits: dict[int, Split], *, damages: Role
) -> list[str]:
    """For each fused model: does it lose no larger share, at any rate, than the branch that is damaged? A line each.

    The answer is about the worst rate, by its point estimate: a mean over rates would hide one that loses more.

    Args:
        trials: The models; the first of role `damages` is the branch. Without one there is nothing to say.
        kind: Of the damage.
        rates: Averaged over, and judged one by one.
        splits: The pairs.
        damages: The branch.
    """
    branch = next((trial for trial in trials if trial.role == damages), None)
    if branch is None:
        return []
    lines = []
    for trial in trials:
        if trial.role == "fused":
            own, its, difference = extra_loss(trial, branch, kind, rates, splits)
            span = difference.interval
            doubt = "" if span.high < 0 or span.low > 0 else ", though the interval holds 0"
            each = [(extra_loss(trial, branch, kind, [rate], splits)[2].interval, rate) for rate in rates]
            worst, rate = max(each, key=lambda found: found[0].mean)
            lines.append(
                f"{kind}: {trial.name} loses {own:.1f} %, {branch.name} {its:.1f} %; difference "
                f"{_signed(span)}{doubt}; at worst at {rate:g}: {_signed(worst)}. "
                f"No larger share: {'yes' if worst.mean <= 0 else 'no'}."
            )
    return lines


def fallback_table(
    trials: list[Trial], kind: str, rate: float, splits: dict[int, Split], *, damages: Role
) -> list[list[str]]:
    """What a fused model with one modality damaged still has of a model that never had it: a row per fused model.

    Args:
        trials: The models; the first with only the other modality is compared with.
        kind: Of the damage; "empty" at rate 1 takes all names away, "unclicked" all clicks.
        rate: Of it.
        splits: The pairs.
        damages: The modality that it hits.

    Returns:
        Rows of `FALLBACK`.
    """
    other = next((trial for trial in trials if trial.role not in ("fused", damages)), None)
    rows = []
    for trial in trials:
        if trial.role == "fused" and other is not None:
            first, second = (
                _method(each.name, runs) for each, runs in ((trial, trial.under(kind, rate)), (other, other.clean))
            )
            span = paired_difference(first, second, splits, HEADLINE).interval
            rows.append([
                f"{kind} {rate:g}", trial.name, f"{mean_score(trial.under(kind, rate)):.2f}", other.name,
                f"{mean_score(other.clean):.2f}", f"{span.mean:+.2f}", f"{span.low:+.2f} to {span.high:+.2f}",
            ])  # fmt: skip
    return rows


FALLBACK = ["damage", "model", HEADLINE, "with the other modality alone", HEADLINE, "difference", "95 % interval"]


def _signed(span: Interval) -> str:
    return f"{span.mean:+.1f} ({span.low:+.1f} to {span.high:+.1f})"


def _method(name: str, runs: Runs) -> Method:
    return Method(name, [{split: {HEADLINE: scores} for split, scores in run.items()} for run in runs])
