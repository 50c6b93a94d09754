"""What trainings with several seeds say: means with their intervals, and differences from a baseline seed by seed."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from cape.errors import UsageError


class Estimate(NamedTuple):
    """A mean over seeds with its interval."""

    mean: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """-1 or 1 where the whole interval is on one side of 0, else 0."""
        return int(self.low > 0) - int(self.high < 0)


def estimate(values: Sequence[float], *, level: float = 0.95) -> Estimate:
    """Mean and Student's interval, which holds if seeds vary normally. Of one seed the interval is everything.

    Args:
        values: One a seed.
        level: Of the interval.

    Raises:
        UsageError: No values.

    Example:
        1, 2 and 3: mean 2, deviation 1, 4.303 deviations of the mean: -0.48 to 4.48.
    """
    if not len(values):
        raise UsageError("seeds", expected="at least one", got="none", fix="Give --seeds 0.")
    mean = float(np.mean(values))
    if len(values) == 1:
        return Estimate(mean, -np.inf, np.inf)
    reach = student.ppf((1 + level) / 2, len(values) - 1) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return Estimate(mean, mean - float(reach), mean + float(reach))


def paired_change(
    values: Mapping[int, float], baseline: Mapping[int, float], *, relative: bool = False, level: float = 0.95
) -> Estimate:
    """The change from the baseline, seed by seed: what the seed alone decides drops out.

    Args:
        values: By seed.
        baseline: By seed; seeds that only one of the two has are left out.
        relative: In percent of the baseline's mean over the shared seeds.
        level: Of the interval.

    Raises:
        UsageError: No seed that both have.
    """
    shared = sorted(set(values) & set(baseline))
    found = estimate([values[seed] - baseline[seed] for seed in shared], level=level)
    if not relative:
        return found
    unit = 100 / abs(float(np.mean([baseline[seed] for seed in shared])))
    return Estimate(*(unit * each for each in found))


def verdict(changes: Mapping[str, Mapping[str, Estimate]], *, lead: str) -> list[str]:
    """Plain words for each contender: which errors are lower than the baseline's beyond doubt, which higher.

    Args:
        changes: By contender and error, all of which are better when they are lower.
        lead: The error that decides whether a contender helps.
    """
    lines, compared = [], sum(map(len, changes.values()))
    for name, mine in changes.items():
        words = {-1: "lowers", 1: "raises"}
        told = [
            f"{words[sign]} {', '.join(f'{key} by {abs(mine[key].mean):.2f}' for key in keys)}"
            for sign in (-1, 1)
            if (keys := [key for key, each in mine.items() if each.sign == sign])
        ]
        rest = [key for key, each in mine.items() if not each.sign]
        told += [f"shows no difference in {', '.join(rest)}"] if rest else []
        helps = {-1: "helps", 0: f"is not shown to change {lead}", 1: "harms"}[mine[lead].sign]
        lines.append(f"{name} {helps} ({'; '.join(told)}).")
    chance = f"{0.05 * compared:.1f}"
    lines.append(
        f"{compared} comparisons, each with an interval of its own: about {chance} would exclude 0 by chance alone."
    )
    return lines


def written(found: Estimate, *, digits: int = 2, signed: bool = False) -> str:
    """`mean (low to high)`, the interval left out where there is none."""
    sign = "+" if signed else ""
    mean = f"{found.mean:{sign}.{digits}f}"
    return mean if np.isinf(found.high) else f"{mean} ({found.low:{sign}.{digits}f} to {found.high:{sign}.{digits}f})"
