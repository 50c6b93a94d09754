"""A lifter at work on people that a detector found: poses in space, with the energy that judges them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from cape.errors import DataError
from cape.features import find_device
from cape.loading import build_from
from cape.models.lifting import Lifting
from cape.tracks import Track

BATCH = 1024  # frames at once


class SpatialTrack(NamedTuple):
    """One person in T frames, in space."""

    track: Track
    joints: Float[np.ndarray, "T J 3"]
    """Metres relative to the root, camera frame: x right, y down, z forward."""
    energy: Float[np.ndarray, "T"]
    """Structural energy, see `Lifting.plausibility`: the lower, the more plausible; NaN without a loss-net."""


class SpatialModel:
    """A lifter out of a file.

    Args:
        model: The page; it is put in evaluation mode.
        name: Of its weights, for people.

    Attributes:
        skeleton: Its joints.
        frames: How many frames one output frame looks at. A shorter sequence is extended by repeating its first and
            last frame, as `models.lifters` says.
        judges: Whether poses get an energy.
    """

    def __init__(self, model: Lifting, *, name: str) -> None:
        self.model, self.name, self.skeleton = model.eval(), name, model.skeleton
        self.frames: int = model.lifter.frames
        self.judges = model.judges

    @classmethod
    def load(cls, path: str | Path, *, device: str = "auto") -> "SpatialModel":
        """Out of a .safetensors file of `cape train` or `cape convert lifter`, without executing any of it.

        Raises:
            DataError: No such file, a damaged one, or not one of a lifter.
            UsageError: No such device.
        """
        model = build_from(Path(path), Lifting, "a lifter", device=find_device(device))
        return cls(model, name=Path(path).name)

    def lift(self, tracks: Sequence[Track]) -> list[SpatialTrack]:
        """Poses in space of all people.

        A lifter of single frames is given each frame alone, one of sequences each track as a whole.

        Raises:
            UsageError: Joints that are not the lifter's.
            DataError: Poses that are not finite: the weights are broken, or nothing for these keypoints.
        """
        if self.frames > 1:
            return [self._spatial(track, *self._run(track.points[None])) for track in tracks]
        if not tracks:
            return []
        joints, energy = self._run(np.concatenate([track.points for track in tracks])[:, None])
        ends = np.cumsum([len(track.points) for track in tracks])[:-1]
        parts = zip(tracks, np.split(joints, ends), np.split(energy, ends), strict=True)
        return [self._spatial(*each) for each in parts]

    def _run(self, points: Float[np.ndarray, "B T J 2"]) -> tuple[Float[np.ndarray, "_ J 3"], Float[np.ndarray, "_"]]:
        device = next(self.model.parameters()).device
        given = torch.from_numpy(points).float().to(device)
        found = [each for some in given.split(BATCH) for each in self.model.predict(some)]
        joints, energy = (torch.cat([getattr(each, name) for each in found]) for name in ("joints", "energy"))
        return joints.double().numpy(), energy.double().numpy()

    def _spatial(self, track: Track, joints: np.ndarray, energy: np.ndarray) -> SpatialTrack:
        if not np.isfinite(joints).all():
            raise DataError(
                f"{self.name}: {track.name}", expected="finite poses", got="NaN or infinity",
                fix="Give other weights, or check the keypoints.",
            )  # fmt: skip
        return SpatialTrack(track, joints, energy)
