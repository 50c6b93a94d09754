"""MP-100: 100 categories, five splits, one reader for every revision of its files."""

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple, get_args

from cape.data.coco import Category, CocoKeypoints
from cape.data.gather import gather, ids_of
from cape.data.prompts import Style, TextPack
from cape.data.records import read_coco
from cape.errors import AnnotationError, UsageError
from cape.registry import DATASETS
from cape.skeleton import Skeleton, swap_pairs

Subset = Literal["train", "val", "test"]
PATTERN = "*split{split}_{subset}.json*"


class Group(NamedTuple):
    """A super-category to hold out (specification §2.4)."""

    ids: tuple[int, ...]
    """Its categories in MP-100."""
    supercategory: str
    """What other data calls it in its category records."""
    episodes: int
    """Per category at test."""


GROUPS = {
    "human_body": Group((72,), "person", 200),
    "human_face": Group((18, 40), "face", 200),
    "vehicle": Group((32, 38, 51), "vehicle", 100),
    "furniture": Group((39, 45, 49, 84, 98), "furniture", 100),
}


class CategoryRow(NamedTuple):
    """A row of the category table."""

    id: int
    name: str
    folder: str
    supercategory: str
    K: int
    source: str


@cache
def category_table() -> dict[int, CategoryRow]:
    """The 100 categories by id. Two of them (18, 40) share the name `face`: never key by name."""
    rows = json.loads((resources.files("cape.annotations") / "mp100" / "categories.json").read_text(encoding="utf-8"))
    return {row["id"]: CategoryRow(**row) for row in rows}


@cache
def split_table() -> dict[int, dict[str, tuple[int, ...]]]:
    """Category ids of each subset of each split: `split_table()[1]["test"]`."""
    splits = json.loads((resources.files("cape.annotations") / "mp100" / "splits.json").read_text(encoding="utf-8"))
    return {int(split): {subset: tuple(ids) for subset, ids in parts.items()} for split, parts in splits.items()}


def is_own(number: int, name: object) -> bool:
    """True for a category of MP-100 itself; other data may use its ids, so the name must match too."""
    row = category_table().get(number)
    return row is not None and row.name == name


@DATASETS.register_module()
class MP100(CocoKeypoints):
    """One subset of one split, or of any data set that names its files the same way.

    Args:
        root: Folder of the annotation files, or the one above it (`annotations/`), with `images/` beside them; or one
            annotation file, which `split` and `subset` then only name.
        split: 1 to 5.
        subset: train, val or test.
        pattern: File name with `{split}` and `{subset}`; `*` matches anything. Exactly one file must match, where
            `x.json` wins over `x.json.gz`.
        pictures: Picture folder; "auto" is `images/`, None reads annotations only.
        strict: Missing pictures and bad records are errors; False leaves them out and counts them. A partial
            download changes the pools that episodes are drawn from, so results on it are not MP-100's.
        text_pack: "mp100", a file, or None for the names in the annotations. It applies to the categories whose id
            and name it knows.
        text_style: How the pack phrases a keypoint, see `prompts.Style`.
        skeleton_base: 0 or 1, what the file's skeletons count from. None: 0 for MP-100's own categories, whose files
            all do, and `CocoKeypoints`' guess for any other.
        held_out: A super-category of `GROUPS` for the cross-super-category protocol, built from the split's three
            files: "test" is this group, out of all of them; "train" is the rest of the train and test files, "val"
            the rest of the val file. Every split holds all categories; it decides which of the rest validate.
        categories: Names or ids: these alone, from whichever file of the split holds them.

    Attributes:
        home: The subset whose file each category came from.

    Raises:
        UsageError: No such split, subset, pattern, text style or group, or options that exclude each other.
        AnnotationError: No or several files match, a file holds classes of another subset, or what was asked for is
            not in the files.
        TextError: The text pack has a list of the wrong length.
        PictureError: (strict) pictures are missing or unusable, with a count per source data set.
    """

    def __init__(
        self,
        *,
        root: str | Path,
        split: int = 1,
        subset: Subset = "train",
        pattern: str = PATTERN,
        pictures: str | Path | None = "auto",
        strict: bool = True,
        text_pack: str | Path | None = "mp100",
        text_style: Style = "framed",
        skeleton_base: int | None = None,
        held_out: str | None = None,
        categories: Sequence[int | str] | None = None,
    ) -> None:
        if subset not in get_args(Subset) or split not in split_table():
            raise UsageError(
                "MP100", expected="split 1 to 5 and subset train, val or test", got=f"{split}, {subset}", fix="Mend it."
            )
        if text_style not in get_args(Style):
            raise UsageError(
                "text_style", expected=", ".join(get_args(Style)), got=repr(text_style), fix="Choose one of them."
            )
        _check_choice(held_out, categories)
        self.split, self.subset, self.held_out = split, subset, held_out
        self.asked = [str(each) for each in categories or ()]
        self.text_style: Style = text_style
        self.pack = None if text_pack is None else TextPack.load(text_pack)
        self.files = self._find_files(Path(root), pattern)
        path = next(iter(self.files.values()))
        if pictures == "auto":
            pictures = find_pictures(path)
        super().__init__(annotations=path, pictures=pictures, strict=strict, skeleton_base=skeleton_base)
        if "{split}" in pattern and path != Path(root):
            self._check_split()

    def read(self) -> dict[str, list]:
        """The records of the categories wanted, out of one file or several."""
        if not self.asked and not self.held_out:
            content = read_coco(self.path)
            self.home = dict.fromkeys(ids_of(content["categories"]), self.subset)
            return content
        contents = {subset: read_coco(path) for subset, path in self.files.items()}
        content, self.home = gather(contents, self._wants)
        if self.asked or self.subset == "test":
            self._check_found([record for record in content["categories"] if ids_of([record])])
        return content

    def source_of(self, record: dict[str, Any]) -> str:
        """The source data set of a folder of MP-100, so that a user sees which download is incomplete."""
        folder = PurePosixPath(str(record["file_name"])).parts[0]
        sources = {row.folder: row.source for row in category_table().values()}
        return sources.get(folder) or super().source_of(record)

    def skips_empty_boxes(self, category: Category) -> bool:
        """The official loader drops two boxes of negative size (AFLW, category 18) in silence; we count them."""
        return is_own(category.id, category.name)

    def base_of(self, record: dict[str, Any], indices: list[int], count: int) -> int:
        """MP-100's own skeletons count from 0, so that an index equal to K is an error there."""
        if self.skeleton_base is None and is_own(record["id"], record.get("name")):
            return 0
        return super().base_of(record, indices, count)

    def _category(self, record: dict[str, Any], counted: int) -> Category:
        category = super()._category(record, counted)
        texts = self.pack and self.pack.texts(category.id, category.name, len(category.skeleton))
        if not texts:
            return category
        names = tuple(text.name for text in texts)
        phrases = tuple(text.phrase(self.text_style) for text in texts)
        return category._replace(skeleton=Skeleton(names, category.skeleton.edges, swap_pairs(names)), texts=phrases)

    def _find_files(self, root: Path, pattern: str) -> dict[str, Path]:
        """The file of each subset that is read: one; or all there are, some of which have to be there."""
        one = not self.held_out and not self.asked
        if one or root.is_file() or "{subset}" not in pattern:
            if self.held_out:
                raise UsageError(
                    "held_out", expected="a folder with a file for each subset", got=str(root / pattern),
                    fix="Name the folder, and put {subset} into the pattern.",
                )  # fmt: skip
            return {self.subset: find_annotations(root, pattern, split=self.split, subset=self.subset)}
        needed = {"train": ("train", "test"), "val": ("val",), "test": ()}[self.subset] if self.held_out else ()
        present = [
            subset
            for subset in get_args(Subset)
            if subset in needed or matching_files(root, pattern, split=self.split, subset=subset)
        ]
        return {
            subset: find_annotations(root, pattern, split=self.split, subset=subset)
            for subset in present or [self.subset]
        }

    def _wants(self, home: str, record: dict[str, Any]) -> bool:
        if self.asked:
            return str(record["id"]) in self.asked or record.get("name") in self.asked
        inside = in_group(record, str(self.held_out))
        if self.subset == "test":
            return inside
        return not inside and (home == "val") == (self.subset == "val")

    def _check_found(self, records: list[dict[str, Any]]) -> None:
        """All that was asked for is there. Of the categories of a group, other data may have any."""
        ids = {record["id"] for record in records}
        known = {str(number) for number in ids} | {str(record.get("name")) for record in records}
        lacking = [each for each in self.asked if each not in known]
        if self.held_out and (not records or any(is_own(each["id"], each.get("name")) for each in records)):
            rows = (category_table()[number] for number in GROUPS[self.held_out].ids if number not in ids)
            lacking = [f"{row.name} [{row.id}] (in {home_of(row.id, self.split)})" for row in rows]
        if lacking and (self.strict or not records):
            raise AnnotationError(
                str(self.path.parent),
                expected=f"all categories asked for in the files of split {self.split}",
                got=f"{', '.join(path.name for path in self.files.values())} without {', '.join(lacking)}",
                fix="Check the names, and that the files of all subsets are there.",
            )
        if lacking:
            self.dropped["category that is in no file"] += len(lacking)

    def _check_split(self) -> None:
        for category in self.categories.values():
            home = self.home[category.id]
            if is_own(category.id, category.name) and category.id not in split_table()[self.split][home]:
                raise AnnotationError(
                    self.files[home].name,
                    expected=f"classes of split {self.split} {home}",
                    got=f"category {category.id} ({category.name}), which is not one of them",
                    fix="Check `split` and the file; a protocol of its own needs a pattern without {split}.",
                )


def _check_choice(held_out: str | None, categories: Sequence[int | str] | None) -> None:
    if held_out is not None and held_out not in GROUPS:
        raise UsageError("held_out", expected=", ".join(GROUPS), got=repr(held_out), fix="Choose one of them.")
    if categories is not None and (held_out or not categories):
        raise UsageError(
            "categories", expected="some names or ids, or a held-out super-category",
            got="both" if held_out else "an empty list", fix="Leave one of them out.",
        )  # fmt: skip


def in_group(record: dict[str, Any], group: str) -> bool:
    """Whether a category record belongs to a super-category: MP-100's own by id, others by what they state."""
    if is_own(record["id"], record.get("name")):
        return record["id"] in GROUPS[group].ids
    return record.get("supercategory") == GROUPS[group].supercategory


def home_of(number: int, split: int) -> str:
    """The subset of a split in which a category of MP-100 lies."""
    return next(subset for subset, ids in split_table()[split].items() if number in ids)


def matching_files(root: Path, pattern: str, *, split: int, subset: str) -> list[Path]:
    """The annotation files of a subset in the first of `root`, `root/annotations` that has any, or `root` itself.

    Raises:
        UsageError: The pattern is empty or absolute.
    """
    name = pattern.replace("{split}", str(split)).replace("{subset}", subset)
    for folder in (root, root / "annotations", root / "annotation"):
        try:
            if folder == root and root.is_file():
                return [root]
            found = sorted(folder.glob(name)) if folder.is_dir() else []
        except OSError:  # a name that is too long, a folder that may not be read
            break
        except (ValueError, NotImplementedError) as error:
            raise UsageError("pattern", expected="a file name", got=f"{name!r}: {error}", fix="Mend it.") from error
        if found:
            plain = [path for path in found if path.suffix == ".json"]
            return plain if len(plain) == 1 else found
    return []


def find_annotations(root: Path, pattern: str, *, split: int, subset: str) -> Path:
    """The one annotation file of a subset, see `matching_files`.

    Raises:
        AnnotationError: None or several match.
        UsageError: The pattern is empty or absolute.
    """
    found = matching_files(root, pattern, split=split, subset=subset)
    if len(found) == 1:
        return found[0]
    name = pattern.replace("{split}", str(split)).replace("{subset}", subset)
    if found:
        names = ", ".join(path.name for path in found)
        raise AnnotationError(str(found[0].parent), expected=f"one file {name}", got=names, fix="Narrow the pattern.")
    raise AnnotationError(
        str(root),
        expected=f"a file {name} in it or in annotations/, or an annotation file",
        got="none",
        fix="Check the folder and the pattern.",
    )


def find_pictures(annotations: Path) -> Path:
    """`images/` beside the annotation file or beside its folder.

    Raises:
        AnnotationError: Neither exists.
    """
    for folder in (annotations.parent / "images", annotations.parent.parent / "images"):
        if folder.is_dir():
            return folder
    raise AnnotationError(
        str(annotations),
        expected="images/ beside it or beside its folder",
        got="none",
        fix="Name the folder with `pictures=`.",
    )
