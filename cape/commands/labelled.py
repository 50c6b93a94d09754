"""Labels that a command is given as FORMAT:PATH, `coco:labels.json` for example, and a picture's place in them."""

from collections import defaultdict
from pathlib import Path, PurePosixPath

from cape import formats
from cape.errors import PictureError, UsageError
from cape.formats import FORMATS, PictureLabels


def format_and_path(text: str) -> tuple[str, str] | None:
    """Both parts of FORMAT:PATH; None where no known format stands in front."""
    form, colon, path = text.partition(":")
    return (form, path) if colon and form in FORMATS else None


class Labelled:
    """A set of labels that pictures are looked up in by file name.

    Args:
        flag: That it was given with.
        text: FORMAT:PATH.
        pictures: The picture folder, for formats that do not say how large the pictures are.

    Raises:
        AnnotationError: The labels cannot be read.
        UsageError: No known format.
    """

    def __init__(self, flag: str, text: str, *, pictures: Path) -> None:
        parts = format_and_path(text)
        if parts is None:
            raise UsageError(
                flag, expected=f"FORMAT:PATH, the format one of {', '.join(FORMATS)}", got=text,
                fix="For example coco:labels.json.",
            )  # fmt: skip
        self.flag, self.text = flag, text
        self.labels = formats.read(parts[1], parts[0], pictures=pictures)
        self._by_name: dict[str, list[PictureLabels]] = defaultdict(list)
        for picture in self.labels.pictures:
            self._by_name[PurePosixPath(picture.file).name].append(picture)

    def find(self, file: str) -> PictureLabels | None:
        """The picture of this path; folders that the labels or the path leave out do not matter.

        Raises:
            UsageError: Several pictures may be meant.
        """
        path, shared = PurePosixPath(file), {}
        for each in self._by_name.get(path.name, ()):
            count = _shared(PurePosixPath(each.file).parts, path.parts)
            shared.setdefault((each.file == file, count), []).append(each)
        best = shared[max(shared)] if shared and max(shared)[1] else []
        if len(best) > 1:
            raise UsageError(
                self.flag, expected=f"one picture of {self.text} that is {file}",
                got=", ".join(each.file for each in best)[:200], fix="Name the pictures as the labels do.",
            )  # fmt: skip
        return best[0] if best else None


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many parts of two paths are the same, from the end; 0 unless one of them ends with all of the other."""
    count = min(len(one), len(other))
    return count if one[-count:] == other[-count:] else 0


def check_size(file: str, size: tuple[int, int], labelled: PictureLabels) -> None:
    """Raise where a picture is not the one that was labelled.

    Raises:
        PictureError: Its upright size is another one.
    """
    if tuple(size) != tuple(labelled.size):
        raise PictureError(
            file, expected=f"{labelled.size[0]} x {labelled.size[1]}, as labelled", got=f"{size[0]} x {size[1]}",
            fix="Give the picture that was labelled, upright, or scale its labels.",
        )  # fmt: skip
