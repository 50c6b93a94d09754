"""Read a picture once, the same way everywhere: Pillow, its bomb limit, EXIF orientation, RGB."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from cape.errors import PictureError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
MAX_PIXELS = 100_000_000
MAX_SIDE = 32_766  # OpenCV warps no longer ones
_ORIENTATION = 0x0112


def read_picture(path: str | Path, *, size: tuple[int, int] | None = None) -> UInt8[np.ndarray, "H W 3"]:
    """Decode one picture.

    Args:
        path: A JPEG, PNG, WebP or BMP file.
        size: Width and height that the annotations refer to. EXIF orientation is applied unless only the stored,
            unrotated picture has this size: then the annotator's program ignored EXIF, and so do we.

    Returns:
        RGB, 8 bits, the pixels that the annotations' coordinates refer to.

    Raises:
        PictureError: Missing, corrupt, of another format, or larger than `MAX_PIXELS` and `MAX_SIDE` allow.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of bombs and odd EXIF; the limit below is ours
            with Image.open(path, formats=FORMATS) as picture:
                _check_pixels(path, picture.size)
                turned = picture.getexif().get(_ORIENTATION, 1) in range(5, 9)
                upright = picture.size[::-1] if turned else picture.size
                ignore_exif = size is not None and upright != tuple(size) and picture.size == tuple(size)
                if not ignore_exif:
                    picture = ImageOps.exif_transpose(picture)  # noqa: PLW2901 (the same picture, upright)
                return np.asarray(_to_rgb(picture))
    except FileNotFoundError:
        raise PictureError(
            str(path), expected="a picture", got="no such file", fix="Check the picture folder."
        ) from None
    except UnidentifiedImageError:
        raise PictureError(
            str(path), expected=f"one of {', '.join(FORMATS)}", got="something else", fix="Convert it or take it out."
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise PictureError(
            str(path), expected="a readable picture", got=f"{type(error).__name__}: {error}", fix="Replace the file."
        ) from error


def _check_pixels(path: Path, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS or max(size) > MAX_SIDE:
        raise PictureError(
            str(path),
            expected=f"at most {MAX_PIXELS:,} pixels, and {MAX_SIDE:,} a side",
            got=f"{width} x {height}",
            fix="Scale the picture down, and its annotations with it.",
        )


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16") or picture.mode == "I":  # 16-bit grey: convert() would clip, not scale
        grey = np.asarray(picture, dtype=np.float32) / 257.0
        picture = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    return picture.convert("RGB")
