"""From a person's box to the crop of a top-down model: mmpose's geometry and SimCC targets, our own light and holes.

The crop is 1.25 times the box, widened to the shape of the input. In training, after the geometry of mmpose: a jitter
of hue, saturation and value as YOLOX's, a blur, a median blur, and one hole of 0.2 to 0.4 of either side (specification
§5; the paper says 128 px). The packages that the official configs take these from are not dependencies of ours. A hole
changes no label: what it hides is to be found all the same.

mmpose draws from numpy's legacy generator: it is seeded for each crop, and put back afterwards.
"""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from cape import compat
from cape.errors import UsageError

PADDING = 1.25
"""Crop over box."""
_META = (
    "id", "img_id", "img_path", "category_id", "crowd_index", "ori_shape", "img_shape", "input_size", "input_center",
    "input_scale", "flip", "flip_direction", "flip_indices", "dataset_name", "area",
)  # fmt: skip
_TOO_SMALL = 2.0  # pixels: of such a half body nothing can be seen


class Stage(NamedTuple):
    """The augmentation of one stage of a training. The defaults are the official first stage of the nets m and l."""

    epoch: int = 0
    """Its first."""
    flip: float = 0.5
    """Probability of a mirror."""
    half_body: float = 0.3
    """Probability of the upper or lower body alone, where at least 9 keypoints are labelled; padding 1.5."""
    shift: float = 0.16
    """Largest shift, relative to the crop; it happens with probability 0.3."""
    scale: tuple[float, float] = (0.6, 1.4)
    """Range of the crop's size; like shift and rotation from a normal distribution, truncated at one sigma."""
    rotation: float = 80.0
    """Largest angle in degrees; turned with probability 0.6."""
    jitter: tuple[int, int, int] = (5, 30, 30)
    """Largest change of hue (of 180), saturation and value (of 255); each happens with probability 0.5."""
    blur: float = 0.1
    """Probability of a box blur, and again of a median blur, of 3, 5 or 7 pixels."""
    hole: float = 1.0
    """Probability of a black hole."""
    hole_side: tuple[float, float] = (0.2, 0.4)
    """Range of its sides, relative to the crop's."""

    @classmethod
    def of(cls, options: dict[str, Any]) -> "Stage":
        """A stage from the options in a config.

        Raises:
            UsageError: An option that does not exist, a probability or a range that is none.
        """
        for key in options:
            if key not in cls._fields:
                close = ", ".join(difflib.get_close_matches(key, cls._fields, n=3) or cls._fields)
                raise UsageError("stage", expected="options that it has", got=repr(key), fix=f"Known: {close}.")
        pairs: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in options.items()
        }
        stage = cls(**pairs)
        good = {
            "flip": 0 <= stage.flip <= 1,
            "half_body": 0 <= stage.half_body <= 1,
            "blur": 0 <= stage.blur <= 1,
            "hole": 0 <= stage.hole <= 1,
            "shift": stage.shift >= 0,
            "scale": len(stage.scale) == 2 and 0 < stage.scale[0] <= stage.scale[1],
            "jitter": len(stage.jitter) == 3 and min(stage.jitter) >= 0,
            "hole_side": len(stage.hole_side) == 2 and 0 < stage.hole_side[0] <= stage.hole_side[1] <= 1,
        }
        for key, fits in good.items():
            if not fits:
                got = str(getattr(stage, key))
                raise UsageError(f"stage {key}", expected="a value that means something", got=got, fix="Mend it.")
        return stage


class Cropper:
    """Cuts the crop of a person out of a picture, augments it, and makes its SimCC targets.

    Args:
        size: Width and height of a crop.
        sigma: Of the Gaussian targets, in bins of x and y.
        split_ratio: Bins per pixel.
    """

    def __init__(self, *, size: tuple[int, int], sigma: tuple[float, float], split_ratio: float) -> None:
        transforms = compat.load_mmpose().datasets.transforms
        codec = {
            # said with its scope: else mmengine looks for codecs in ours, and logs that there are none
            "type": "SimCCLabel", "_scope_": "mmpose", "input_size": tuple(size), "sigma": tuple(sigma),
            "simcc_split_ratio": split_ratio, "normalize": False, "use_dark": False,
        }  # fmt: skip
        self.frame = transforms.GetBBoxCenterScale(padding=PADDING)
        self.affine = transforms.TopdownAffine(input_size=tuple(size))
        self.target = transforms.GenerateTarget(encoder=codec)
        self.pack = transforms.PackPoseInputs(meta_keys=_META)

    def __call__(
        self,
        record: dict[str, Any],
        picture: UInt8[np.ndarray, "H W 3"],
        *,
        stage: Stage | None,
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """One crop.

        Args:
            record: As `People.record` gives it.
            picture: The whole picture, RGB.
            stage: The augmentation; None: none, and no targets.
            rng: Source of all randomness.

        Returns:
            `inputs`, bytes [3, H, W], blue first as mmpose has them, and `data_samples`, a `PoseDataSample`.
        """
        shape = picture.shape[:2]
        state = self.frame({**record, "img": picture, "img_shape": shape, "ori_shape": shape})
        if stage is None:
            return self._packed(self.affine(state))

        # Geometry: flip, half body, shift, scale, rotation.
        flip, half_body, box = _geometry(stage)
        with _legacy(rng):
            state = flip(state)
            before = state["bbox_center"], state["bbox_scale"]
            state = half_body(state)
            if state["bbox_scale"].max() < _TOO_SMALL:  # keypoints that all lie at one place
                state["bbox_center"], state["bbox_scale"] = before
            state = self.affine(box(state))

        # Light, and what hides; then the targets of the geometry alone.
        state["img"] = punch(blur(jitter(state["img"], stage, rng), stage, rng), stage, rng)
        return self._packed(self.target(state))

    def cut(
        self, picture: UInt8[np.ndarray, "H W 3"], box: Float[np.ndarray, "4"]
    ) -> tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "2"], Float[np.ndarray, "2"]]:
        """The crop of a box alone, for a prediction.

        Args:
            picture: The whole picture, RGB.
            box: x, y, width, height in its pixels.

        Returns:
            The crop, RGB, and its centre and size (width, height) in the picture.
        """
        corners = np.concatenate([box[:2], box[:2] + box[2:]]).astype(np.float32)
        state = self.affine(self.frame({"img": picture, "img_shape": picture.shape[:2], "bbox": corners[None]}))
        return state["img"], np.asarray(state["input_center"]), np.asarray(state["input_scale"])

    def _packed(self, state: dict[str, Any]) -> dict[str, Any]:
        return self.pack({**state, "img": state["img"][..., ::-1]})


@lru_cache(maxsize=8)
def _geometry(stage: Stage) -> tuple[Any, Any, Any]:
    """The transforms of mmpose for a stage."""
    transforms = compat.load_mmpose().datasets.transforms
    return (
        transforms.RandomFlip(prob=float(stage.flip), direction="horizontal"),
        transforms.RandomHalfBody(prob=stage.half_body),
        transforms.RandomBBoxTransform(
            shift_factor=stage.shift, scale_factor=stage.scale, rotate_factor=stage.rotation
        ),
    )


@contextmanager
def _legacy(rng: np.random.Generator) -> Iterator[None]:
    """Lend numpy's global generator a seed of our own."""
    state = np.random.get_state()  # noqa: NPY002 (the one that mmpose and scipy draw from)
    np.random.seed(rng.integers(2**32, size=4))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def jitter(image: UInt8[np.ndarray, "H W 3"], stage: Stage, rng: np.random.Generator) -> UInt8[np.ndarray, "H W 3"]:
    """Shift hue, saturation and value, each with probability 0.5, as YOLOX does."""
    change = (rng.uniform(-1, 1, 3) * stage.jitter * rng.integers(0, 2, 3)).astype(np.int16)
    if not change.any():
        return image
    colours = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.int16) + change
    colours[..., 0] %= 180
    colours[..., 1:] = colours[..., 1:].clip(0, 255)
    return cv2.cvtColor(colours.astype(np.uint8), cv2.COLOR_HSV2RGB)  # type: ignore[return-value]


def blur(image: UInt8[np.ndarray, "H W 3"], stage: Stage, rng: np.random.Generator) -> UInt8[np.ndarray, "H W 3"]:
    """A box blur and a median blur, each by its own draw."""
    draws, widths = rng.random(2), rng.choice((3, 5, 7), 2)
    if draws[0] < stage.blur:
        image = cv2.blur(image, (int(widths[0]),) * 2)  # type: ignore[assignment]
    if draws[1] < stage.blur:
        image = cv2.medianBlur(image, int(widths[1]))  # type: ignore[assignment]
    return image


def punch(image: UInt8[np.ndarray, "H W 3"], stage: Stage, rng: np.random.Generator) -> UInt8[np.ndarray, "H W 3"]:
    """One black hole, wholly inside the picture."""
    draw, sides, place = rng.random(), rng.uniform(*stage.hole_side, 2), rng.random(2)
    if draw >= stage.hole:
        return image
    height, width = image.shape[:2]
    tall, wide = max(1, int(sides[0] * height)), max(1, int(sides[1] * width))
    top, left = int(place[0] * (height - tall + 1)), int(place[1] * (width - wide + 1))
    image = image.copy()
    image[top : top + tall, left : left + wide] = 0
    return image
