"""What the writers share: losses are said before anything is written, and nothing is overwritten unasked."""

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cape.errors import FormatError, UsageError
from cape.files import write_atomically, write_folder_atomically
from cape.formats.labels import Labels, check_labels
from cape.skeleton import Skeleton


def prepare(labels: Labels, path: Path, *, form: str, losses: Sequence[str], lossy: bool) -> None:
    """Raise unless a format can hold all of the labels, or the user said that it need not.

    Raises:
        FormatError: With everything that would be lost.
    """
    check_labels(labels, where=path.name, error=FormatError)
    if losses and not lossy:
        raise FormatError(
            path.name,
            expected=f"labels that {form} can hold",
            got="; ".join(losses),
            fix="Write COCO or CSV, which hold everything, or accept the loss with lossy=True.",
        )


def write_file(path: Path, content: str, *, overwrite: bool) -> Path:
    """Write one file atomically.

    Raises:
        UsageError: It exists, and `overwrite` is False, or it cannot be written.
    """
    if os.path.lexists(path) and not overwrite:
        raise _in_the_way(path)
    return write_atomically(path, content)


def write_folder(path: Path, files: Mapping[str, str], *, overwrite: bool, own: Iterable[str]) -> Path:
    """Write a folder atomically; one in the way is replaced only if nothing but `own` names are in it.

    Raises:
        UsageError: It is not empty and `overwrite` is False, it holds something else, or it cannot be written.
    """
    try:
        there = sorted(each.name for each in path.iterdir()) if path.is_dir() else []
    except OSError as error:
        raise UsageError(
            str(path), expected="a folder that can be read", got=str(error), fix="Choose another."
        ) from error
    if there and not overwrite:
        raise _in_the_way(path)
    foreign = [name for name in there if name not in own]
    if foreign:
        raise UsageError(
            str(path),
            expected=f"a folder with nothing but {', '.join(own)}, for it would be removed",
            got=", ".join(foreign)[:200],
            fix="Write into a new folder and move the pictures there.",
        )
    return write_folder_atomically(path, files, replace=overwrite)


def _in_the_way(path: Path) -> UsageError:
    return UsageError(
        str(path),
        expected="a new name",
        got="one that exists",
        fix="Choose another, or allow overwriting with overwrite=True.",
    )


def texts_of(labels: Labels) -> Iterable[str]:
    """Every name in a set: categories, keypoints, parts, files."""
    for name, skeleton in labels.categories.items():
        yield name
        yield from skeleton.names
        yield from skeleton.parts
    yield from (picture.file for picture in labels.pictures)


def refuse_control_characters(labels: Labels, path: Path, form: str) -> None:
    """Raise where a name holds a line break or another character that lines of text or XML cannot carry.

    Raises:
        FormatError: Naming the first.
    """
    for text in texts_of(labels):
        if any(unicodedata.category(letter) == "Cc" or letter in "\u2028\u2029\ufffe\uffff" for letter in text):
            raise FormatError(
                path.name,
                expected=f"names without line breaks and other control characters, for {form}",
                got=ascii(text)[:80],
                fix="Rename it.",
            )


def lost_ids(labels: Labels) -> list[str]:
    """A loss, unless the poses are numbered 1, 2, ... in file order."""
    ids = [pose.id for pose in labels.poses()]
    return ["ids other than 1, 2, ... in file order"] if ids != list(range(1, len(ids) + 1)) else []


def lost_names(labels: Labels) -> list[str]:
    """A loss where a keypoint has no name: formats that tell keypoints by name get `numbered` ones."""
    unnamed = any("" in skeleton.names for skeleton in labels.categories.values())
    return ["keypoints without a name (they would be called by their number)"] if unnamed else []


def lost(labels: Labels, **which: bool) -> list[str]:
    """Losses among `boxes`, `scores`, `edges`, `swap` and `parts`, for those that are True and in the labels."""
    skeletons = list(labels.categories.values())
    there = {
        "boxes": any(pose.box is not None for pose in labels.poses()),
        "scores": any(pose.scores is not None for pose in labels.poses()),
        "score": any(pose.score is not None for pose in labels.poses()),
        "edges": any(skeleton.edges for skeleton in skeletons),
        "swap": any(skeleton.swap for skeleton in skeletons),
        "parts": any(skeleton.parts for skeleton in skeletons),
    }
    said = {"scores": "scores of keypoints", "score": "scores of poses", "swap": "swap pairs", "parts": "body parts"}
    return [said.get(key, key) for key, wanted in which.items() if wanted and there[key]]


def numbered(skeleton: Skeleton) -> tuple[str, ...]:
    """The names of a skeleton, with numbers (from 1) where there is none; a number that is taken gets a stroke."""
    taken = set(skeleton.names)
    names = []
    for place, name in enumerate(skeleton.names, start=1):
        new = name or str(place)
        while not name and new in taken:
            new += "'"
        taken.add(new)
        names.append(new)
    return tuple(names)
