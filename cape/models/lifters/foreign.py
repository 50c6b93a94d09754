"""Lifters of other code bases under our signature."""

from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn

from cape.errors import UsageError
from cape.models.lifters.windows import check_points, cut, pad_edges
from cape.registry import MODELS

Layout = Literal["BTJC", "BCTJ", "BTE"]
Answer = Literal["window", "centre"]


@MODELS.register_module()
class ForeignLifter(nn.Module):
    """Any published lifter, called as it wants to be called: PoseFormerV2, P-STMO, D3DP's denoiser, MotionAGFormer.

    Their code stays theirs: import it in the config (`custom_imports`), register the class or give the module itself,
    and say here what it takes and what it answers.

    The number of frames becomes ours. With `answer="centre"` (PoseFormer: [B, T, J, 2] to [B, 1, J, 3]) the sequence is
    extended by repeating its first and last frame and each frame is lifted from the window around it: T calls' worth of
    work, in one batch. With `answer="window"` (MixSTE, MotionAGFormer) it is cut into windows of `frames`.

    Args:
        module: The module, or a config of a registered one.
        joints: J.
        frames: The number of frames that the module takes; odd where it answers the centre.
        answer: "window": as many frames as it takes; "centre": only the one in the middle.
        takes: Order of its input's axes: batch, time, joints and coordinates ("BTJC"), channels first ("BCTJ"), or
            joints and coordinates flattened ("BTE").
        gives: Order of its output's axes; with "centre" the axis of time may be missing.
        homogeneous: Its input has a third coordinate of ones (a detector's confidence: MotionBERT, MotionAGFormer).
        scale: Metres in one unit of its output (0.001 where it answers millimetres).

    Raises:
        UsageError: An even number of frames with "centre", a scale that is not positive.
    """

    def __init__(
        self,
        *,
        module: nn.Module | dict[str, Any],
        joints: int,
        frames: int,
        answer: Answer = "window",
        takes: Layout = "BTJC",
        gives: Layout = "BTJC",
        homogeneous: bool = False,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        if frames < 1 or (answer == "centre" and frames % 2 == 0):
            raise UsageError(
                "ForeignLifter frames", expected="a positive number, odd where the centre is answered", got=str(frames),
                fix="Give the number of frames that the module takes.",
            )  # fmt: skip
        if not scale > 0:
            raise UsageError("ForeignLifter scale", expected="a positive number", got=str(scale), fix="Mend it.")
        self.module: nn.Module = MODELS.build(module) if isinstance(module, dict) else module
        self.joints, self.frames, self.scale = joints, frames, scale
        self.answer: Answer = answer
        self.takes: Layout = takes
        self.gives: Layout = gives
        self.homogeneous = homogeneous

    def forward(self, points: Float[Tensor, "B T J 2"]) -> Float[Tensor, "B T J 3"]:
        """Metres relative to the root, of every frame.

        Raises:
            UsageError: As `check_points`; or the module answers another shape than it was said to.
        """
        check_points("ForeignLifter", points, self.joints)
        batch, length = points.shape[:2]
        if self.answer == "centre":
            reach = self.frames // 2
            padded = pad_edges(points, reach, reach)
            windows = padded.unfold(1, self.frames, 1).permute(0, 1, 4, 2, 3).flatten(0, 1)  # [B * T, frames, J, 2]
        else:
            windows = cut(points, self.frames)
        given = self._back(self.module(self._asked(windows)), len(windows))  # [windows, frames or 1, J, 3]
        return self.scale * given.reshape(batch, -1, self.joints, 3)[:, :length]

    def _asked(self, windows: Float[Tensor, "B T J 2"]) -> Tensor:
        if self.homogeneous:
            windows = nn.functional.pad(windows, (0, 1), value=1.0)
        if self.takes == "BTE":
            return windows.flatten(2)
        return windows.permute(0, 3, 1, 2) if self.takes == "BCTJ" else windows

    def _back(self, given: Tensor, windows: int) -> Float[Tensor, "B T J 3"]:
        frames = self.frames if self.answer == "window" else 1
        wanted = {
            "BTJC": (windows, frames, self.joints, 3),
            "BCTJ": (windows, 3, frames, self.joints),
            "BTE": (windows, frames, self.joints * 3),
        }[self.gives]
        time = 2 if self.gives == "BCTJ" else 1
        bare = wanted[:time] + wanted[time + 1 :]
        if not isinstance(given, Tensor) or given.shape not in ((wanted, bare) if frames == 1 else (wanted,)):
            got = str(list(given.shape)) if isinstance(given, Tensor) else type(given).__name__
            raise UsageError(
                f"ForeignLifter around {type(self.module).__name__}", expected=f"an output of shape {list(wanted)}",
                got=got, fix="Mend `answer`, `gives`, `joints` or `frames`.",
            )  # fmt: skip
        given = given.reshape(wanted)
        if self.gives == "BCTJ":
            return given.permute(0, 2, 3, 1)
        return given.reshape(windows, frames, self.joints, 3)
