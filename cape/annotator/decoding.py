"""The child process that opens pictures from outside: whatever a file does to a decoder, it does it here.

Limits of memory, time and file size are set before the first byte is read; it has no network code and writes nothing
but the two copies that it is asked for. Reads one JSON object a line, answers one:

    {"source": path, "shown": path without suffix, "thumbnail": path without suffix}
    {"width": w, "height": h, "shown": suffix, "thumbnail": suffix}   or   {"error": [expected, got, fix]}

The copies are upright, RGB and without metadata: JPEG where the original is lossy, PNG where it is not, so that what is
shown, clicked and given to the model are the same pixels.
"""

import json
import resource
import sys
import warnings
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
READ = "JPEG, PNG, WebP or 8-bit TIFF"
MOST_PIXELS = 100_000_000
LONGEST = 32_766
"""Of a side: OpenCV warps no longer ones."""
THUMBNAIL = 256
MEMORY, FILE = 3 * 2**30, 2**30
"""Bytes that the child may have, and write at once."""
PLAIN = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "La", "RGBa"}
DEEP = {"I;16", "I;16B", "I;16L", "I"}


class _Fault(Exception):
    """What is wrong with a picture: expected, got, fix."""


def decode(source: Path, shown: Path, thumbnail: Path) -> dict[str, Any]:
    """Check one picture and write its copies.

    Args:
        source: The original.
        shown: The copy that is shown, without its suffix.
        thumbnail: The small one, without its suffix.

    Returns:
        Size and suffixes.

    Raises:
        _Fault: It is refused.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(source, formats=FORMATS) as picture:
            lossy = picture.format in ("JPEG", "WEBP")
            _check(picture)
            pixels = _upright(picture)
    suffix = ".jpg" if lossy else ".png"
    if lossy:
        pixels.save(shown.with_suffix(suffix), quality=95, subsampling=0)
    else:
        pixels.save(shown.with_suffix(suffix), compress_level=3)
    width, height = pixels.size
    pixels.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR, reducing_gap=2.0)
    pixels.save(thumbnail.with_suffix(".jpg"), quality=85)
    return {"width": width, "height": height, "shown": suffix, "thumbnail": ".jpg"}


def _check(picture: Image.Image) -> None:
    """Everything that the header tells."""
    width, height = picture.size
    if width * height > MOST_PIXELS or max(width, height) > LONGEST:
        most = f"at most {MOST_PIXELS:,} pixels, and {LONGEST:,} a side"
        raise _Fault(most, f"{width} x {height}", "Scale the picture down.")
    if picture.format != "TIFF" and getattr(picture, "n_frames", 1) > 1:
        raise _Fault("a still picture", "an animated one", "Send its frames one by one.")
    deep = picture.mode in DEEP and picture.format == "PNG"
    if picture.mode not in PLAIN and not deep:
        raise _Fault("8 bits a channel", f"{picture.format} of mode {picture.mode}", "Convert it to 8 bits.")


def _upright(picture: Image.Image) -> Image.Image:
    """RGB, EXIF orientation applied once, nothing else kept."""
    picture.load()
    try:
        turned = ImageOps.exif_transpose(picture)
    except Exception:  # one damaged byte of EXIF is no reason to lose the picture
        turned = picture
    if turned.mode in DEEP:  # convert() would clip, not scale
        turned = turned.point(lambda value: value / 257, "I").convert("L") if turned.mode == "I" else _eight(turned)
    elif "A" in turned.getbands() or "transparency" in turned.info:
        ground = Image.new("RGBA", turned.size, (255, 255, 255, 255))
        turned = Image.alpha_composite(ground, turned.convert("RGBA"))
    plain = turned.convert("RGB")
    plain.info.clear()
    return plain


def _eight(picture: Image.Image) -> Image.Image:
    return picture.convert("I").point(lambda value: value / 257).convert("L")


def _answer(line: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
        return decode(Path(told["source"]), Path(told["shown"]), Path(told["thumbnail"]))
    except _Fault as fault:
        return {"error": list(fault.args)}
    except UnidentifiedImageError:
        return {"error": [READ, "something else", "Convert it."]}
    except MemoryError:
        return {"error": ["a picture that fits into memory", "a larger one", "Scale the picture down."]}
    except Exception as error:  # decoders raise what they like
        return {"error": ["a picture that can be read", f"{type(error).__name__}: {error}"[:200], "Replace the file."]}


def main() -> None:
    """Serve until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_answer(line)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
