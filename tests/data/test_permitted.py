"""`Permitted`: what a licence allows and nothing else, and no family that a split tests on."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cape.data.drawn import Drawn
from cape.data.permitted import Permitted
from cape.errors import AnnotationError, UsageError

FREE = {"license": "free"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three drawn categories of two families; every second picture is free, every third is of source `one`."""
    source = Drawn(instances=6, categories=("arrow", "fish", "chair"), size=48)
    content = {"images": [], "annotations": [], "categories": []}
    (tmp_path / "images").mkdir()
    for index, instance in enumerate(source.instances):
        Image.fromarray(source.picture(index)).save(tmp_path / "images" / f"{index}.png")
        origin = {"license": ("free", "closed")[index % 2], "source": "one" if index % 3 == 0 else "other"}
        content["images"].append({"id": index, "file_name": f"{index}.png", "width": 48, "height": 48, **origin})
        points = np.column_stack([instance.points, instance.visibility]).ravel().tolist()
        content["annotations"].append(
            {"id": index, "image_id": index, "category_id": instance.category, "bbox": instance.box.tolist(),
             "keypoints": points}
        )  # fmt: skip
    for number, category in source.categories.items():
        record = {"id": number, "name": category.name, "keypoints": list(category.skeleton.names), "skeleton": []}
        content["categories"].append(record | ({} if category.name == "chair" else {"family": "flat"}))
    write(tmp_path, content)
    for split, tested in ((1, ["arrow"]), (2, ["chair"])):
        part = {**content, "categories": [each for each in content["categories"] if each["name"] in tested]}
        write(tmp_path, part, f"set_split{split}_test.json")
    return tmp_path


def write(root: Path, content: dict, name: str = "set_all.json") -> None:
    (root / name).write_text(json.dumps(content))


def change(root: Path, edit: Callable[[dict], object]) -> None:
    content = json.loads((root / "set_all.json").read_text())
    edit(content)
    write(root, content)


def found(source: Permitted) -> dict[str, list[int]]:
    """Annotation ids by category name."""
    pools = source.by_category()
    return {each.name: [source.instances[row].id for row in pools[key]] for key, each in source.categories.items()}


def test_only_what_is_named_on_pictures_that_state_it(root: Path) -> None:
    source = Permitted(root=root, permitted={"fish": FREE, "arrow": {"source": "one"}})
    assert found(source) == {"arrow": [0, 3], "fish": [6, 8, 10]}
    assert source.picture(0).shape == (48, 48, 3)
    both = Permitted(root=root, permitted={"fish": {"license": "free", "source": "one"}})
    assert found(both) == {"fish": [6]}


def test_what_a_record_does_not_state_is_not_permitted(root: Path) -> None:
    change(root, lambda content: content["images"][8].pop("license"))
    assert found(Permitted(root=root, permitted={"fish": FREE})) == {"fish": [6, 10]}


def test_licences_are_counted_by_picture(root: Path) -> None:
    def second_on_the_same_picture(content: dict) -> None:
        content["annotations"].append({**content["annotations"][0], "id": 99})

    change(root, second_on_the_same_picture)
    source = Permitted(root=root, permitted={"arrow": FREE, "fish": {"source": "one"}})
    assert len(source) == 6
    assert source.licences == {
        "arrow, one: free": 1, "arrow, other: free": 2, "fish, one: free": 1, "fish, one: closed": 1,
    }  # fmt: skip


def test_a_split_leaves_out_whole_families(root: Path) -> None:
    """`fish` is of the family of `arrow`, which split 1 tests on."""
    permitted = {"arrow": FREE, "fish": FREE, "chair": FREE}
    assert list(found(Permitted(root=root, permitted=permitted))) == ["arrow", "fish", "chair"]
    assert list(found(Permitted(root=root, permitted=permitted, split=1))) == ["chair"]
    assert list(found(Permitted(root=root, permitted=permitted, split=2))) == ["arrow", "fish"]


def test_families_left_out_besides(root: Path) -> None:
    permitted = {"arrow": FREE, "fish": FREE, "chair": FREE}
    assert list(found(Permitted(root=root, permitted=permitted, without=["flat"]))) == ["chair"]
    assert list(found(Permitted(root=root, permitted=permitted, without="chair"))) == ["arrow", "fish"]


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"permitted": {}}, UsageError, "no category"),
        ({"permitted": {"fish": {}}}, UsageError, "nothing about fish"),
        ({"without": ["flatt"]}, UsageError, "got flatt"),
        ({"permitted": {"fisch": FREE}}, AnnotationError, "no fisch"),
        ({"permitted": {"fish": {"license": "Free"}}}, AnnotationError, r"\(fish\)"),
        ({"split": 1}, AnnotationError, "usable instance"),
        ({"split": 4}, AnnotationError, "split4_test"),
        ({"file": "none*"}, AnnotationError, "none"),
    ],
)
def test_refusals(root: Path, options: dict, kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        Permitted(**{"root": root, "permitted": {"fish": FREE}, **options})


def test_bad_records_are_not_passed_over(root: Path) -> None:
    change(root, lambda content: content["annotations"][6].update(image_id=77))
    with pytest.raises(AnnotationError, match="image_id"):
        Permitted(root=root, permitted={"fish": FREE})
    assert found(Permitted(root=root, permitted={"fish": FREE}, strict=False)) == {"fish": [8, 10]}


@pytest.mark.shared_data
def test_the_permitted_part_of_the_real_data(shared_data: Path) -> None:
    """What `cape_lite_release` reads, counted against the notes beside the data."""
    from cape.configuration import load_config

    config = load_config("cape_lite_release")
    options = dict(config.train_dataloader.dataset.source.sources[0], root=shared_data / "mp100_mini")
    del options["type"]
    source = Permitted(**options)
    counts = {name: len(ids) for name, ids in found(source).items()}
    assert counts["human_face"] == 30 and counts["human_body"] == 18
    assert not any("NonCommercial" in each or "300-W (" in each for each in source.licences)
    left = found(Permitted(**options, split=3))
    assert not {"livestock_sheep", "mouse_mirror", "glue_tube"} & set(left)
    assert {"livestock_horse", "livestock_cattle", "fly_body", "human_face", "human_body"} == set(left)
