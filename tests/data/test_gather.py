"""`cape.data.gather`: records of several files as those of one."""

import pytest

from cape.data.gather import gather
from cape.errors import AnnotationError


def content(categories, images):
    """Files of `images`: (image id, category id of its one instance)."""
    return {
        "categories": [{"id": number, "name": f"c{number}"} for number in categories],
        "images": [{"id": number, "file_name": f"{number}.png"} for number in dict(images)],
        "annotations": [
            {"id": 10 * place + number, "image_id": number, "category_id": category}
            for place, (number, category) in enumerate(images)
        ],
    }


def test_only_what_is_wanted_and_what_it_needs() -> None:
    files = {"a": content([1, 2], [(5, 1), (6, 2)]), "b": content([3], [(7, 3)])}
    merged, home = gather(files, lambda subset, record: record["id"] != 2)
    assert home == {1: "a", 3: "b"}
    assert [record["id"] for record in merged["images"]] == [5, 7]
    assert [record["category_id"] for record in merged["annotations"]] == [1, 3]


def test_a_picture_of_two_files_is_one_and_two_of_one_id_stay_two() -> None:
    files = {"a": content([1], [(5, 1)]), "b": content([3], [(5, 3)])}
    assert len(gather(files, lambda *_: True)[0]["images"]) == 1
    files["b"]["images"][0]["file_name"] = "other.png"
    assert len(gather(files, lambda *_: True)[0]["images"]) == 2


def test_what_is_wrong_is_passed_on() -> None:
    broken = content([1], [(5, 1)])
    broken["categories"] += [7, {"id": [3]}]
    broken["images"] += [None, {"id": "x"}]
    broken["annotations"] += ["y", {"category_id": 99}, {"category_id": {}}]
    merged, home = gather({"a": broken}, lambda *_: True)
    assert {key: len(records) for key, records in merged.items()} == {"images": 3, "categories": 3, "annotations": 4}
    assert home == {1: "a"}


def test_a_category_of_two_subsets() -> None:
    with pytest.raises(AnnotationError, match="in train and val"):
        gather({"train": content([1], []), "val": content([1], [])}, lambda *_: False)
