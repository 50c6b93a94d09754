"""What clicks say of the meaning of names: which side is meant, and what is not what it is called.

A whole-body model looks at the clicked pictures; a click counts by its distance from what that finds, as a share of the
box that was looked at. What the names alone say is `data.anatomy`.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from cape.data.anatomy import Meant

REACH = 0.1
"""Further away, in longest sides of the box, a click is of something else."""
FAR = 10.0
"""Distances count no more than this: of keypoints that were not found, for example."""


class Mapped(NamedTuple):
    """Which keypoints of a prompt a whole-body model finds, and why; `print` it for a report."""

    model: str
    """Fingerprint of that model: another one maps anew. "" where none has."""
    wish: bool | None
    """What was asked for: the keypoints of a person, of none, or whatever the names say."""
    names: tuple[str, ...] = ()
    """K names of the prompt, "" where a keypoint has none."""
    keypoints: tuple[str, ...] = ()
    """What they are called in that model's skeleton; "" where it finds none, and the few-shot model does."""
    reasons: tuple[str, ...] = ()
    """Why."""
    verdict: str = ""
    """Of the prompt as a whole."""

    @property
    def found(self) -> tuple[int, ...]:
        """Indices of the keypoints that the whole-body model finds."""
        return tuple(index for index, name in enumerate(self.keypoints) if name)

    def __str__(self) -> str:
        rows = zip(self.names, self.keypoints, self.reasons, strict=True)
        return "\n".join(
            [self.verdict, *(f"  {name or '-'}: {found or 'few-shot'} ({why})" for name, found, why in rows)]
        )

    @classmethod
    def read(cls, content: dict[str, Any], names: tuple[str, ...]) -> "Mapped":
        """Out of a prompt file's header, `_asdict` as JSON without the names.

        Raises:
            ValueError, KeyError, TypeError: It is damaged.
        """
        keypoints, reasons = (tuple(map(str, content[key])) for key in ("keypoints", "reasons"))
        wish, fits = content["wish"], len(keypoints) in (0, len(names)) and len(reasons) == len(keypoints)
        if not fits or wish not in (None, True, False):
            raise ValueError("a mapping to a person's skeleton that does not fit the names")
        known = names if keypoints else ()
        return cls(str(content["model"]), wish, known, keypoints, reasons, str(content["verdict"]))


class Settled(NamedTuple):
    """What the names of a prompt mean, once its clicks have been looked at."""

    keypoint: Int[np.ndarray, "K"]
    """Of M, -1 for none."""
    reasons: tuple[str, ...]
    """Why, for people."""
    viewer: bool
    """Left is the viewer's left in this prompt."""


def settle(
    meant: Meant, away: Float[np.ndarray, "K M"], *, mirror: Int[np.ndarray, "M"], names: tuple[str, ...]
) -> Settled:
    """Let clicks choose, exchange and cancel.

    In this order: left is the viewer's in this prompt where that brings the clicks of named sides at least twice as
    near, and within `REACH`; a click further than `REACH` from what its name means cancels that; of what a name leaves
    open its click takes the nearest, within `REACH`, one to one. What has no click stays as its name says, and what
    that leaves open means nothing.

    Whose left it is can be told where the person of the support faces the viewer, and is taken to hold in all pictures:
    of a person from behind the viewer's left is the person's own.

    Args:
        meant: What the names say.
        away: Distance of each click from each keypoint that the model found, NaN where there is no click, infinite
            where the model found none.
        mirror: Of the person's skeleton.
        names: Of its M keypoints.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import, and few need it

    away, clicked = np.minimum(away, FAR), ~np.isnan(away).any(axis=1)
    keypoint, candidates, reasons = meant.keypoint.copy(), meant.candidates.copy(), list(meant.reasons)

    # Whose left
    written = np.array([bool(sense.side) and not sense.viewer for sense in meant.senses], dtype=bool)
    voters = np.flatnonzero(written & clicked & meant.settled)
    own, other = away[voters, keypoint[voters]], away[voters, mirror[keypoint[voters]]]
    viewer = bool(len(voters)) and other.mean() <= REACH and other.mean() < own.mean() / 2 and own.mean() > REACH / 2
    if viewer:
        keypoint[written] = np.where(keypoint[written] >= 0, mirror[keypoint[written]], -1)
        candidates[written] = candidates[written][:, mirror]

    # What is not what it is called
    for row in np.flatnonzero(meant.settled & clicked):
        distance = away[row, keypoint[row]]
        if distance <= REACH:
            reasons[row] += f", its click {distance:.2f} of the box away"
            continue
        far = "which was not found there" if distance == FAR else f"{distance:.2f} of the box away"
        reasons[row], keypoint[row] = f"its click is not on {names[keypoint[row]]}, {far}", -1

    # What the names leave open
    reach = np.where(candidates & clicked[:, None], away, FAR)
    reach[meant.settled], reach[:, keypoint[keypoint >= 0]] = FAR, FAR
    for row, column in zip(*linear_sum_assignment(reach), strict=True):
        if reach[row, column] <= REACH:
            keypoint[row] = column
            reasons[row] = f"its click is {reach[row, column]:.2f} of the box from there"
        elif not meant.settled[row] and candidates[row].any():
            reasons[row] += ", and no click near one" if clicked[row] else ", and no click"
    return Settled(keypoint, tuple(reasons), viewer)
