"""People with keypoints, and crops around them: the data of the whole-body model.

`People` is one data set, `JoinedPeople` several; `PersonCrops` turns each person into what a top-down model is fed. A
crop is a dictionary of `inputs`, bytes [3, H, W] with blue first, and `data_samples`, a `PoseDataSample`, both as
mmpose has them; batch them with mmengine's `pseudo_collate`.
"""

import bisect
import hashlib
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.data import Dataset

from cape.data.pictures import picture_fault, read_picture
from cape.data.topdown import Cropper, Stage
from cape.errors import AnnotationError, PictureError, UsageError
from cape.registry import DATASETS

Kind = Literal["coco_wholebody", "ubody", "coco", "crowdpose"]
SKELETONS = {"coco_wholebody": "coco_wholebody", "ubody": "coco_wholebody", "coco": "coco", "crowdpose": "crowdpose"}
"""Which skeleton the keypoints of a kind are."""


@DATASETS.register_module()
class People:
    """The people of one data set, as mmpose reads it, checked (`cape.data.wholebody`).

    Args:
        kind: Which data set; it says what the keypoints are.
        root: Folder that the other paths are relative to.
        annotations: The file; with a `*` in it, all that fit, in the order of their names.
        pictures: Folder that the file names in the annotations are relative to.
        detections: A file of person boxes to find keypoints in, for an evaluation. None: the annotated boxes.
        threshold: Detections of a lower score are left out.
        every: Only every n-th picture, by its id: 10 for the videos of UBody (specification §5).

    Attributes:
        skeleton: Its name for `read_skeleton`.
        metainfo: mmpose's description of the data set, and `annotations`, the file that an evaluation reads.
        detected: Whether the boxes are detections.

    Raises:
        AnnotationError: A file is missing, is not COCO's, or has a bad record.
        PictureError: The picture folder is missing, or the first picture cannot be used.
        DataError: Detections are missing, damaged or of other pictures; or nobody is left.
    """

    def __init__(
        self,
        *,
        kind: Kind = "coco_wholebody",
        root: str | Path = "",
        annotations: str,
        pictures: str,
        detections: str | None = None,
        threshold: float = 0.0,
        every: int = 1,
    ) -> None:
        from cape.data.wholebody import READERS

        folder = Path(root).expanduser()
        if not (folder / pictures).is_dir():
            raise PictureError(
                str(folder / pictures), expected="a folder of pictures", got="no such folder", fix="Check the path."
            )
        files = _files(folder, annotations)
        if detections is not None and len(files) > 1:
            raise UsageError(
                "detections",
                expected="one annotation file",
                got=f"{len(files)} files",
                fix="Name the one they belong to.",
            )
        self.skeleton = SKELETONS[kind]
        self.detected = detections is not None
        self.files = files if detections is None else [*files, folder / detections]
        self.options = (threshold, every)
        self.readers: list[Any] = [
            READERS[kind](
                annotations=file,
                pictures=folder / pictures,
                detections=None if detections is None else folder / detections,
                threshold=threshold,
                every=every,
            )
            for file in files
        ]
        self.foreign = sum(each.foreign for each in self.readers)
        self.metainfo = {**self.readers[0].metainfo, "annotations": str(files[0])}
        self._ends = list(accumulate(map(len, self.readers)))
        self._check_first_picture()

    def _check_first_picture(self) -> None:
        """A wrong folder is told now. Not all pictures: a training set has a hundred thousand."""
        first = self.record(0)
        if fault := picture_fault(first["img_path"], size=first["size"]):
            raise PictureError(
                first["img_path"], expected=f"the picture that is annotated, {first['size']}", got=fault,
                fix="Check the picture folder.",
            )  # fmt: skip

    def __len__(self) -> int:
        return self._ends[-1]

    def record(self, index: int) -> dict[str, Any]:
        """One person, as mmpose describes it, with `size` and, of an annotated one, `visibility`.

        The size is the width and height that the annotation states. The visibility [K] is COCO's flag, which mmpose
        reduces to whether a keypoint is labelled: 1 hidden, 2 seen. Of hands and faces COCO-WholeBody does not tell the
        two apart: a labelled face is 1 throughout, and hands have other numbers, too.
        """
        reader, within = _locate(self._ends, index)
        return self.readers[reader].get_data_info(within)

    def digest(self) -> str:
        """A hash of the files' content, and of what picks people out of them."""
        found = hashlib.sha256(repr((self.skeleton, self.options)).encode())
        for path in self.files:
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
        return found.hexdigest()


def _files(folder: Path, annotations: str) -> list[Path]:
    if "*" not in annotations:
        return [folder / annotations]
    if found := sorted(folder.glob(annotations)):
        return found
    raise AnnotationError(
        str(folder / annotations), expected="files that fit the pattern", got="none", fix="Check the folder."
    )


def _locate(ends: list[int], index: int) -> tuple[int, int]:
    part = bisect.bisect_right(ends, index)
    return part, index - (ends[part - 1] if part else 0)


@DATASETS.register_module()
class JoinedPeople:
    """The people of several data sets that share a skeleton, one after the other.

    Args:
        sources: Data sets, or how to build them.

    Attributes:
        skeleton: Theirs.
        metainfo: That of the first.
        detected: Always False: detections are of one data set.

    Raises:
        UsageError: No source, skeletons that differ, or a source of detections.
    """

    def __init__(self, *, sources: Sequence[People | dict[str, Any]]) -> None:
        self.sources: list[People] = [DATASETS.build(each) if isinstance(each, dict) else each for each in sources]
        skeletons = sorted({each.skeleton for each in self.sources})
        if len(skeletons) != 1 or any(each.detected for each in self.sources):
            got = f"{len(sources)} sources of {', '.join(skeletons) or 'nothing'}"
            raise UsageError(
                "JoinedPeople",
                expected="sources of one skeleton, with annotated boxes",
                got=got,
                fix="Mend the sources.",
            )
        self.skeleton = skeletons[0]
        self.metainfo = self.sources[0].metainfo
        self.detected = False
        self._ends = list(accumulate(map(len, self.sources)))

    def __len__(self) -> int:
        return self._ends[-1]

    def record(self, index: int) -> dict[str, Any]:
        """One person; see `People.record`."""
        source, within = _locate(self._ends, index)
        return self.sources[source].record(within)

    def digest(self) -> str:
        """A hash of its sources'."""
        return hashlib.sha256("".join(each.digest() for each in self.sources).encode()).hexdigest()


@DATASETS.register_module()
class PersonCrops(Dataset):
    """A crop around each person, with SimCC targets where it is for training (specification §2.6 and §5).

    Item i of epoch e is a pure function of (seed, e, i): whatever the number of workers, the order or an interruption,
    the same crop comes back. So is the stage of the augmentation: a resumed run is in the right one by itself. The hook
    `EpisodeEpoch` tells the epoch.

    Args:
        source: People, or how to build them.
        size: Width and height of a crop.
        sigma: Of the targets, in bins of x and y: 4.9 and 5.66 at 192 x 256, 6 and 6.93 at 288 x 384.
        split_ratio: Bins per pixel.
        stages: Of the augmentation, as options of `Stage`, by their first epoch. None: an evaluation.
        seed: Of all that is random.
        fraction: Of the people, from the first, to begin with: a smaller data set.

    Raises:
        UsageError: Options that do not fit: see `Stage`; stages out of order; detections to train on.
        CapeError: As the source.
    """

    def __init__(
        self,
        *,
        source: People | JoinedPeople | dict[str, Any],
        size: tuple[int, int] = (192, 256),
        sigma: tuple[float, float] = (4.9, 5.66),
        split_ratio: float = 2.0,
        stages: Sequence[dict[str, Any]] = (),
        seed: int = 0,
        fraction: float = 1.0,
    ) -> None:
        self.stages = [Stage.of(options) for options in stages]
        starts = [stage.epoch for stage in self.stages]
        if self.stages and (starts[0] != 0 or sorted(set(starts)) != starts):
            raise UsageError(
                "stages", expected="first epochs that begin with 0 and grow", got=str(starts), fix="Put them in order."
            )
        if not 0 < fraction <= 1:
            raise UsageError("fraction", expected="above 0 and at most 1", got=str(fraction), fix="Mend it.")
        # last, for reading a large data set takes minutes
        self.source: People | JoinedPeople = DATASETS.build(source) if isinstance(source, dict) else source
        if self.stages and self.source.detected:
            fix = "Leave `detections` out, or `stages`."
            raise UsageError("PersonCrops", expected="annotated boxes to train on", got="detections", fix=fix)
        self.size, self.sigma, self.split_ratio, self.seed = size, sigma, split_ratio, seed
        self.length = max(1, round(fraction * len(self.source)))
        # Shared memory: a worker that stays alive between epochs sees the new number.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def metainfo(self) -> dict[str, Any]:
        """What metrics are told of the data set."""
        return self.source.metainfo

    @cached_property
    def cropper(self) -> Cropper:
        """What cuts the crops."""
        return Cropper(size=self.size, sigma=self.sigma, split_ratio=self.split_ratio)

    def set_epoch(self, epoch: int) -> None:
        """Choose which of the infinitely many random epochs, and so which stage, `self[i]` belongs to."""
        self._epoch.fill_(epoch)

    @property
    def stage(self) -> Stage | None:
        """The augmentation of this epoch; None in an evaluation."""
        begun = [stage for stage in self.stages if stage.epoch <= int(self._epoch)]
        return begun[-1] if begun else None

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, item: int) -> dict[str, Any]:
        """One crop.

        Raises:
            PictureError: The picture cannot be read; the message names it.
        """
        if not 0 <= item < self.length:
            raise IndexError(item)
        record = self.source.record(item)
        picture = read_picture(record["img_path"], size=record["size"])
        rng = np.random.default_rng((self.seed, int(self._epoch), item))
        return self.cropper(record, picture, stage=self.stage, rng=rng)

    def digest(self) -> str:
        """A hash of who is in it and of how targets are made, wherever it lies: another data set is another run."""
        options = (self.source.digest(), self.size, self.sigma, self.split_ratio, self.length)
        return hashlib.sha256(repr(options).encode()).hexdigest()
