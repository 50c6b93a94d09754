"""What the readers share: text, JSON, YAML, XML and tables that may hold anything, and the sizes of pictures."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import yaml

from cape.data.pictures import upright_size
from cape.errors import AnnotationError, UsageError

MAX_BYTES = 2**30
MAX_DEPTH = 50


def bad(where: str, expected: str, got: object, fix: str = "Repair the file.") -> AnnotationError:
    """The error of a reader, with what came cut to a line."""
    shown = got if isinstance(got, str) else ascii(got)
    return AnnotationError(where, expected=expected, got=shown[:200], fix=fix)


def check_file(path: Path, what: str) -> None:
    """Raise unless there is a plain file of at most a gigabyte; a pipe would keep a reader waiting for ever.

    Raises:
        AnnotationError: There is none.
    """
    try:
        if not path.is_file():
            got = "a folder, a pipe or a device" if path.exists() else "no such file"
            raise bad(str(path), what, got, "Check the path.")
        if path.stat().st_size > MAX_BYTES:
            raise bad(str(path), f"{what} of at most a gigabyte", "a larger file", "Split it.")
    except (OSError, ValueError) as error:
        raise bad(str(path), what, str(error), "Check the path.") from None


def read_text(path: Path, what: str) -> str:
    """A whole UTF-8 file; a byte-order mark is dropped, ends of lines are left as they are.

    Raises:
        AnnotationError: Missing, a folder, no text, or larger than a gigabyte.
    """
    check_file(path, what)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise bad(str(path), f"{what} as UTF-8 text", f"{type(error).__name__}: {error}") from error


def read_json(path: Path, what: str) -> Any:
    """The content of a JSON file.

    Raises:
        AnnotationError: No JSON.
    """
    text = read_text(path, what)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise bad(str(path), f"{what} as JSON", f"{type(error).__name__}: {error}") from None


def read_xml(path: Path, what: str) -> Element:
    """The root of an XML file, read as `parse_xml` does.

    Raises:
        AnnotationError: As `parse_xml`, or no file.
    """
    return parse_xml(read_text(path, what), path.name, what)


def parse_xml(text: str, where: str, what: str) -> Element:
    """The root of an XML text. Document types are refused, and with them every entity that is not XML's own.

    Raises:
        AnnotationError: No XML, a document type, or nested deeper than `MAX_DEPTH`.
    """
    builder, depth = TreeBuilder(), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise bad(where, f"elements nested {MAX_DEPTH} deep at most", "deeper ones")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise bad(where, f"{what} without a document type", "a DOCTYPE", "Remove it and the entities it declares.")

    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.encode(), True)
        return builder.close()
    except (expat.ExpatError, ValueError, AssertionError) as error:
        raise bad(where, f"{what} as XML", str(error)) from None


def read_rows(path: Path, what: str) -> list[list[str]]:
    """The rows of a CSV file; quotes must be closed.

    Raises:
        AnnotationError: No table.
    """
    text = read_text(path, what)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise bad(str(path), f"{what} as CSV", str(error)) from None


class _PlainYaml(yaml.SafeLoader):
    """Safe YAML without aliases: ten lines of them can stand for a billion values."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias (*name); write the value out")
        return super().compose_node(parent, index)


def read_yaml(path: Path, what: str) -> Any:
    """The content of a YAML file of plain values.

    Raises:
        AnnotationError: No YAML, aliases, or tags of anything but plain values.
    """
    text = read_text(path, what)
    try:
        loader = _PlainYaml(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    # Beside YAMLError the constructors let through what int(), float() and datetime raise.
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        raise bad(str(path), f"{what} as YAML", str(error)) from None


def number(where: str, what: str, text: object) -> float:
    """A number out of text; NaN and infinity are left to the check of the whole.

    Raises:
        AnnotationError: It is none.
    """
    try:
        if not isinstance(text, str) or "_" in text:
            raise ValueError
        return float(text)
    except ValueError:
        raise bad(where, f"{what}: a number", repr(text)) from None


def integer(where: str, what: str, text: object) -> int:
    """A whole number of 64 bits out of text.

    Raises:
        AnnotationError: It is none.
    """
    if not isinstance(text, str) or not re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", text) or abs(int(text)) > 2**63:
        raise bad(where, f"{what}: a whole number of 64 bits", repr(text))
    return int(text)


def is_index(value: object, count: int) -> bool:
    """Whether a value is an integer from 0 below `count`."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count


def size_of(where: str, file: str, pictures: Path | None) -> tuple[int, int]:
    """Width and height of a picture, for files that do not say it.

    Raises:
        UsageError: There is no picture folder.
        PictureError: The picture is missing or cannot be read.
    """
    if pictures is None:
        raise UsageError(
            where,
            expected="the picture folder, for this file does not say how large the pictures are",
            got="none",
            fix="Name it with `pictures=`.",
        )
    return upright_size(pictures / file)
