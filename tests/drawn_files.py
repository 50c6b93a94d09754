"""Drawn categories on disk, as MP-100 keeps its data."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from cape.data.drawn import Drawn


def save_drawn(folder: Path, file: str, *, side: int = 96, renamed: Mapping[str, str] = {}) -> Path:
    """Sixteen pictures of each of two drawn categories, just enough for an episode; gives the folder back."""
    source = Drawn(instances=16, categories=("arrow", "fish"), size=side)
    content = {"images": [], "annotations": [], "categories": []}
    for number, category in source.categories.items():
        names, edges = list(category.skeleton.names), [list(edge) for edge in category.skeleton.edges]
        name = renamed.get(category.name, category.name)
        content["categories"].append({"id": number, "name": name, "keypoints": names, "skeleton": edges})
    (folder / "images").mkdir(parents=True)
    for index, instance in enumerate(source.instances):
        Image.fromarray(source.picture(index)).save(folder / "images" / f"{index}.png")
        content["images"].append({"id": index, "file_name": f"{index}.png", "width": side, "height": side})
        points = np.column_stack([instance.points, instance.visibility]).ravel().tolist()
        content["annotations"].append({
            "id": index, "image_id": index, "category_id": instance.category, "bbox": instance.box.tolist(),
            "keypoints": points, "iscrowd": 0,
        })  # fmt: skip
    (folder / file).write_text(json.dumps(content))
    return folder
