"""What helps to edit: previews, names and sides that are suggested, predictions as instances."""

import functools
import uuid
from collections.abc import Sequence

from cape.annotator import legality
from cape.annotator.replies import CategoryPreview, PredictedPoint, Prediction, SuggestedName, SwapPairs
from cape.annotator.schema import (
    CategoryDraft,
    Instance,
    InstanceDraft,
    Keypoint,
    Picture,
    Point,
    PutInstance,
    SetPicture,
)
from cape.annotator.store import Store, category_of
from cape.annotator.tables import CategoryRow
from cape.skeleton import swap_pairs

SHOWN = 0.5
"""Presence below which an accepted prediction's keypoint is absent."""


def preview(store: Store, draft: CategoryDraft) -> CategoryPreview:
    """What a change of a category would do to what is annotated.

    Raises:
        RequestError: 422: it is none that could be stored.
    """
    with store.reading() as session:
        row = session.get(CategoryRow, draft.id)
    old = None if row is None else category_of(row)
    after = legality.stored_category(draft, old)
    before = {each.id: each for each in old.keypoints} if old else {}
    gone = {each.id for each in old.retired} if old else set()
    now = {each.id: each for each in after.keypoints}
    stay = [each for each in before if each in now]
    order = [each for each in now if each in before]
    retired = [each for name, each in before.items() if name not in now]
    instances = store.instances(category_id=draft.id)
    lost = {each.id for each in retired}
    hidden = sum(point.keypoint in lost and point.visibility > 0 for each in instances for point in each.points)
    found = CategoryPreview(
        added=[each for name, each in now.items() if name not in before and name not in gone],
        restored=[each for name, each in now.items() if name in gone],
        renamed=[each for name, each in now.items() if name in before and before[name].name != each.name],
        retired=retired,
        moved=[now[a] for a, b in zip(order, stay, strict=True) if a != b],
        instances=len(instances), hidden_points=hidden,
        unplaced=sum(bool(set(now) - {point.keypoint for point in each.points}) for each in instances),
        words=[],
    )  # fmt: skip
    return found.model_copy(update={"words": _words(found)})


def suggest_names(text: str, limit: int) -> list[SuggestedName]:
    """Names of the text packs in which a word begins so; those that begin so come first."""
    sought = " ".join(text.lower().split())
    if not sought:
        return []
    known = _names()
    first = [each for each in known if each.name.lower().startswith(sought)]
    inside = [each for each in known if f" {sought}" in each.name.lower() and each not in first]
    return [*first, *inside][:limit]


def suggest_swap(keypoints: Sequence[Keypoint]) -> SwapPairs:
    """Left and right, told by the names."""
    pairs = swap_pairs([each.name for each in keypoints])
    return SwapPairs(swap=[[keypoints[a].id, keypoints[b].id] for a, b in pairs])


def accepted(
    seed: str, pictures: Sequence[Picture], predictions: Sequence[Prediction]
) -> "list[PutInstance | SetPicture]":
    """Changes that accept predictions as they are: an instance each, and the picture is done."""
    changes: list[PutInstance | SetPicture] = []
    for picture, prediction in zip(pictures, predictions, strict=True):
        whole = (prediction.box.x, prediction.box.y) == (0, 0) and (
            prediction.box.width, prediction.box.height) == (picture.width, picture.height)  # fmt: skip
        points = [_point(each, picture) for each in prediction.points if each.asked]
        instance = InstanceDraft(
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{seed} {picture.id}")), picture_id=picture.id,
            category_id=prediction.category_id, points=points,
            box=None if whole else prediction.box, state="accepted", proposed=True,
            score=min(max(prediction.confidence, 0.0), 1.0),
        )  # fmt: skip
        changes.append(PutInstance(change="put_instance", base_revision=0, instance=instance))
        changes.append(
            SetPicture(change="set_picture", base_revision=picture.revision, picture_id=picture.id, state="done")
        )
    return changes


def shown(instances: Sequence[Instance]) -> list[PutInstance]:
    """Changes that show instances to the model."""
    fields = set(InstanceDraft.model_fields)
    return [
        PutInstance(
            change="put_instance", base_revision=each.revision,
            instance=InstanceDraft.model_validate({**each.model_dump(include=fields), "shot": True}),
        )
        for each in instances
    ]  # fmt: skip


def _point(point: PredictedPoint, picture: Picture) -> Point:
    inside = -0.5 <= point.x <= picture.width - 0.5 and -0.5 <= point.y <= picture.height - 0.5
    there = inside and point.presence >= SHOWN
    return Point(
        keypoint=point.keypoint, x=point.x if there else None, y=point.y if there else None,
        visibility=2 if there else 0, source="model", score=min(max(point.score, 0.0), 1.0),
    )  # fmt: skip


def _words(found: CategoryPreview) -> list[str]:
    said = []
    for what, listed in (
        ("new", found.added), ("back again, with its points", found.restored), ("renamed", found.renamed),
        ("taken out", found.retired), ("in another place of the order", found.moved),
    ):  # fmt: skip
        if listed:
            said.append(f"{what}: {', '.join(each.name or each.id for each in listed)}")
    if found.hidden_points:
        said.append(f"{found.hidden_points} points are no longer shown or exported; they are kept and can come back")
    if found.added and found.instances:
        said.append(f"{found.instances} instances lack the new keypoints until somebody places them")
    if (found.added or found.renamed or found.retired or found.restored) and found.instances:
        said.append("the model reads the names again: predictions will change")
    return said or ["nothing changes"]


@functools.cache
def _names() -> list[SuggestedName]:
    from cape.data.prompts import TextPack  # with torch, by way of cape.data

    pack = TextPack.load()
    users: dict[str, list[str]] = {}
    for (_, category), layout in pack.categories.items():
        users.setdefault(layout, []).append(category)
    found: dict[str, SuggestedName] = {}
    for layout, texts in pack.layouts.items():
        for text in texts:
            each = found.setdefault(
                text.name, SuggestedName(name=text.name, relation=text.relation, frame=text.frame, categories=[])
            )
            each.categories.extend(name for name in users.get(layout, []) if name not in each.categories)
    return sorted(found.values(), key=lambda each: (-len(each.categories), each.name))
