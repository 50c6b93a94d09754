"""Permitted: the part of a data set whose licences allow what it is wanted for, chosen picture by picture."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cape.data.coco import CocoKeypoints
from cape.data.mp100 import PATTERN, find_annotations, find_pictures
from cape.data.records import is_id, read_coco
from cape.errors import AnnotationError, UsageError
from cape.registry import DATASETS

_LISTS = {"image": "images", "category": "categories", "annotation": "annotations"}


@DATASETS.register_module()
class Permitted(CocoKeypoints):
    """Instances of named categories on pictures whose records state what is asked for.

    What is not named is not read, so that data added later comes in by permission alone.

    Args:
        root: Folder of the annotation files, or the one above it (`annotations/`), with `images/` beside them.
        permitted: By category name, what an image record must state: `{"glue_tube": {"license": "MIT repository"}}`.
        split: Leave out every family that this split tests on. A family is what a category record states as `family`,
            else its name. None leaves out none.
        without: Families to leave out besides.
        file: Name of the file with all categories; `*` matches anything.
        pattern: As for `MP100`: the split's files.
        pictures: As for `MP100`.
        strict: As for `CocoKeypoints`.

    Raises:
        UsageError: A permission without a condition, or no such family.
        AnnotationError: As `CocoKeypoints`; or a category is not in the file, or none of its pictures is permitted.
        PictureError: As `CocoKeypoints`.
    """

    def __init__(
        self,
        *,
        root: str | Path,
        permitted: Mapping[str, Mapping[str, str]],
        split: int | None = None,
        without: Sequence[str] = (),
        file: str = "*_all.json*",
        pattern: str = PATTERN,
        pictures: str | Path | None = "auto",
        strict: bool = True,
    ) -> None:
        lax = [name for name, stated in permitted.items() if not stated]
        if lax or not permitted:
            raise UsageError(
                "permitted", expected="categories, and what the records of their pictures must state",
                got=f"nothing about {lax[0]}" if lax else "no category", fix='For example dict(license="CC BY 4.0").',
            )  # fmt: skip
        self.permitted = permitted
        self.without = {without} if isinstance(without, str) else set(without)
        path = find_annotations(Path(root), file, split=split or 0, subset="all")
        self.tested = None if split is None else find_annotations(Path(root), pattern, split=split, subset="test")
        if pictures == "auto":
            pictures = find_pictures(path)
        super().__init__(annotations=path, pictures=pictures, strict=strict)

    @property
    def licences(self) -> Counter[str]:
        """How many pictures are used, by category, source and licence."""
        used = {(each.category, each.picture) for each in self.instances}
        return Counter(f"{self.categories[number].name}, {self._stated[picture]}" for number, picture in sorted(used))

    def read(self) -> dict[str, list]:
        """The records of what is permitted and not left out."""
        content = read_coco(self.path)
        images, categories, annotations = (self._unique(key, content[name]) for key, name in _LISTS.items())
        families = {_family(record) for record in categories.values()}
        if self.without - families:
            raise UsageError(
                "without", expected=f"families of {self.path.name}: {', '.join(sorted(families))}",
                got=", ".join(sorted(self.without - families)), fix="Mend the names.",
            )  # fmt: skip
        lacking = set(self.permitted) - {record.get("name") for record in categories.values()}
        if lacking:
            raise AnnotationError(
                self.path.name, expected="all categories of `permitted`", got=f"no {', '.join(sorted(lacking))}",
                fix="Check the names and the file.",
            )  # fmt: skip
        out = self.without | {
            _family(record) for record in (read_coco(self.tested)["categories"] if self.tested else ())
        }
        kept = {
            number: self.permitted[record["name"]]
            for number, record in categories.items()
            if record.get("name") in self.permitted and _family(record) not in out
        }
        self._stated = {
            each.get("file_name"): f"{each.get('source')}: {each.get('license')}" for each in images.values()
        }
        return {
            "images": content["images"],
            "categories": [categories[number] for number in kept],
            "annotations": [each for each in annotations.values() if _is_permitted(each, kept, images)],
        }


def _is_permitted(record: dict[str, Any], kept: Mapping[int, Mapping[str, str]], images: Mapping[int, dict]) -> bool:
    """Whether an annotation is of a category kept, on a picture that states what is asked for, or on none at all."""
    number, place = record.get("category_id"), record.get("image_id")
    if not is_id(number) or number not in kept:
        return False
    image = images.get(place) if is_id(place) else None  # None: the reader will refuse it
    return image is None or all(image.get(key) == value for key, value in kept[number].items())


def _family(record: dict[str, Any]) -> str:
    return str(record.get("family") or record.get("name"))
