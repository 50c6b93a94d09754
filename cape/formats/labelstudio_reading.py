"""The reader of `labelstudio`, which describes the format."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import numpy as np

from cape.data.records import is_id, is_number
from cape.formats.labels import (
    LabelledPose,
    Labels,
    PictureLabels,
    check_labels,
    check_text,
    clean_file,
    make_pose,
    make_skeleton,
)
from cape.formats.reading import bad, is_index, read_json, read_xml, size_of
from cape.skeleton import Skeleton

CORNER = 0.5
"""Where the centre of the first pixel lies, from the corner."""
NO_BOX = "no box"
"""The note on a rectangle that stands for none."""
UNGROUPED = "object"
"""Category of keypoints that lie in no rectangle."""
LOCAL = "/data/local-files/"


class _Draft(NamedTuple):
    """A pose while its skeleton may not be known yet."""

    region: str
    category: str
    points: dict[str, tuple[float, float, float | None]]
    """x, y in percent, score."""
    occluded: set[str]
    box: list[float] | None
    """In percent."""
    score: float | None


def read(path: Path, *, pictures: Path | None = None) -> Labels:
    """Read one folder, or an export's JSON file; see `cape.formats.read`."""
    file = path / "tasks.json" if path.is_dir() else path
    tasks = read_json(file, "tasks of Label Studio")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise bad(str(file), "a list of tasks", "something else", "Export as JSON, not JSON-MIN.")
    categories = _read_config(file.parent / "config.xml")
    known = categories is not None
    categories = categories or {}
    found: list[tuple[str, tuple[int, int], list[_Draft]]] = []
    for place, task in enumerate(tasks, start=1):
        where = f"{file.name}: task {task.get('id', place)!r:.40}"
        regions = _regions(where, task)
        name = _file_of(where, task.get("data"))
        size = _size_of(where, name, task["data"], regions, pictures)
        found.append((name, size, _group(where, regions)))
    drafts = [draft for _, _, each in found for draft in each]
    if not known:
        names: dict[str, dict[str, None]] = {}
        for draft in drafts:
            names.setdefault(draft.category, {}).update(dict.fromkeys(draft.points))
        categories = {name: make_skeleton(file.name, names=tuple(points)) for name, points in names.items() if points}
    ids = iter(_ids(drafts))
    labels = Labels(
        categories,
        tuple(
            PictureLabels(
                name, size, tuple(_pose(f"{file.name}: {name}", next(ids), draft, categories, size) for draft in each)
            )
            for name, size, each in found
        ),
    )
    return check_labels(labels, where=path.name)


def _read_config(path: Path) -> dict[str, Skeleton] | None:
    """The categories of a config.xml that cape wrote; None where there is no such file or no skeleton in it."""
    if not path.exists():
        return None
    categories: dict[str, Skeleton] = {}
    for label in read_xml(path, "a labelling set-up").iterfind("RectangleLabels/Label"):
        if label.get("skeleton") is None:
            continue
        name = label.get("value", "")
        where = f"{path.name}: {name!r:.80}"
        try:
            about = json.loads(label.get("skeleton", ""))
        except (ValueError, RecursionError) as error:
            raise bad(where, "`skeleton` as JSON", str(error)) from None
        names, parts = (about.get("names"), about.get("parts", {})) if isinstance(about, dict) else (None, None)
        if (
            not isinstance(names, list)
            or not all(isinstance(each, str) for each in names)
            or not isinstance(parts, dict)
        ):
            raise bad(where, "`skeleton`: names, edges, swap, parts", repr(about))
        pairs = {key: about.get(key, []) for key in ("edges", "swap")}
        groups = [each for value in pairs.values() for each in (value if isinstance(value, list) else [None])]
        for group in [*groups, *parts.values()]:
            if not isinstance(group, list) or not all(is_index(index, len(names)) for index in group):
                raise bad(where, f"lists of indices below {len(names)}", repr(group))
        if name in categories:
            raise bad(where, "each category once", "the same twice")
        categories[name] = make_skeleton(where, names=names, parts=parts, **pairs)
    return categories or None


def _regions(where: str, task: dict[str, Any]) -> list[dict[str, Any]]:
    """The regions of the one annotation of a task, or else of its one prediction."""
    for key in ("annotations", "predictions"):
        given = task.get(key) or []
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            raise bad(where, f"`{key}`: a list", repr(given))
        valid = [each for each in given if not each.get("was_cancelled")]
        if len(valid) > 1:
            raise bad(where, f"one of {key}", str(len(valid)), "Keep the one that counts, and export again.")
        if valid:
            result = valid[0].get("result")
            if not isinstance(result, list) or not all(isinstance(each, dict) for each in result):
                raise bad(where, "`result`: a list of regions", repr(result))
            return result
    return []


def _file_of(where: str, data: Any) -> str:
    """The picture's file: what cape noted, else the end of the address."""
    if not isinstance(data, dict):
        raise bad(where, "`data` with an image", repr(data))
    if "file" in data:
        return clean_file(where, check_text(where, "`file`", data["file"]))
    image = data.get("image", next((value for value in data.values() if isinstance(value, str)), None))
    try:
        address = urlsplit(check_text(where, "the image", image))
    except ValueError as error:
        raise bad(where, "an image", str(error)) from None
    local = address.path.endswith(LOCAL) and address.query.startswith("d=")
    text = unquote(address.query[2:] if local else address.path)
    if not local and (address.netloc or text.startswith("/")):
        text = text.rsplit("/", 1)[-1]  # of an upload or a server, only the last part is the picture's
    return clean_file(where, check_text(where, "the image", text))


def _size_of(
    where: str, file: str, data: dict[str, Any], regions: list[dict[str, Any]], pictures: Path | None
) -> tuple[int, int]:
    given = [(data.get("width"), data.get("height"))]
    given += [(each.get("original_width"), each.get("original_height")) for each in regions]
    sizes = {pair for pair in given if all(is_id(side) for side in pair)}
    if len(sizes) > 1:
        raise bad(where, "one size of the picture", str(sorted(sizes)))  # type: ignore[type-var]
    if sizes:
        return sizes.pop()  # type: ignore[return-value]
    return size_of(where, file, pictures)


def _group(where: str, regions: list[dict[str, Any]]) -> list[_Draft]:
    """Rectangles with the keypoints whose parent they are."""
    drafts: dict[str, _Draft] = {}
    for region in _of_type(regions, "rectanglelabels"):
        name, value = _region_id(where, region), _value(where, region)
        if name in drafts:
            raise bad(where, "a unique id for each rectangle", repr(name))
        box = [_percent(where, value, key) for key in ("x", "y", "width", "height")]
        if value.get("rotation"):
            raise bad(where, "upright rectangles", f"one turned by {value['rotation']!r:.40}", "Turn it back.")
        boxless = region.get("meta") == {"text": [NO_BOX]}
        category = _label(where, value, "rectanglelabels")
        drafts[name] = _Draft(name, category, {}, set(), None if boxless else box, _score(where, region))
    names: dict[str, tuple[str, str]] = {}
    for region in _of_type(regions, "keypointlabels"):
        value = _value(where, region)
        parent = region.get("parentID")
        parent = parent if isinstance(parent, str) and parent in drafts else ""
        draft = drafts.setdefault(parent, _Draft(parent, UNGROUPED, {}, set(), None, None))
        label, own = _label(where, value, "keypointlabels"), _region_id(where, region)
        if label in draft.points or own in names:
            raise bad(
                where, "each keypoint once in a rectangle", repr(label), "Group each pose in a rectangle of its own."
            )
        draft.points[label] = (_percent(where, value, "x"), _percent(where, value, "y"), _score(where, region))
        names[own] = (parent, label)
    for region in _of_type(regions, "choices"):
        choices = _value(where, region).get("choices")
        if region.get("from_name") == "visibility" and choices == ["occluded"]:
            own = _region_id(where, region)
            if own not in names:
                raise bad(where, "a keypoint with the choice's id", repr(own))
            parent, label = names[own]
            drafts[parent].occluded.add(label)
    return list(drafts.values())


def _of_type(regions: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [region for region in regions if region.get("type") == kind]


def _region_id(where: str, region: dict[str, Any]) -> str:
    if not isinstance(region.get("id"), str) or not region["id"]:
        raise bad(where, "regions with an `id`", repr(region.get("id")))
    return region["id"]


def _value(where: str, region: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(region.get("value"), dict):
        raise bad(where, "regions with a `value`", repr(region.get("value")))
    return region["value"]


def _percent(where: str, value: dict[str, Any], key: str) -> float:
    if not is_number(value.get(key)):
        raise bad(where, f"`{key}`: a finite number", repr(value.get(key)))
    return float(value[key])


def _label(where: str, value: dict[str, Any], key: str) -> str:
    labels = value.get(key)
    if not isinstance(labels, list) or len(labels) != 1:
        raise bad(where, f"`{key}`: one label", repr(labels))
    return check_text(where, f"`{key}`", labels[0])


def _score(where: str, region: dict[str, Any]) -> float | None:
    score = region.get("score")
    if score is not None and not is_number(score):
        raise bad(where, "`score`: a finite number", repr(score))
    return None if score is None else float(score)


def _ids(drafts: list[_Draft]) -> list[int]:
    """Pose ids: those that cape wrote, and free ones for what was drawn in Label Studio."""
    written = [re.fullmatch(r"pose-(-?[0-9]{1,19})", draft.region) for draft in drafts]
    taken = [int(match[1]) for match in written if match and is_id(int(match[1]))]
    free = max(taken, default=0)
    ids = []
    for match in written:
        if match and is_id(int(match[1])):
            ids.append(int(match[1]))
        else:
            free += 1
            ids.append(free)
    return ids


def _pose(
    where: str, number: int, draft: _Draft, categories: dict[str, Skeleton], size: tuple[int, int]
) -> LabelledPose:
    if draft.category not in categories:
        raise bad(
            where, "rectangles of a category with keypoints", repr(draft.category), "Label its keypoints, or remove it."
        )
    names = categories[draft.category].names
    unknown = [label for label in draft.points if label not in names]
    if unknown:
        raise bad(where, f"keypoints of {draft.category!r:.80}", repr(unknown[0]), "Use the labels of its skeleton.")
    scale = np.array(size, dtype=np.float64) / 100
    points, visibility, scores = np.zeros((len(names), 2)), np.zeros(len(names), dtype=np.int8), np.zeros(len(names))
    given = [score is not None for _, _, score in draft.points.values()]
    if any(given) and not all(given):
        raise bad(where, "a score for each keypoint of a pose or none", "some")
    for label, (x, y, score) in draft.points.items():
        place = names.index(label)
        points[place] = np.array([x, y]) * scale - CORNER
        visibility[place] = 1 if label in draft.occluded else 2
        scores[place] = score or 0
    box = None if draft.box is None else np.array(draft.box) * np.tile(scale, 2)
    return make_pose(
        where,
        LabelledPose(number, draft.category, points, visibility, box, scores if any(given) else None, draft.score),
    )
