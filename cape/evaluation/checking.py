"""What arrays of confidences, truths and lengths must hold before anything is computed from them.

A NaN would otherwise pass through a mean, or be sorted to one end of a ranking, and nobody would know.
"""

from typing import Any

import numpy as np

from cape.errors import DataError, UsageError


def check_values(where: str, values: Any, *, low: float = -np.inf, high: float = np.inf, zero: bool = True) -> None:
    """Refuse an empty array, values that are not finite, and values outside a range.

    Args:
        where: What they are, for the message.
        values: Numbers of any shape.
        low: The least that is allowed.
        high: The most.
        zero: Whether `low` itself is allowed.

    Raises:
        DataError: As said.
    """
    found = np.asarray(values)
    if not found.size:
        raise DataError(where, expected="at least one value", got="none", fix="Check what they were collected from.")
    if wrong := int((~np.isfinite(found)).sum()):
        got = f"{wrong} of {found.size} that are NaN or infinite"
        raise DataError(where, expected="finite numbers", got=got, fix="Leave them out, or find where they come from.")
    if not ((found >= low) if zero else (found > low)).all() or not (found <= high).all():
        least = f"at least {low:g}" if zero else f"above {low:g}"
        bounds = least if high == np.inf else f"{least} and at most {high:g}"
        got = f"{found.min():.6g} to {found.max():.6g}"
        raise DataError(where, expected=f"numbers {bounds}", got=got, fix="Check their units, or calibrate them first.")


def check_same_shape(first: str, one: np.ndarray, second: str, other: np.ndarray) -> None:
    """Refuse two arrays of which one would be stretched to the other.

    Raises:
        UsageError: Their shapes differ.
    """
    if one.shape != other.shape:
        raise UsageError(
            f"{first} and {second}", expected="arrays of the same shape", got=f"{one.shape} and {other.shape}",
            fix="Give a value of both for each instance or keypoint.",
        )  # fmt: skip
