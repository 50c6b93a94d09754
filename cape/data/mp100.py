"""MP-100: 100 categories, five splits, one reader for every revision of its files."""

import json
from functools import cache
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple, get_args

from cape.data.coco import Category, CocoKeypoints
from cape.data.prompts import Style, TextPack
from cape.errors import AnnotationError, UsageError
from cape.registry import DATASETS
from cape.skeleton import Skeleton, swap_pairs

Subset = Literal["train", "val", "test"]
PATTERN = "*split{split}_{subset}.json*"


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

    Raises:
        UsageError: No such split, subset, pattern or text style.
        AnnotationError: No or several files match, or the file holds classes of another subset.
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
    ) -> None:
        if subset not in get_args(Subset) or split not in split_table():
            raise UsageError(
                "MP100", expected="split 1 to 5 and subset train, val or test", got=f"{split}, {subset}", fix="Mend it."
            )
        if text_style not in get_args(Style):
            raise UsageError(
                "text_style", expected=", ".join(get_args(Style)), got=repr(text_style), fix="Choose one of them."
            )
        self.split, self.subset = split, subset
        self.text_style: Style = text_style
        self.pack = None if text_pack is None else TextPack.load(text_pack)
        path = find_annotations(Path(root), pattern, split=split, subset=subset)
        if pictures == "auto":
            pictures = find_pictures(path)
        super().__init__(annotations=path, pictures=pictures, strict=strict, skeleton_base=skeleton_base)
        if "{split}" in pattern and path != Path(root):
            self._check_split()

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

    def _check_split(self) -> None:
        allowed = split_table()[self.split][self.subset]
        for category in self.categories.values():
            if is_own(category.id, category.name) and category.id not in allowed:
                raise AnnotationError(
                    self.path.name,
                    expected=f"classes of split {self.split} {self.subset}",
                    got=f"category {category.id} ({category.name}), which is not one of them",
                    fix="Check `split` and the file; a protocol of its own needs a pattern without {split}.",
                )


def find_annotations(root: Path, pattern: str, *, split: int, subset: str) -> Path:
    """The one annotation file of a subset under `root` or `root/annotations`, or `root` itself if it is a file.

    Raises:
        AnnotationError: None or several match.
        UsageError: The pattern is empty or absolute.
    """
    name = pattern.replace("{split}", str(split)).replace("{subset}", subset)
    for folder in (root, root / "annotations", root / "annotation"):
        try:
            if folder == root and root.is_file():
                return root
            found = sorted(folder.glob(name)) if folder.is_dir() else []
        except OSError:  # a name that is too long, a folder that may not be read
            break
        except (ValueError, NotImplementedError) as error:
            raise UsageError("pattern", expected="a file name", got=f"{name!r}: {error}", fix="Mend it.") from error
        plain = [path for path in found if path.suffix == ".json"]
        if len(found) == 1 or len(plain) == 1:
            return (plain or found)[0]
        if found:
            names = ", ".join(path.name for path in found)
            raise AnnotationError(str(folder), expected=f"one file {name}", got=names, fix="Narrow the pattern.")
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
