"""What a document may be, beyond what its fields say: references, doubles, names that are taken."""

import unicodedata
from collections.abc import Mapping, Sequence

from cape.annotator.refusing import RequestError, invalid
from cape.annotator.schema import Category, CategoryDraft, InstanceDraft, Keypoint, Picture


def stored_category(draft: CategoryDraft, before: Category | None) -> Category:
    """A category as it is stored: keypoints that were taken out are kept aside.

    Raises:
        RequestError: 422: an id or a name twice, or edges, pairs and parts of keypoints that it does not have.
    """
    where = f"category {draft.name[:40]!r}"
    ids = [each.id for each in draft.keypoints]
    _once(where, "id of a keypoint", ids)
    _once(where, "name of a keypoint", [plain(each.name) for each in draft.keypoints if each.name])
    _once(where, "name of a part", [plain(each.name) for each in draft.parts])
    _once(where, "keypoint in the swap pairs", [each for pair in draft.swap for each in pair])
    known = set(ids)
    for what, groups in (("edges", draft.edges), ("swap", draft.swap), ("parts", [p.keypoints for p in draft.parts])):
        missing = sorted({each for group in groups for each in group} - known)
        if missing:
            raise invalid(
                f"{where}: {what}", expected="keypoints of the category", got=", ".join(missing)[:80],
                fix="Take them out, or add the keypoint.",
            )  # fmt: skip
    if any(a == b for a, b in (*draft.edges, *draft.swap)):
        raise invalid(f"{where}: edges and swap", expected="two keypoints", got="one twice", fix="Take it out.")
    for part in draft.parts:
        _once(f"{where}: part", "keypoint", part.keypoints)
    return Category(
        **draft.model_dump(), retired=_retired(known, before), revision=(before.revision if before else 0) + 1,
        deleted=False,
    )  # fmt: skip


def _retired(known: set[str], before: Category | None) -> list[Keypoint]:
    gone = {} if before is None else {each.id: each for each in (*before.retired, *before.keypoints)}
    return [each for name, each in gone.items() if name not in known]


def check_names(categories: Sequence[Category]) -> None:
    """Raise where two categories that are not deleted have one name: exports tell them by it.

    Raises:
        RequestError: 409.
    """
    names = [plain(each.name) for each in categories if not each.deleted]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RequestError(
            "category", status=409, code="name_taken", expected="a name that no other category has", got=twice[:60],
            fix="Choose another name.",
        )  # fmt: skip


def check_instance(draft: InstanceDraft, category: Category | None, picture: Picture | None) -> None:
    """Raise where an instance does not fit its picture or its category.

    Raises:
        RequestError: 422.
    """
    where = f"instance {draft.id}"
    if picture is None or picture.deleted:
        raise invalid(
            f"{where}: picture_id",
            expected="a picture of the project",
            got=draft.picture_id,
            fix="Load the list again.",
        )
    if category is None or category.deleted:
        raise invalid(
            f"{where}: category_id", expected="a category of the project", got=draft.category_id, fix="Make it first."
        )
    ids = [each.keypoint for each in draft.points]
    _once(where, "keypoint", ids)
    missing = sorted(set(ids) - {each.id for each in (*category.keypoints, *category.retired)})
    if missing:
        raise invalid(
            f"{where}: points", expected="keypoints of the category", got=", ".join(missing)[:80],
            fix="Load the category again.",
        )  # fmt: skip
    for point in draft.points:
        placed = (point.x is not None) + (point.y is not None)
        if placed == 1 or (point.visibility and not placed):
            raise invalid(
                f"{where}: {point.keypoint}", expected="x and y, or neither where it is absent", got="one of them"
                if placed else "neither", fix="Send both.",
            )  # fmt: skip


def kept_points(draft: InstanceDraft, before: InstanceDraft | None, category: Category) -> InstanceDraft:
    """The draft with the points of retired keypoints that it left out: they come back with their keypoint."""
    if before is None or before.category_id != draft.category_id:
        return draft
    retired = {each.id for each in category.retired} - {each.keypoint for each in draft.points}
    hidden = [each for each in before.points if each.keypoint in retired]
    return draft.model_copy(update={"points": [*draft.points, *hidden]})


def places(category: Category) -> Mapping[str, int]:
    """Place of each keypoint by its id."""
    return {each.id: place for place, each in enumerate(category.keypoints)}


def plain(name: str) -> str:
    """A name as names are compared: two that differ by composition alone are one."""
    return unicodedata.normalize("NFC", name).strip()


def _once(where: str, what: str, values: Sequence[str]) -> None:
    twice = sorted({each for each in values if values.count(each) > 1})
    if twice:
        raise invalid(
            where, expected=f"each {what} once", got=f"twice: {', '.join(twice)[:80]}", fix="Tell them apart."
        )
