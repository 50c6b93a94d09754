"""LiftingData: windows of motion for lifters."""

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.utils.data import Dataset

from cape.cameras import mirrored, mirrored_camera
from cape.data.motion import Clip, Motion
from cape.errors import UsageError
from cape.registry import DATASETS
from cape.skeleton import Skeleton
from cape.structures import Lift

Count = Literal["all", "centre"]


@DATASETS.register_module()
class LiftingData(Dataset):
    """Windows of T frames of the clips of a reader, each a `Lift`.

    A window that reaches beyond its clip repeats the clip's first or last frame there; such frames are not counted.
    With the default stride every frame is counted exactly once, so that means over counted frames are means over the
    data.

    Args:
        source: A reader of `data.motion`, or how to build it.
        window: T.
        count: "all": windows follow each other and all their frames are counted; "centre": there is a window around
            each frame, which alone is counted (VideoPose3D's training and many-to-one nets). An odd window.
        stride: Frames from one window to the next; None: `window` for "all", 1 for "centre".
        mirror: Probability that a window is mirrored, left and right exchanged; for training.

    Attributes:
        clips: Those of the source.
        skeleton: Its joints.
        root: Joints whose mean 3D is relative to.

    Raises:
        UsageError: A window, a stride or a probability that is none; windows of a source whose frames do not follow
            each other.
    """

    def __init__(
        self,
        *,
        source: Motion | dict[str, Any],
        window: int = 1,
        count: Count = "all",
        stride: int | None = None,
        mirror: float = 0.0,
    ) -> None:
        motion: Motion = DATASETS.build(source) if isinstance(source, dict) else source
        step = stride if stride is not None else window if count == "all" else 1
        _check(window, count, step, mirror, sequential=motion.sequential)
        self.clips: list[Clip] = motion.clips
        self.skeleton: Skeleton = motion.skeleton
        self.root = motion.root
        self.window, self.mirror = window, mirror
        self._centre = count == "centre"
        self._order = torch.from_numpy(self.skeleton.mirror())

        lengths = [len(clip.points) for clip in self.clips]
        reach = window // 2 if self._centre else 0
        starts = [torch.arange(0, length, step) - reach for length in lengths]
        self._start = torch.cat(starts)
        self._clip = torch.repeat_interleave(torch.tensor([len(each) for each in starts]))
        self._length = torch.tensor(lengths)
        self._offset = self._length.cumsum(0) - self._length
        self._points: Tensor = torch.from_numpy(np.concatenate([clip.points for clip in self.clips]))
        self._joints: Tensor = torch.from_numpy(np.concatenate([clip.joints for clip in self.clips]))
        self._root: Tensor = torch.from_numpy(np.concatenate([clip.root for clip in self.clips]))
        self._counted: Tensor = torch.from_numpy(np.concatenate([clip.counted for clip in self.clips]))
        self._camera: Tensor = torch.from_numpy(np.stack([clip.camera for clip in self.clips]))

    def __len__(self) -> int:
        return len(self._start)

    def __getitem__(self, index: int) -> Lift:
        if not -len(self) <= index < len(self):
            raise IndexError(index)  # ends a plain loop over the data set
        batch = self.batch(torch.tensor([index % len(self)]))
        return Lift(*(each[0] for each in batch[:-1]), row=index % len(self))

    def __getitems__(self, indices: Sequence[int]) -> Lift:
        """What torch's loaders ask for where a data set has it: a whole batch, collated already."""
        return self.batch(torch.tensor(indices))

    @property
    def metainfo(self) -> dict[str, Any]:
        """What a metric has to know."""
        return {"skeleton": self.skeleton, "root": self.root}

    def digest(self) -> str:
        """A hash of all frames, and of how they are cut."""
        found = hashlib.sha256(repr((self.skeleton, self.root, self.window, self._centre, self.mirror)).encode())
        for each in (self._start, self._points, self._joints, self._counted):
            found.update(each.contiguous().numpy().tobytes())
        return found.hexdigest()

    def batch(self, rows: Int64[Tensor, "B"], *, mirror: Bool[Tensor, "B"] | None = None) -> Lift:
        """Many windows at once: what collating them one by one gives, some hundred times faster.

        Args:
            rows: Which windows.
            mirror: Which of them are mirrored; None: at random, with the probability of the data set.
        """
        clip = self._clip[rows]
        frames = self._start[rows, None] + torch.arange(self.window)  # [B, T]
        last = self._length[clip, None] - 1
        place = self._offset[clip, None] + frames.clamp_min(0).minimum(last)
        mask = (frames >= 0) & (frames <= last) & self._counted[place]
        if self._centre:
            mask &= torch.arange(self.window) == self.window // 2
        found = Lift(
            points=self._points[place],
            joints=self._joints[place],
            mask=mask,
            root=self._root[place],
            camera=self._camera[clip],
            row=rows,
        )
        if mirror is None:
            if self.mirror == 0:
                return found
            mirror = torch.rand(len(rows)) < self.mirror
        return _choose(mirror, mirrored_lift(found, self._order), found)

    def clip_of(self, rows: Int64[Tensor, "B"]) -> list[Clip]:
        """The clip that each window is of: its subject and action, for tables."""
        return [self.clips[int(each)] for each in self._clip[rows]]

    def frames(self) -> tuple[Float[Tensor, "N J 2"], Float[Tensor, "N J 3"]]:
        """All counted frames of all clips, once each: screen coordinates, and metres relative to the root."""
        return self._points[self._counted], self._joints[self._counted]


def mirrored_lift(lift: Lift, order: Int64[Tensor, "J"]) -> Lift:
    """Windows as a mirror shows them: 2D, 3D, root and camera stay consistent, and twice is the identity.

    Args:
        lift: One window or a batch.
        order: `Skeleton.mirror()`.
    """
    turned = torch.tensor([-1.0, 1.0, 1.0], dtype=lift.root.dtype, device=lift.root.device)
    return lift._replace(
        points=mirrored(lift.points, order),
        joints=mirrored(lift.joints, order),
        root=lift.root * turned,
        camera=mirrored_camera(lift.camera),
    )


def _choose(which: Bool[Tensor, "B"], first: Lift, second: Lift) -> Lift:
    """The first where `which` is True, else the second; mask and row are the same in both."""

    def pick(one: Tensor, other: Tensor) -> Tensor:
        return torch.where(which.reshape(-1, *[1] * (one.dim() - 1)), one, other)

    return second._replace(
        points=pick(first.points, second.points),
        joints=pick(first.joints, second.joints),
        root=pick(first.root, second.root),
        camera=pick(first.camera, second.camera),
    )


def _check(window: int, count: Count, stride: int, mirror: float, *, sequential: bool) -> None:
    def bad(what: str, expected: str, got: object) -> UsageError:
        return UsageError(f"LiftingData {what}", expected=expected, got=str(got), fix="Mend it.")

    if window < 1 or (count == "centre" and window % 2 == 0):
        raise bad("window", "a positive number of frames, odd where only the centre is counted", window)
    if window > 1 and not sequential:
        raise bad("window", "1, as the frames of this source do not follow each other", window)
    if stride < 1:
        raise bad("stride", "a positive number of frames", stride)
    if not 0 <= mirror <= 1:
        raise bad("mirror", "a probability", mirror)
