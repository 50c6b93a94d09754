"""Keypoint texts: names out of annotation files, and text packs.

A text pack is a JSON file that gives each keypoint of a category

    name      a unique short name,
    frame     "viewer" or "subject": whose left `left` is,
    relation  a half-sentence that places it among its neighbours,
    source    the definition it was written from.

A pack may also be another one in other words: `base` names it, `names` and `relations` say what becomes of its strings,
`words` how to reword, word by word, a name that it does not have. `synonyms`, `typos` and `other_language` (German) are
such packs of mp100's keypoints, for trials of robustness.

Layouts are shared by the categories that share a keypoint definition. The frame matters: in MP-100 "left" is the
viewer's in clothes, faces and furniture and the subject's own in bodies and vehicles, so the bare word contradicts
itself between categories (specification of the data, §1.6).
"""

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from cape.errors import TextError

Frame = Literal["viewer", "subject"]
Style = Literal["name", "framed", "relational"]
"""name: the bare name. framed: left and right say whose. relational: framed, and the half-sentence."""

PACKS = {name: f"{name}.json" for name in ("synonyms", "typos", "other_language")} | {"mp100": "text_pack.json"}
"""The packs that ship with cape, and their files."""
_PLACEHOLDER = re.compile(r"(?:kp|kpt|key_?point|joint|landmark|lm|point|pt|p)?[ _-]?\d*", re.IGNORECASE)
_SIDES = {
    re.compile(r"\b(left|right)\b"): {"viewer": r"viewer's \1", "subject": r"own \1"},
    re.compile(r"\b((?:link|recht)(e[rs]?))\b"): {"viewer": r"vom Betrachter aus \1", "subject": r"eigen\2 \1"},
}
"""A side as it is written, and how it is told whose it is. German is the language of `other_language`."""
_WORD = re.compile(r"[A-Z]?[a-z]+")
_FORMAT = "cape-text-pack/1"


class KeypointText(NamedTuple):
    """What a text pack says of one keypoint."""

    name: str
    frame: Frame
    relation: str
    source: str

    def phrase(self, style: Style) -> str:
        """The string for the text encoder."""
        if style == "name":
            return self.name
        framed = self.name
        for side, told in _SIDES.items():
            framed = side.sub(told[self.frame], framed)
        return framed if style == "framed" else f"{framed}, {self.relation}"


def is_placeholder(name: str) -> bool:
    """True for names that say nothing: "", "7", "kp_3", "lm 12", "Point4". They count as missing text."""
    return _PLACEHOLDER.fullmatch(name.strip()) is not None


def clean_name(name: str) -> str:
    """A name from an annotation file as text: underscores to spaces, "" for a placeholder."""
    return "" if is_placeholder(name) else " ".join(name.replace("_", " ").split())


class TextPack:
    """Texts by category.

    Args:
        content: The parsed JSON file.
        where: Its name, for messages.

    Raises:
        TextError: Another format, an unknown layout or frame, an empty or repeated name.
    """

    def __init__(self, content: Any, *, where: str) -> None:
        self.where = where
        self.names: dict[str, str] = {}
        self.words: dict[str, str] = {}
        self.layouts: dict[str, list[KeypointText]] = {}
        self.categories: dict[tuple[int, str], str] = {}
        try:
            self._read(content)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise TextError(
                where, expected="layouts and categories", got=f"{type(error).__name__}: {error}", fix="Repair it."
            ) from error

    def _read(self, content: Any) -> None:
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            got = repr(content.get("format")) if isinstance(content, dict) else type(content).__name__
            raise TextError(
                self.where, expected=f'"format": "{_FORMAT}"', got=got, fix="Give a text pack of this format."
            )
        if "base" in content:
            content = self._overridden(content)
        self.layouts = {name: self._layout(name, layout) for name, layout in content["layouts"].items()}
        for number, entry in content["categories"].items():
            if entry["layout"] not in self.layouts:
                raise TextError(
                    f"{self.where}: category {number}",
                    expected="a layout of the file",
                    got=repr(entry["layout"]),
                    fix="Add it.",
                )
            self.categories[int(number), entry["name"]] = entry["layout"]

    @classmethod
    def load(cls, name: str | Path = "mp100") -> "TextPack":
        """A pack that ships with cape (one of `PACKS`), or a file.

        Raises:
            TextError: No such pack or file, not JSON, or not a text pack.
        """
        if isinstance(name, str) and name in PACKS:
            return cls(_shipped(name), where=f"{name} text pack")
        path = Path(name)
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise TextError(
                str(path),
                expected=f"{', '.join(PACKS)}, or a text pack file",
                got=str(error),
                fix="Check the path and the JSON.",
            ) from error
        return cls(content, where=path.name)

    def texts(self, category: int, name: str, count: int) -> list[KeypointText] | None:
        """The K texts of a category, or None where the pack does not know it.

        Args:
            category: Its id.
            name: Its name: both must match, since ids are only unique within MP-100 and two categories are `face`.
            count: K of the annotations.

        Raises:
            TextError: The pack's list is not of length K.
        """
        layout = self.categories.get((category, name))
        if layout is None:
            return None
        texts = self.layouts[layout]
        if len(texts) != count:
            raise TextError(
                f"{self.where}: category {category} ({name})",
                expected=f"{count} keypoint texts",
                got=str(len(texts)),
                fix="Give each keypoint of the annotation file one text, in its order.",
            )
        return texts

    def reworded(self, name: str) -> str:
        """A name out of an annotation file in this pack's words; what it does not know stays."""
        known = self.names.get(name)
        return known or _WORD.sub(lambda found: self.words.get(found[0].lower(), found[0]), name)

    def _overridden(self, content: dict[str, Any]) -> dict[str, Any]:
        """The base's content in other words: each name must be there, a relation that is not stays."""
        strings = {part: content.get(part, {}) for part in ("names", "relations", "words")}
        plain = all(isinstance(text, str) for part in strings.values() for text in [*part, *part.values()])
        if content["base"] != "mp100" or not plain:
            raise TextError(
                self.where,
                expected='"base": "mp100", and strings for strings in names, relations and words',
                got=f'"base": {content["base"]!r}' + ("" if plain else " and something else for a string"),
                fix="Repair it.",
            )
        self.names, relations, self.words = strings.values()

        def other(entry: dict[str, Any]) -> dict[str, Any]:
            relation = relations.get(entry["relation"], entry["relation"])
            return entry | {"name": self.names[entry["name"]], "relation": relation}

        base = _shipped("mp100")
        layouts = {
            name: layout | {"keypoints": [other(entry) for entry in layout["keypoints"]]}
            for name, layout in base["layouts"].items()
        }
        return base | {"layouts": layouts}

    def _layout(self, name: str, layout: dict[str, Any]) -> list[KeypointText]:
        texts = []
        for entry in layout["keypoints"]:
            frame = entry.get("frame", layout["frame"])
            source = entry.get("source", layout["source"])
            told = entry["name"].strip() and isinstance(entry["relation"], str)
            if frame not in get_args(Frame) or not told:
                raise TextError(
                    f"{self.where}: layout {name}",
                    expected="a name, a relation, and a frame that is viewer or subject",
                    got=repr(entry),
                    fix="Repair the entry.",
                )
            texts.append(KeypointText(entry["name"], frame, entry["relation"], source))
        names = [text.name for text in texts]
        if len(set(names)) != len(names):
            twice = sorted({each for each in names if names.count(each) > 1})
            raise TextError(
                f"{self.where}: layout {name}", expected="unique names", got=f"twice: {twice}", fix="Tell them apart."
            )
        return texts


def _shipped(name: str) -> dict[str, Any]:
    return json.loads((resources.files("cape.annotations") / "mp100" / PACKS[name]).read_text(encoding="utf-8"))
