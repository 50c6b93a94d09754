"""Some categories out of the files of several subsets, as the content of one file."""

from collections.abc import Callable, Mapping
from typing import Any

from cape.data.records import is_id
from cape.errors import AnnotationError


def gather(
    contents: Mapping[str, Mapping[str, list]], keep: Callable[[str, dict[str, Any]], bool]
) -> tuple[dict[str, list], dict[int, str]]:
    """Merge the records of the categories wanted, in the order of the files.

    Records that are not what they should be are passed on: the reader tells what is wrong with them.

    Args:
        contents: The records of each subset's file, as `read_coco` gives them.
        keep: Whether a category record of a subset is wanted.

    Returns:
        The merged records, and the subset that each category kept came from.

    Raises:
        AnnotationError: A category lies in the files of two subsets: what is trained on would be tested.
    """
    images: list[Any] = []
    seen: dict[int, Any] = {}
    categories, annotations, home = [], [], {}
    for subset, content in contents.items():
        for record in content["categories"]:
            number = _id(record, "id")
            if number is not None and home.setdefault(number, subset) != subset:
                raise AnnotationError(
                    f"category {number} ({record.get('name')})", expected="a category in one subset alone",
                    got=f"the same id in {home[number]} and {subset}", fix="Repair the files: subsets share nothing.",
                )  # fmt: skip
            if number is None or keep(subset, record):
                categories.append(record)
        out = ids_of(content["categories"]) - ids_of(categories)
        mine = [record for record in content["annotations"] if _id(record, "category_id") not in out]
        used = {_id(record, "image_id") for record in mine}
        for record in content["images"]:
            number = _id(record, "id")
            # Two subsets may show one picture; two different pictures of one id are left to the reader to refuse.
            if number is None or (number in used and seen.get(number) != record):
                images.append(record)
                seen[number or 0] = record
        annotations += mine
    kept = {number: home[number] for number in ids_of(categories)}
    return {"images": images, "categories": categories, "annotations": annotations}, kept


def ids_of(records: list[Any]) -> set[int]:
    """The ids of the records that have a proper one."""
    return {number for number in (_id(record, "id") for record in records) if number is not None}


def _id(record: Any, key: str) -> int | None:
    number = record.get(key) if isinstance(record, dict) else None
    return number if is_id(number) else None
