"""Read a picture once, the same way everywhere: Pillow, its bomb limit, EXIF orientation, RGB."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from cape.errors import PictureError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
MAX_PIXELS = 100_000_000
MAX_SIDE = 32_766  # OpenCV warps no longer ones
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_picture(path: str | Path, *, size: tuple[int, int] | None = None) -> UInt8[np.ndarray, "H W 3"]:
    """Decode one picture.

    Args:
        path: A JPEG, PNG, WebP or BMP file.
        size: Width and height that the annotations refer to. EXIF orientation is applied unless only the stored,
            unrotated picture has this size: then the annotator's program ignored EXIF, and so do we.

    Returns:
        RGB, 8 bits, the pixels that the annotations' coordinates refer to.

    Raises:
        PictureError: Missing, corrupt, of another format or size, or larger than `MAX_PIXELS` and `MAX_SIDE` allow.
    """
    try:
        with _opened(Path(path), size) as picture:
            pixels = _to_rgb(picture)  # before EXIF: Pillow looks for a PNG's behind the pixels
            orientation = _orientation(picture)
            if size is None or _turned(picture.size, orientation) == tuple(size):
                pixels = pixels.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else pixels
            return np.asarray(pixels)
    except _Fault as fault:
        raise PictureError(str(path), expected=fault.expected, got=fault.got, fix=fault.fix) from fault.__cause__


def picture_fault(path: str | Path, *, size: tuple[int, int] | None = None) -> str:
    """Why `read_picture` will refuse a file, as far as its header tells; nothing is decoded.

    Returns:
        "missing", "not a picture", "unreadable", "too large" or "of another size"; "" where nothing is wrong.
    """
    try:
        with _opened(Path(path), size):
            return ""
    except _Fault as fault:
        return fault.reason


def upright_size(path: str | Path) -> tuple[int, int]:
    """Width and height of a picture after its EXIF orientation; only the header is read.

    Raises:
        PictureError: `read_picture` would refuse it.
    """
    try:
        with _opened(Path(path), None) as picture:
            return _turned(picture.size, _orientation(picture))
    except _Fault as fault:
        raise PictureError(str(path), expected=fault.expected, got=fault.got, fix=fault.fix) from fault.__cause__


class _Fault(Exception):
    """What is wrong with a picture; `reason` is what faults are counted by."""

    def __init__(self, reason: str, *, expected: str, got: str, fix: str) -> None:
        super().__init__(reason)
        self.reason, self.expected, self.got, self.fix = reason, expected, got, fix


@contextmanager
def _opened(path: Path, size: tuple[int, int] | None) -> Iterator[Image.Image]:
    """The picture, its header checked; whatever goes wrong, here or in the block, is a `_Fault`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of bombs and odd EXIF; the limit below is ours
            with Image.open(path, formats=FORMATS) as picture:
                _check_pixels(picture.size)
                _check_size(picture, size)
                yield picture
    except _Fault:
        raise
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise _Fault("missing", expected="a picture", got="no such file", fix="Check the picture folder.") from None
    except UnidentifiedImageError:
        raise _Fault(
            "not a picture",
            expected=f"one of {', '.join(FORMATS)}",
            got="something else",
            fix="Convert it or take it out.",
        ) from None
    except Image.DecompressionBombError as error:
        raise _too_large(str(error)) from None
    except Exception as error:  # decoders raise what they like: struct.error, TypeError, KeyError, zlib.error, ...
        raise _Fault(
            "unreadable", expected="a readable picture", got=f"{type(error).__name__}: {error}", fix="Replace the file."
        ) from error


def _check_pixels(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS or max(size) > MAX_SIDE:
        raise _too_large(f"{width} x {height}")


def _too_large(got: str) -> _Fault:
    return _Fault(
        "too large",
        expected=f"at most {MAX_PIXELS:,} pixels, and {MAX_SIDE:,} a side",
        got=got,
        fix="Scale the picture down, and its annotations with it.",
    )


def _check_size(picture: Image.Image, size: tuple[int, int] | None) -> None:
    """Upright or as stored, a picture must have the size that its annotations were made on."""
    if size is None or picture.size == tuple(size):
        return
    # EXIF is asked last, and only where it can matter: finding it may decode a whole PNG.
    if picture.size[::-1] == tuple(size) and _turned(picture.size, _orientation(picture)) == tuple(size):
        return
    raise _Fault(
        "of another size",
        expected=f"{size[0]} x {size[1]}, as annotated",
        got=f"{picture.width} x {picture.height}",
        fix="Restore the picture that was annotated, or scale its annotations.",
    )


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none that can be read."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
        return value if value in _UPRIGHT else 1
    except Exception:  # one damaged byte of EXIF is no reason to lose the picture
        return 1


def _turned(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size[1], size[0]) if orientation >= 5 else size


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16") or picture.mode == "I":  # 16-bit grey: convert() would clip, not scale
        grey = np.asarray(picture, dtype=np.float32) / 257.0
        picture = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    return picture.convert("RGB")
