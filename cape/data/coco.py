"""Any COCO-keypoints file as a data set of instances, checked record by record."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from cape.data.pictures import picture_fault, read_picture
from cape.data.prompts import clean_name
from cape.data.records import (
    clip_box,
    file_name,
    finite_numbers,
    is_id,
    is_number,
    keypoint_counts,
    picture_size,
    read_coco,
)
from cape.errors import AnnotationError, PictureError, SkeletonError
from cape.registry import DATASETS
from cape.skeleton import Skeleton, swap_pairs
from cape.structures import Instance


class Category(NamedTuple):
    """One category: its keypoints and their texts."""

    id: int
    name: str
    supercategory: str
    skeleton: Skeleton
    """Its names are "" where the file has none or a placeholder."""
    texts: tuple[str, ...]
    """What a text encoder gets, "" for missing: the names, or the phrases of a text pack."""


def group_by_category(categories: Iterable[int], instances: Sequence[Instance]) -> dict[int, list[int]]:
    """Indices of `instances` per category id, in order: the pools that episodes are sampled from."""
    pools: dict[int, list[int]] = {number: [] for number in categories}
    for index, instance in enumerate(instances):
        pools[instance.category].append(index)
    return pools


@DATASETS.register_module()
class CocoKeypoints:
    """Instances of a COCO-keypoints file (JSON, or gzipped JSON), in the official loaders' order.

    Images in file order, then the annotations of each image in file order; crowds, annotations without a labelled
    keypoint and boxes that the clipping empties are left out, as in the code of POMNet and its successors.

    Args:
        annotations: The file.
        pictures: Folder that `file_name` is relative to. None reads annotations only: `picture` then raises.
            With it the header of each picture that an instance uses is checked now; none is decoded.
        strict: An unusable picture or a bad record is an error. False leaves it out and counts it in `dropped`.
        skeleton_base: 0 or 1, what the file's skeleton counts from. None: 1 if an index equals K, else 0.

    Attributes:
        categories: By id, in file order.
        instances: What episodes are drawn from.
        dropped: How many records were left out, by reason.

    Raises:
        AnnotationError: Not COCO, or (strict) a bad record; the message names it.
        PictureError: (strict) pictures are missing, of another size or no pictures; counted per source.
    """

    def __init__(
        self,
        *,
        annotations: str | Path,
        pictures: str | Path | None = None,
        strict: bool = True,
        skeleton_base: int | None = None,
    ) -> None:
        self.path = Path(annotations)
        self.pictures = None if pictures is None else Path(pictures)
        self.strict = strict
        self.skeleton_base = skeleton_base
        self.dropped: Counter[str] = Counter()

        content = self.read()
        images = self._unique("image", content["images"])
        counts = keypoint_counts(content["annotations"])
        self.categories: dict[int, Category] = {}
        for number, record in self._unique("category", content["categories"]).items():
            self.categories[number] = self._category(record, counts.get(number, 0))
        self.instances = self._instances(images, self._unique("annotation", content["annotations"]))
        self._drop_empty_categories()
        if not self.instances:
            raise AnnotationError(
                self.path.name,
                expected="at least one usable instance",
                got="none",
                fix="Check what was dropped.",
            )

    def __len__(self) -> int:
        return len(self.instances)

    def read(self) -> dict[str, list]:
        """The records `images`, `annotations` and `categories`; a subclass may gather them from several files."""
        return read_coco(self.path)

    def by_category(self) -> dict[int, list[int]]:
        """Indices of `instances` per category id, in file order: the pools that episodes are sampled from."""
        return group_by_category(self.categories, self.instances)

    def picture(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """The whole picture of an instance, RGB.

        Raises:
            PictureError: No picture folder was given, or the file cannot be read.
        """
        instance = self.instances[index]
        if self.pictures is None:
            raise PictureError(
                instance.picture,
                expected="a picture folder",
                got="annotations only",
                fix="Name it with `pictures=`.",
            )
        return read_picture(self.pictures / instance.picture, size=instance.size)

    def source_of(self, record: dict[str, Any]) -> str:
        """Name under which an unusable picture of this image record is counted."""
        return str(record.get("source") or PurePosixPath(str(record["file_name"])).parent)

    def texts(self, record: dict[str, Any], skeleton: Skeleton) -> tuple[str, ...]:
        """The K texts of a category record; a subclass takes them from a text pack."""
        del record
        return skeleton.names

    def skips_empty_boxes(self, category: Category) -> bool:
        """Whether the protocol of a category leaves out boxes of no area; elsewhere they are an error."""
        del category
        return False

    def base_of(self, record: dict[str, Any], indices: list[int], count: int) -> int:
        """What the skeleton of a category record counts from, given its indices and K."""
        del record
        return int(count in indices and 0 not in indices) if self.skeleton_base is None else self.skeleton_base

    # -- reading ---------------------------------------------------------------------------------------------------

    def _where(self, what: str, record: dict[str, Any]) -> str:
        return f"{self.path.name}: {what} {record.get('id')}"

    def _unique(self, what: str, records: list) -> dict[int, dict[str, Any]]:
        table: dict[int, dict[str, Any]] = {}
        for place, record in enumerate(records):
            number = record.get("id") if isinstance(record, dict) else None
            if not is_id(number):
                raise AnnotationError(
                    f"{self.path.name}: {what} record {place}",
                    expected="an object with an integer `id` of 64 bits",
                    got=repr(record)[:80],
                    fix="Repair the file.",
                )
            if number in table:
                raise AnnotationError(
                    self._where(what, record),
                    expected="unique ids",
                    got="the same id twice",
                    fix="Renumber one of them.",
                )
            table[number] = record
        return table

    def _category(self, record: dict[str, Any], counted: int) -> Category:
        where = self._where("category", record)
        names = record.get("keypoints") or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise AnnotationError(
                where, expected="`keypoints`: a list of names", got=repr(names)[:80], fix="Repair it."
            )
        # MP-100's two `face` categories have no names: K is then what their annotations agree on.
        names = names or [""] * counted
        if not names:
            raise AnnotationError(
                where,
                expected="at least one keypoint",
                got="an empty category",
                fix="Give it keypoint names or remove it.",
            )
        try:
            edges = self._edges(where, record, len(names))
            cleaned = tuple(clean_name(name) for name in names)
            skeleton = Skeleton(cleaned, edges, swap_pairs(names), _parts(where, record))
        except SkeletonError as error:
            raise SkeletonError(
                f"{where}, {error.where}", expected=error.expected, got=error.got, fix=error.fix
            ) from None
        texts = self.texts(record, skeleton)
        return Category(
            record["id"], str(record.get("name", "")), str(record.get("supercategory", "")), skeleton, texts
        )

    def _edges(self, where: str, record: dict[str, Any], count: int) -> tuple[tuple[int, int], ...]:
        edges = record.get("skeleton") or []
        pairs = isinstance(edges, list) and all(isinstance(edge, list) and len(edge) == 2 for edge in edges)
        if not pairs or not all(is_id(index) for edge in edges for index in edge):
            raise AnnotationError(
                where, expected="`skeleton`: pairs of indices", got=repr(edges)[:80], fix="Repair it."
            )
        base = self.base_of(record, [index for edge in edges for index in edge], count)
        return tuple((a - base, b - base) for a, b in edges)

    def _instances(self, images: dict[int, dict], annotations: dict[int, dict]) -> list[Instance]:
        per_image: dict[int, list[dict]] = {number: [] for number in images}
        for record in annotations.values():
            with _Lenient(self, "annotation of an unknown picture or category"):
                self._check_references(record, images)
                per_image[record["image_id"]].append(record)
        found: list[tuple[Instance, dict[str, Any]]] = []
        for number, records in per_image.items():
            for record in records:
                with _Lenient(self, "bad record"):
                    instance = self._instance(record, images[number])
                    if instance is not None:
                        found.append((instance, images[number]))
        return self._with_pictures(found)

    def _check_references(self, record: dict[str, Any], images: dict[int, dict]) -> None:
        for key, table in (("image_id", images), ("category_id", self.categories)):
            if not is_id(record.get(key)) or record[key] not in table:
                raise AnnotationError(
                    self._where("annotation", record),
                    expected=f"`{key}` of a record in the file",
                    got=repr(record.get(key))[:80],
                    fix="Add the record that is missing or remove the annotation.",
                )

    def _with_pictures(self, found: list[tuple[Instance, dict[str, Any]]]) -> list[Instance]:
        """The instances whose picture can be used; one that cannot is an error in strict mode, counted per source."""
        if self.pictures is None:
            return [instance for instance, _ in found]
        faults: dict[tuple[str, tuple[int, int]], str] = {}
        counts: Counter[tuple[str, str]] = Counter()
        for instance, image in found:
            key = instance.picture, instance.size
            if key not in faults:
                faults[key] = picture_fault(self.pictures / instance.picture, size=instance.size)
                if faults[key]:
                    counts[self.source_of(image), faults[key]] += 1
        if counts and (self.strict or counts.total() == len(faults)):
            unusable = ", ".join(f"{source} {count} {fault}" for (source, fault), count in counts.most_common())
            raise PictureError(
                str(self.pictures),
                expected=f"the {len(faults)} pictures of {self.path.name}",
                got=f"{len(faults) - counts.total()}; {unusable}; the first is {next(filter(faults.get, faults))[0]}",
                fix="Complete the download, check the folder, or read what is there with strict=False (--lenient).",
            )
        usable = []
        for instance, _ in found:
            fault = faults[instance.picture, instance.size]
            if fault:
                self.dropped[f"instance whose picture is {fault}"] += 1
            else:
                usable.append(instance)
        return usable

    def _instance(self, record: dict[str, Any], image: dict[str, Any]) -> Instance | None:
        if record.get("iscrowd") or not record.get("keypoints") or "bbox" not in record:
            self.dropped["no keypoints, no box, or a crowd"] += 1
            return None
        where = self._where("annotation", record)
        name = file_name(self._where("image", image), image)
        size = picture_size(self._where("image", image), image)
        points, visibility = self._keypoints(where, record)
        box = finite_numbers(where, "bbox", record["bbox"], 4)
        if min(box[2:]) <= 0 and not self.skips_empty_boxes(self.categories[record["category_id"]]):
            raise AnnotationError(
                where, expected="a box of positive width and height", got=str(record["bbox"]), fix="Redraw the box."
            )
        clean = clip_box(box, size)
        # `not any` is the official test: a labelled point at exactly (0, 0) still counts through its visibility.
        unlabelled = not np.any(points) and not np.any(visibility)
        area = record.get("area")  # nothing else reads it, so any other value, null say, is as good as none
        flat = is_number(area) and area <= 0
        if clean is None or flat or unlabelled or record.get("num_keypoints", 1) == 0:
            self.dropped["empty box or no labelled keypoint"] += 1
            return None
        points[visibility == 0] = 0  # some files keep a place for what they do not label
        return Instance(record["id"], name, size, record["category_id"], clean, points, visibility)

    def _keypoints(self, where: str, record: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        category = self.categories[record["category_id"]]
        values = finite_numbers(where, "keypoints", record["keypoints"], 3 * len(category.skeleton))
        table = np.array(values, dtype=np.float64).reshape(-1, 3)
        visibility = table[:, 2]
        if not np.isin(visibility, (0, 1, 2)).all():
            odd = visibility[~np.isin(visibility, (0, 1, 2))][0]
            raise AnnotationError(
                where, expected="visibility 0, 1 or 2", got=f"{odd:g}", fix="0 not labelled, 1 occluded, 2 visible."
            )
        # 32-bit points are the official loader's; the digits they cost are below 0.001 px.
        return table[:, :2].astype(np.float32), visibility.astype(np.int8)

    def _drop_empty_categories(self) -> None:
        empty = [self.categories[number] for number, pool in self.by_category().items() if not pool]
        if not empty:
            return
        if self.strict:
            raise AnnotationError(
                f"{self.path.name}: category {empty[0].id} ({empty[0].name})",
                expected="at least one usable instance in each category",
                got=f"none, and {len(empty) - 1} more such categories",
                fix="Remove the category from the file, or read with strict=False (--lenient).",
            )
        for category in empty:
            del self.categories[category.id]
            self.dropped["category without an instance"] += 1


def _parts(where: str, record: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The parts of the body that a category declares, a key of our own: lists of 0-based indices by name."""
    parts = record.get("parts") or {}
    if isinstance(parts, dict) and all(isinstance(each, list) and all(map(is_id, each)) for each in parts.values()):
        return {str(name): tuple(members) for name, members in parts.items()}
    raise AnnotationError(where, expected="`parts`: lists of indices by name", got=repr(parts)[:80], fix="Repair it.")


class _Lenient:
    """Turns a bad record into a count where the data set is not strict."""

    def __init__(self, dataset: CocoKeypoints, reason: str) -> None:
        self.dataset, self.reason = dataset, reason

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, AnnotationError) and not self.dataset.strict:
            self.dataset.dropped[self.reason] += 1
            return True
        return False
