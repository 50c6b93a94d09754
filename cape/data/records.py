"""Reading and checking the records of a COCO file: each function takes one record and says what is wrong with it."""

import gzip
import json
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

import numpy as np
from jaxtyping import Float

from cape.errors import AnnotationError

LARGEST = float(np.finfo(np.float32).max)


def read_coco(path: Path) -> dict[str, list]:
    """The three lists of a COCO file, gzipped or not.

    Raises:
        AnnotationError: Missing, not JSON, without the lists `images`, `annotations`, `categories`, or with a name that
            is no text.
    """
    try:
        raw = path.read_bytes()
        content = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    except FileNotFoundError:
        raise AnnotationError(
            str(path), expected="an annotation file", got="no such file", fix="Check the path."
        ) from None
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise AnnotationError(
            str(path), expected="COCO keypoints as JSON", got=f"{type(error).__name__}: {error}", fix="Repair the file."
        ) from error
    keys = ("images", "annotations", "categories")
    lists = {key: content.get(key) if isinstance(content, dict) else None for key in keys}
    wrong = [key for key, value in lists.items() if not isinstance(value, list)]
    if wrong:
        raise AnnotationError(
            str(path), expected="COCO's lists images, annotations, categories", got=f"no list {', '.join(wrong)}",
            fix="Give a COCO keypoints file.",
        )  # fmt: skip
    for key, fields in (("images", ("file_name", "source")), ("categories", ("name", "supercategory", "keypoints"))):
        for place, record in enumerate(content[key]):
            _check_texts(f"{path.name}: {key} record {place}", record, fields)
    return {key: content[key] for key in keys}


def _check_texts(where: str, record: Any, fields: tuple[str, ...]) -> None:
    """JSON may escape half a character (a lone surrogate), which can be neither printed nor written to a file."""
    for field in fields if isinstance(record, dict) else ():
        value = record.get(field)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
                raise AnnotationError(
                    where,
                    expected=f"`{field}` in whole characters",
                    got=ascii(text)[:80],
                    fix="Repair the escape in it.",
                )


def keypoint_counts(annotations: list) -> dict[int, int]:
    """K per category as its first annotation has it."""
    counts: dict[int, int] = {}
    for record in annotations:
        if isinstance(record, dict) and is_id(record.get("category_id")) and isinstance(record.get("keypoints"), list):
            counts.setdefault(record["category_id"], len(record["keypoints"]) // 3)
    return counts


def is_id(value: Any) -> TypeGuard[int]:
    """True for an integer of 64 bits; JSON's true is not one, though Python counts it as 1."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def is_number(value: Any) -> TypeGuard[float]:
    """True for a number that 32 bits can hold: not NaN, not infinite, not 1e300."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST


def finite_numbers(where: str, key: str, values: Any, count: int) -> list[float]:
    """`values` if it is a list of `count` finite numbers.

    Raises:
        AnnotationError: It is not.
    """
    if not isinstance(values, list) or len(values) != count:
        got = f"{len(values)} numbers" if isinstance(values, list) else repr(values)[:80]
        raise AnnotationError(where, expected=f"`{key}`: {count} numbers", got=got, fix="Repair the record.")
    for value in values:
        if not is_number(value):
            raise AnnotationError(
                where, expected=f"finite numbers in `{key}`", got=repr(value)[:80], fix="Repair the record."
            )
    return [float(value) for value in values]


def picture_size(where: str, record: dict[str, Any]) -> tuple[int, int]:
    """Width and height of an image record.

    Raises:
        AnnotationError: Missing or not positive.
    """
    width, height = record.get("width"), record.get("height")
    for side in (width, height):
        if not is_number(side) or side < 1:
            got = f"{width!r} x {height!r}"
            raise AnnotationError(where, expected="positive `width` and `height`", got=got[:80], fix="Repair it.")
    return int(width), int(height)  # type: ignore[arg-type]


def file_name(where: str, record: dict[str, Any]) -> str:
    """File name of an image record; it may not leave the picture folder.

    Raises:
        AnnotationError: Missing, absolute, or with a `..` in it.
    """
    name = record.get("file_name")
    parts = PurePosixPath(name.replace("\\", "/")).parts if isinstance(name, str) else ()
    if not parts or ".." in parts or PurePosixPath(*parts).is_absolute() or "\0" in str(name):
        raise AnnotationError(where, expected="`file_name` inside the picture folder", got=repr(name), fix="Repair it.")
    return str(name)


def clip_box(box: list[float], size: tuple[int, int]) -> Float[np.ndarray, "4"] | None:
    """The official `clean_bbox`: clipped to the picture, width and height one pixel short. None if nothing is left."""
    x, y, width, height = box
    x1, y1 = max(0.0, x), max(0.0, y)
    x2 = min(size[0] - 1, x1 + max(0.0, width - 1))
    y2 = min(size[1] - 1, y1 + max(0.0, height - 1))
    if x2 <= x1 or y2 <= y1:
        return None
    return np.array([x1, y1, x2 - x1, y2 - y1])
