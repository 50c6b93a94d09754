"""Small annotation files of people and pictures of noise: for tests of the whole-body data."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 120, 160
COUNTS = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}


def person(number: int, image: int, *, counts: dict[str, int], seed: int) -> dict[str, Any]:
    """One annotated person, all keypoints visible, inside a box."""
    rng = np.random.default_rng(seed)
    x, y, width, height = 20.0, 30.0, 60.0, 100.0
    record: dict[str, Any] = {
        "id": number, "image_id": image, "category_id": 1, "bbox": [x, y, width, height], "area": 3000.0, "iscrowd": 0,
        "segmentation": [], "num_keypoints": counts["keypoints"],
    }  # fmt: skip
    for key, count in counts.items():
        points = rng.uniform((x, y), (x + width, y + height), (count, 2)).round(2)
        record[key] = np.column_stack([points, np.full(count, 2)]).ravel().tolist()
        record[f"{key.removesuffix('_kpts')}_valid"] = True
    return record


def write_people(
    folder: Path,
    *,
    whole: bool = True,
    images: int = 3,
    keypoints: int = 17,
    change: Callable[[dict], object] = lambda content: None,
) -> SimpleNamespace:
    """A file with one person in each picture, the pictures, and a detection for each; `change` may spoil the file."""
    counts = COUNTS if whole else {"keypoints": keypoints}
    (folder / "images").mkdir(parents=True, exist_ok=True)
    content: dict[str, list] = {
        "images": [
            {"id": 10 + i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT, "crowdIndex": 0.05 + 0.4 * i}
            for i in range(images)
        ],
        "annotations": [person(100 + i, 10 + i, counts=counts, seed=i) for i in range(images)],
        "categories": [{"id": 1, "name": "person", "keypoints": [], "skeleton": []}],
    }
    for i, record in enumerate(content["images"]):
        pixels = np.random.default_rng(i).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / record["file_name"])
    change(content)
    (folder / "people.json").write_text(json.dumps(content))
    found = [
        {"image_id": each["image_id"], "category_id": 1, "bbox": each["bbox"], "score": 0.9 - 0.1 * place}
        for place, each in enumerate(content["annotations"])
        if "bbox" in each
    ]
    (folder / "boxes.json").write_text(json.dumps(found))
    return SimpleNamespace(root=folder, content=content, boxes=found)
