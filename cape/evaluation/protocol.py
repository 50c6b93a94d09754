"""What a figure may be compared with: published MP-100 numbers come from several protocols (specification §2.5)."""

from typing import Literal, NamedTuple

from cape.evaluation.pck import THRESHOLDS

DIGESTS = {
    **{(1, split): "8667f5b8e8840345" for split in range(1, 5)},
    (1, 5): "ecb299219c9cfd58",
    **{(5, split): "43c9b5ef23061842" for split in range(1, 5)},
    (5, 5): "8556cba961268322",
}
"""Of the official test episodes by shots and split (specification §2.1); 1 to 4 coincide, as their pools do."""


class Protocol(NamedTuple):
    """How a figure came about."""

    split: int
    shots: int
    digest: str
    """Of the episodes."""
    complete: bool
    """All categories of the split's test set were scored, and no other."""
    size: int | None
    """Side in pixels of the pictures that the method is shown; None: it is shown none."""
    padding: float = 1.25
    """Side of a crop in longest sides of the box."""
    box: Literal["truth", "none"] = "truth"
    subset: str = "test"
    held_out: str | None = None
    """A super-category that training went without."""
    damaged: bool = False
    """Names, clicks or pictures of the prompts were corrupted."""
    thresholds: tuple[float, ...] = THRESHOLDS
    mask: Literal["support", "query"] = "support"
    """A keypoint counts if query and every support show it, or if the query does."""


class Family(NamedTuple):
    """Publications whose numbers share a protocol."""

    name: str
    size: int
    padding: float
    thresholds: tuple[float, ...]
    mask: Literal["support", "query"] = "support"
    instead: str = ""
    """What it does in place of drawing the official episodes; empty: it draws them."""


FAMILIES = (
    Family("CapeFormer, GraphCape, CapeX and the fusion paper", 256, 1.25, THRESHOLDS),
    Family(
        "MetaPoint and FMMP", 256, 1.25, THRESHOLDS[:4],
        instead="annotations and class ids are unified, so that episodes are drawn from other pools",
    ),
    Family("EdgeCape", 224, 1.25, THRESHOLDS),
    Family("CapeLLM", 224, 1.0, THRESHOLDS, "query", "each instance is asked once, without episodes"),
)  # fmt: skip


def comparable(protocol: Protocol) -> dict[str, list[str]]:
    """Why a figure may not be compared with each family's numbers; an empty list: it may.

    Backbone and text encoder are the method's, not the protocol's: they belong beside the number in any case.
    """
    shared = _faults(protocol)
    return {family.name: shared + _differences(protocol, family) for family in FAMILIES}


def _faults(protocol: Protocol) -> list[str]:
    """What keeps a figure from comparison with any published number of the five splits."""
    faults = []
    if protocol.held_out is not None:
        faults.append(f"{protocol.held_out} was held out, a protocol whose files have no published form")
    elif protocol.subset != "test":
        faults.append(f"the categories are those of {protocol.subset}, not of test")
    elif not protocol.complete:
        faults.append("the categories are not those of the split's test set")
    if protocol.shots not in (1, 5):
        faults.append(f"{protocol.shots}-shot numbers are not published")
    elif protocol.digest != DIGESTS.get((protocol.shots, protocol.split)):
        faults.append("the episodes are not the official ones (digest)")
    if protocol.box != "truth":
        faults.append("no boxes were given")
    if protocol.damaged:
        faults.append("the prompts are damaged")
    return faults


def _differences(protocol: Protocol, family: Family) -> list[str]:
    """What sets a protocol apart from a family's own."""
    found = []
    if family.instead:
        found.append(family.instead)
    if protocol.mask != family.mask:
        counted = {"support": "query and every support show", "query": "the query shows"}
        found.append(f"keypoints count that {counted[family.mask]}")
    if protocol.size is not None and (protocol.size, protocol.padding) != (family.size, family.padding):
        crops = [f"{each.size} px, padding {each.padding}" for each in (family, protocol)]
        found.append(f"crops of {crops[0]}, not {crops[1]}")
    if not set(family.thresholds) <= set(protocol.thresholds):
        found.append(f"thresholds {', '.join(f'{each:.2f}' for each in family.thresholds)}")
    return found


def verdict(protocol: Protocol) -> list[str]:
    """`comparable` in one or two sentences, the reasons that all families share named once."""
    reasons = comparable(protocol)
    shared = _faults(protocol)
    if shared:
        return [f"Comparable with no published number: {'; '.join(shared)}."]
    fit = [name for name, faults in reasons.items() if not faults]
    rest = [f"{name} ({'; '.join(faults)})" for name, faults in reasons.items() if faults]
    sentences = [f"Comparable with the numbers of {'; '.join(fit)}."] if fit else []
    return [*sentences, f"Not comparable with {'; '.join(rest)}."]


def familiarity(home: str, *, category: str, split: int) -> str:
    """What a figure of one category says, by the subset of the split that it lies in.

    Only a test category is unseen: the human-body row of the fusion paper (its Table 7) holds one such figure, split
    3's, beside four of a category that was trained on.

    Args:
        home: train, val or test.
        category: Its name, with its id.
        split: 1 to 5.
    """
    verdicts = {
        "test": "an unseen category.",
        "val": "models of that split are not trained on it, but their weights may be chosen by it.",
        "train": "no unseen category for a model that is trained on that split.",
    }
    subset = {"test": "test", "val": "validation", "train": "training"}[home]
    return f"{category} is in the {subset} set of split {split}: {verdicts[home]}"
