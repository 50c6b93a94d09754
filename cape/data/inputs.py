"""Pictures to predict on, wherever they come from: files, folders, patterns, videos, arrays, or any mixture of them."""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from cape.data.pictures import read_picture
from cape.data.transforms import Square, crop_square
from cape.data.whole import whole_box
from cape.errors import PictureError, UsageError

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
READABLE = ", ".join(sorted(PICTURES))
FAR = 1e6
"""No box lies further away, in pixels."""
UNREAD = {".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".psd", ".dng", ".cr2", ".nef", ".arw"}
"""Pictures of formats that are not read: those of a folder are left out, and counted."""
VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".webm"}

Input = str | Path | np.ndarray | Image.Image
Inputs = Input | Iterable[Input]
"""A file, a folder (its pictures, by name), a pattern with * or ?, a video, an RGB array, a Pillow picture, or an
iterable of them, which is read no faster than it is needed."""


class Picture(NamedTuple):
    """One picture to look at."""

    pixels: UInt8[np.ndarray, "h w 3"]
    """RGB, upright."""
    name: str
    """Path, or path#frame of a video counted from 0; "" for an array."""


def pictures_of(inputs: Any) -> Iterator[Picture]:
    """Pictures one by one.

    Args:
        inputs: See `Inputs`.

    Raises:
        PictureError: A file is missing, corrupt or too large, or an array is no RGB picture.
        UsageError: A folder or a pattern without pictures, or something that is none of the inputs.
    """
    if isinstance(inputs, str | Path):
        yield from _of_path(inputs)
    elif isinstance(inputs, Image.Image):
        yield Picture(np.asarray(inputs.convert("RGB")), getattr(inputs, "filename", "") or "")
    elif isinstance(inputs, np.ndarray):
        yield Picture(_checked(inputs), "")
    elif isinstance(inputs, Iterable):
        for each in inputs:
            yield from pictures_of(each)
    else:
        raise UsageError(
            "pictures", expected="a path, an RGB array, a Pillow picture, or several", got=type(inputs).__name__,
            fix="Give one of them.",
        )  # fmt: skip


def names_of(inputs: str | Path) -> list[str]:
    """The files that a path, folder or pattern stands for, in order; a video is one of them.

    Raises:
        UsageError: There is none.
    """
    listed = _listed(inputs)
    if listed is None:
        return [str(inputs)]
    found = sorted(str(each) for each in listed if each.suffix.lower() in PICTURES | VIDEOS)
    if not found:
        raise UsageError(
            str(inputs), expected=f"pictures ({READABLE}) or videos", got=left_out(inputs) or "none",
            fix="Check the folder or the pattern, or convert the pictures.",
        )  # fmt: skip
    return found


def left_out(inputs: str | Path) -> str:
    """The pictures of a folder or pattern that `names_of` leaves out for their format, counted; "" if there are none.

    For example "2 .gif, 1 .heic".
    """
    suffixes = Counter(each.suffix.lower() for each in _listed(inputs) or ())
    return ", ".join(f"{count} {suffix}" for suffix, count in sorted(suffixes.items()) if suffix in UNREAD)


def _listed(inputs: str | Path) -> list[Path] | None:
    """Everything in a folder or that a pattern matches; None for a file."""
    path = Path(inputs)
    if path.is_dir():
        return [*path.iterdir()]
    if path.exists() or not set(str(inputs)) & set("*?["):
        return None
    root = Path(path.anchor)  # "" for a relative pattern
    return [*root.glob(str(path.relative_to(root)))]


def _of_path(inputs: str | Path) -> Iterator[Picture]:
    unread = left_out(inputs)
    if unread:
        warnings.warn(f"{inputs}: left out {unread}, cape reads {READABLE} and videos: convert them", stacklevel=3)
    for name in names_of(inputs):
        if Path(name).suffix.lower() in VIDEOS:
            yield from _frames(name)
        else:
            yield Picture(read_picture(name), name)


def _frames(name: str) -> Iterator[Picture]:
    video = cv2.VideoCapture(name)
    try:
        number = 0
        while True:
            there, frame = video.read()
            if not there:
                break
            yield Picture(np.ascontiguousarray(frame[..., ::-1]), f"{name}#{number}")
            number += 1
    finally:
        video.release()
    if number == 0:
        raise PictureError(
            name, expected="a video that OpenCV can read", got="no frame of it", fix="Convert it, to H.264 for example."
        )


def _checked(array: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise PictureError(
            "array", expected="RGB bytes, h x w x 3", got=f"{array.dtype}, {' x '.join(map(str, array.shape))}",
            fix="Convert it, for example with Pillow: Image.fromarray(...).convert('RGB').",
        )  # fmt: skip
    return array


def is_one(value: Any) -> bool:
    """Whether something is one input rather than several."""
    return isinstance(value, str | Path | np.ndarray | Image.Image)


class Look(NamedTuple):
    """A place to look at in a picture."""

    picture: Picture
    square: Square
    box: Float[np.ndarray, "4"]
    """x, y, width, height in pixels."""
    whole: bool = False
    """Of a picture without a box."""


def looks_at(inputs: Any, boxes: Iterable[Any] | None) -> Iterator[Look]:
    """Each picture with each of its boxes.

    Args:
        inputs: The pictures.
        boxes: For each picture a box, a list of boxes or None, for one picture also the box itself; None: the whole of
            each picture.

    Raises:
        PictureError: As `pictures_of`.
        UsageError: As `pictures_of`; not as many entries as pictures, or a box that is none.
    """
    pictures = pictures_of(inputs)
    if boxes is None:
        yield from (_whole(picture) for picture in pictures)
        return
    if is_one(inputs):
        boxes = list(boxes)
        boxes = [boxes] if len(boxes) == 4 and all(np.ndim(each) == 0 for each in boxes) else boxes
    given: Iterator[Any] = iter(boxes)
    nothing: Any = object()
    for picture in pictures:
        entry = next(given, nothing)
        if entry is nothing:
            raise UsageError("boxes", expected="one entry a picture", got="fewer", fix="Give None for whole pictures.")
        several = entry if entry is not None and np.ndim(entry) == 2 else [entry]
        for each in several:
            if each is None:
                yield _whole(picture)
                continue
            box = as_box(each, picture.name or "picture")
            yield Look(picture, crop_square(box), box)
    if next(given, nothing) is not nothing:
        raise UsageError("boxes", expected="one entry a picture", got="more", fix="Leave out the others.")


def as_place(value: Any) -> Float[np.ndarray, "2"] | None:
    """A place x, y that was given, or NaN twice for none; None if it is neither."""
    try:
        place = np.full(2, np.nan) if value is None else np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    whole = place.shape == (2,) and not np.isinf(place).any() and np.isnan(place).sum() != 1
    return place if whole else None


def as_box(box: Any, where: str) -> Float[np.ndarray, "4"]:
    """A box that was given.

    Raises:
        UsageError: It is none.
    """
    try:
        found = np.asarray(box, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.shape != (4,) or not np.isfinite(found).all() or not (found[2:] > 0).all() or np.abs(found).max() > FAR:
        raise UsageError(
            f"{where}: box", expected="x, y, width and height in pixels, the last two above 0", got=str(box)[:60],
            fix="Mend the box, or give None for the whole picture.",
        )  # fmt: skip
    return found


def _whole(picture: Picture) -> Look:
    height, width = picture.pixels.shape[:2]
    return Look(picture, crop_square(whole_box((width, height))), np.array([0.0, 0.0, width, height]), whole=True)
