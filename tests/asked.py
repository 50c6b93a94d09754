"""What tests of `cape predict` share: reading what it wrote, and labels with boxes for it."""

from pathlib import Path

import numpy as np

from cape import formats
from cape.formats import LabelledPose, Labels, PictureLabels
from cape.skeleton import Skeleton


def read(path: Path, format: str = "coco") -> Labels:
    return formats.read(path, format)


def pose_of(labels: Labels, file: str) -> LabelledPose:
    (pose,) = next(picture for picture in labels.pictures if picture.file == file).poses
    return pose


def boxes_of(*pictures: tuple[str, list[list[float] | None]], size: tuple[int, int] = (96, 96)) -> Labels:
    number, listed = 0, []
    for file, boxes in pictures:
        poses = []
        for box in boxes:
            number += 1
            where = None if box is None else np.array(box)
            poses.append(LabelledPose(number, "x", np.zeros((1, 2)), np.zeros(1, dtype=np.int8), where))
        listed.append(PictureLabels(file, size, tuple(poses)))
    return Labels({"x": Skeleton(("x",))}, tuple(listed))
