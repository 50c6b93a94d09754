"""Labels in and out, by way of the library's readers and writers."""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cape import formats
from cape.annotator.archives import is_archive, unpack
from cape.annotator.legality import plain
from cape.annotator.replies import Format
from cape.annotator.schema import (
    Box,
    Category,
    CategoryDraft,
    Instance,
    InstanceDraft,
    Keypoint,
    Part,
    Picture,
    Point,
    PutCategory,
    PutInstance,
)
from cape.errors import AnnotationError, FormatError
from cape.formats import LabelledPose, Labels, PictureLabels
from cape.skeleton import Skeleton

SUFFIXES: dict[Format, str] = {"coco": ".json", "csv": ".csv", "cvat": ".xml", "dlc": ".csv"}
"""Of the formats that are one file; the others are folders."""
SAME = 1e-3
"""Pixels: a pose that is there already is not brought in again."""
_UNSAFE = re.compile(r"[^\w-]+")


class Incoming(NamedTuple):
    """What an import would write."""

    changes: list[PutCategory | PutInstance]
    categories: list[str]
    pictures: int
    instances: int
    unmatched: list[str]
    words: list[str]


# Out


def labels_of(
    categories: Sequence[Category], pictures: Sequence[Picture], instances: Sequence[Instance], *, drafts: bool
) -> Labels:
    """Finished work as the library's labels: pictures that are done, or have an instance that counts.

    Args:
        categories: Those that are not deleted; without keypoints they are left out.
        pictures: All.
        instances: All; rejected ones are left out.
        drafts: Drafts count, too.
    """
    known = {each.id: each for each in categories if each.keypoints}
    wanted = {"accepted", "draft"} if drafts else {"accepted"}
    mine: dict[str, list[Instance]] = {}
    for each in instances:
        if each.state in wanted and each.category_id in known:
            mine.setdefault(each.picture_id, []).append(each)
    numbers = iter(range(1, len(instances) + 1))
    listed = tuple(
        PictureLabels(
            each.file,
            (each.width, each.height),
            tuple(_pose(next(numbers), one, known[one.category_id]) for one in mine.get(each.id, [])),
        )
        for each in pictures
        if each.id in mine or each.state == "done"
    )
    return Labels({each.name: _skeleton(each) for each in known.values()}, listed)


def write_all(labels: Labels, wanted: Sequence[Format], folder: Path) -> list[str]:
    """Write labels in several formats into a folder, one folder each.

    Returns:
        What could not be held, in words.

    Raises:
        FormatError: None of the formats could hold them.
    """
    notes: list[str] = []
    errors: list[FormatError] = []
    for form in dict.fromkeys(wanted):
        try:
            notes += [f"{form}: left out {each}" for each in formats.FORMATS[form].losses(labels)]
            _write(labels, form, folder / form / "labels")
        except FormatError as error:
            apart = list(_by_category(labels)) if len(labels.categories) > 1 else []
            notes += [] if apart else [f"{form}: not written: {error}"]
            errors += [] if apart else [error]
            for name, part in apart:
                try:
                    _write(part, form, folder / form / name)
                except FormatError as fault:
                    notes.append(f"{form}, {name}: not written: {fault}")
                    errors.append(fault)
    if errors and not any(folder.rglob("*.*")):
        raise errors[0]
    return notes


def file_name(name: str) -> str:
    """A name that is harmless in any file system."""
    return _UNSAFE.sub("_", name)[:60].strip("_") or "category"


def _write(labels: Labels, form: Format, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    formats.write(labels, path.with_name(path.name + SUFFIXES.get(form, "")), form, lossy=True)


def _by_category(labels: Labels) -> Iterator[tuple[str, Labels]]:
    for number, (name, skeleton) in enumerate(labels.categories.items(), start=1):
        pictures = tuple(
            picture._replace(poses=tuple(pose for pose in picture.poses if pose.category == name))
            for picture in labels.pictures
        )
        yield f"{number}_{file_name(name)}", Labels({name: skeleton}, pictures)


def _skeleton(category: Category) -> Skeleton:
    place = {each.id: index for index, each in enumerate(category.keypoints)}
    return Skeleton(
        tuple(each.name for each in category.keypoints),
        tuple((place[a], place[b]) for a, b in category.edges),
        tuple((place[a], place[b]) for a, b in category.swap),
        {part.name: tuple(place[each] for each in part.keypoints) for part in category.parts},
    )


def _pose(number: int, instance: Instance, category: Category) -> LabelledPose:
    known = {each.keypoint: each for each in instance.points}
    found = [known.get(each.id) for each in category.keypoints]
    shown = [each is not None and each.visibility > 0 and each.x is not None for each in found]
    there = [each if there else None for each, there in zip(found, shown, strict=True)]
    scores = np.array([0.0 if each is None else 1.0 if each.score is None else each.score for each in there])
    box = instance.box
    return LabelledPose(
        id=number,
        category=category.name,
        points=np.array([(0.0, 0.0) if p is None else (p.x or 0.0, p.y or 0.0) for p in there]).reshape(-1, 2),
        visibility=np.array([0 if each is None else each.visibility for each in there], dtype=np.int8),
        box=None if box is None else np.array([box.x, box.y, box.width, box.height]),
        scores=scores if instance.proposed else None,
        score=instance.score if instance.proposed else None,
    )


# In


def read_labels(file: Path, form: Format, folder: Path, pictures: Sequence[tuple[str, Path]]) -> Labels:
    """Labels out of what was sent: a file, or an archive of one or of a folder.

    Args:
        file: What was sent.
        form: Of which format.
        folder: An empty one, for what is unpacked; the caller removes it.
        pictures: Name and copy of each picture of the project, for the formats that do not say how large they are.

    Raises:
        RequestError: An archive that is refused.
        AnnotationError: Not of this format.
    """
    shown, inside = folder / "pictures", folder / "labels"
    for name, copy in pictures if form in ("yolo", "dlc", "labelstudio") else ():
        link = shown / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(copy)
    source = file
    if is_archive(file):
        inside.mkdir()
        unpack(file, inside)
        source = _inside(inside, form)
    elif form in SUFFIXES:
        source = file.rename(folder / f"labels{SUFFIXES[form]}")
    else:
        raise AnnotationError("import", expected=f"a zip of the {form} folder", got="one file", fix="Pack the folder.")
    return formats.read(source, form, pictures=shown if shown.is_dir() else None)


def incoming(
    labels: Labels,
    categories: Sequence[Category],
    pictures: Sequence[Picture],
    instances: Sequence[Instance],
    seed: str,
) -> Incoming:
    """What labels mean for a project; nothing is done.

    Args:
        labels: That were read.
        categories: Of the project; those of one name are one, and get the keypoints that they lack.
        pictures: Of the project, matched by relative name, then by bare name where that is unique.
        instances: Of the project.
        seed: Of the ids of what is new.
    """
    drafts = {name: _draft(name, skeleton, categories, seed) for name, skeleton in labels.categories.items()}
    ids = {name: dict(zip(_names(labels.categories[name]), keys, strict=True)) for name, (_, keys, _) in drafts.items()}
    changes: list[PutCategory | PutInstance] = [each for each, _, new in drafts.values() if new]
    whole, bare = {each.file: each for each in pictures}, _unique(pictures)
    there = {(each.picture_id, each.category_id): [] for each in instances}
    for each in instances:
        there[each.picture_id, each.category_id].append(each)
    unmatched, touched, known, number = [], set(), 0, 0
    for listed in labels.pictures:
        picture = whole.get(listed.file) or bare.get(listed.file.rsplit("/", 1)[-1])
        if picture is None or (picture.width, picture.height) != tuple(listed.size):
            unmatched += [listed.file] if picture is None or listed.poses else []
            continue
        for pose in listed.poses:
            category = drafts[pose.category][0].category
            keys = list(ids[pose.category].values())
            made = _instance(pose, keys, picture, category.id, str(uuid.uuid5(uuid.NAMESPACE_OID, f"{seed} {number}")))
            number += 1
            if any(_same(made, each) for each in there.get((picture.id, category.id), [])):
                known += 1
                continue
            changes.append(PutInstance(change="put_instance", base_revision=0, instance=made))
            touched.add(picture.id)
    words = [f"{known} poses were there already"] if known else []
    words += [f"{len(unmatched)} files are not in the project, or of another size"] if unmatched else []
    count = sum(isinstance(each, PutInstance) for each in changes)
    return Incoming(changes, list(labels.categories), len(touched), count, unmatched, words)


def _inside(folder: Path, form: Format) -> Path:
    """Where in an archive the labels are."""
    if form not in SUFFIXES:
        listed = list(folder.iterdir())
        return listed[0] if len(listed) == 1 and listed[0].is_dir() else folder
    found = sorted(folder.rglob(f"*{SUFFIXES[form]}"))
    if len(found) != 1:
        raise AnnotationError(
            "import",
            expected=f"one {SUFFIXES[form]} file in the archive",
            got=str(len(found)),
            fix="Send the file itself.",
        )
    return found[0]


def _draft(
    name: str, skeleton: Skeleton, categories: Sequence[Category], seed: str
) -> tuple[PutCategory, list[str], bool]:
    """The category as it will be, the ids of the labels' keypoints in their order, and whether it changes."""
    old = next((each for each in categories if plain(each.name) == plain(name)), None)
    known = {plain(each.name): each.id for each in (old.keypoints if old else []) if each.name}
    new_id = old.id if old else str(uuid.uuid5(uuid.NAMESPACE_OID, f"{seed} category {name}"))
    names = _names(skeleton)
    keys = [known.get(plain(each)) or str(uuid.uuid5(uuid.NAMESPACE_OID, f"{new_id} {each}")) for each in names]
    have = {each.id for each in old.keypoints} if old else set()
    added = [Keypoint(id=key, name=each[:200]) for key, each in zip(keys, names, strict=True) if key not in have]
    if old is None:
        draft = CategoryDraft(
            id=new_id, name=name, keypoints=added,
            edges=[[keys[a], keys[b]] for a, b in skeleton.edges], swap=[[keys[a], keys[b]] for a, b in skeleton.swap],
            parts=[Part(name=part, keypoints=[keys[each] for each in own]) for part, own in skeleton.parts.items()],
        )  # fmt: skip
    else:
        kept = old.model_dump(include=set(CategoryDraft.model_fields))
        draft = CategoryDraft.model_validate({**kept, "keypoints": [*old.keypoints, *added]})
    revision = old.revision if old else 0
    put = PutCategory(change="put_category", base_revision=revision, category=draft)
    return put, keys, old is None or bool(added)


def _names(skeleton: Skeleton) -> list[str]:
    """Names that differ; a keypoint without one is called by its number."""
    return [name or f"point {place}" for place, name in enumerate(skeleton.names, start=1)]


def _unique(pictures: Sequence[Picture]) -> Mapping[str, Picture]:
    """By bare name, those that have it alone."""
    found: dict[str, list[Picture]] = {}
    for each in pictures:
        found.setdefault(each.file.rsplit("/", 1)[-1], []).append(each)
    return {name: several[0] for name, several in found.items() if len(several) == 1}


def _instance(pose: LabelledPose, keys: list[str], picture: Picture, category: str, name: str) -> InstanceDraft:
    points = [
        Point(keypoint=key, x=float(x) if seen else None, y=float(y) if seen else None, visibility=int(seen))  # pyright: ignore[reportArgumentType]
        for key, (x, y), seen in zip(keys, pose.points, pose.visibility, strict=True)
    ]
    box = (
        None if pose.box is None else Box(**dict(zip(("x", "y", "width", "height"), map(float, pose.box), strict=True)))
    )
    return InstanceDraft(id=name, picture_id=picture.id, category_id=category, points=points, box=box, state="accepted")


def _same(one: InstanceDraft, other: InstanceDraft) -> bool:
    known = {each.keypoint: each for each in other.points}
    pairs = [(each, known.get(each.keypoint)) for each in one.points]
    return all(
        (each.visibility == 0 and (old is None or old.visibility == 0))
        or (
            old is not None
            and old.visibility == each.visibility
            and abs((old.x or 0) - (each.x or 0)) < SAME
            and abs((old.y or 0) - (each.y or 0)) < SAME
        )
        for each, old in pairs
    )
