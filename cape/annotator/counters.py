"""How far the work is: pictures done and left, corrections, clicks saved, time left."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from statistics import median

from sqlmodel import col, select

from cape.annotator.replies import Progress
from cape.annotator.schema import Instance, Picture
from cape.annotator.store import Store
from cape.annotator.tables import OperationRow

PAUSE = 120.0
"""Seconds without an operation after which somebody was away."""
LOOKED_AT, BULK = 2000, 5
"""Operations that the time is told by, and pictures from which on one of them was not made by looking."""


def count(pictures: Sequence[Picture], instances: Sequence[Instance], seconds: float | None) -> Progress:
    """The counters.

    Args:
        pictures: All of the project.
        instances: Those that count, of one category or of all.
        seconds: See `seconds_per_picture`.
    """
    states = Counter(each.state for each in pictures)
    accepted = [each for each in instances if each.state == "accepted"]
    proposed = [each for each in accepted if each.proposed]
    points = [(each, point) for each in accepted for point in each.points]
    moved = sum(point.source == "human" for each, point in points if each.proposed)
    shown = {each.picture_id for each in proposed}
    return Progress(
        total=len(pictures),
        done=states["done"],
        open=states["open"],
        skipped=states["skipped"],
        instances=len(instances),
        accepted=len(accepted),
        corrections_per_picture=moved / len(shown) if shown else None,
        seconds_per_picture=seconds,
        seconds_left=None if seconds is None else seconds * states["open"],
        clicks=sum(point.source == "human" for _, point in points),
        clicks_saved=sum(point.source == "model" for _, point in points),
    )


def seconds_per_picture(store: Store) -> float | None:
    """Median over pictures of the time between the operation before and each that touched it; None: too early."""
    with store.reading() as session:
        some = select(OperationRow).order_by(col(OperationRow.seq).desc()).limit(LOOKED_AT)
        rows = list(session.exec(some))[::-1]
    spent: dict[str, float] = defaultdict(float)
    before: dict[str, datetime] = {}
    for row in rows:
        moment = datetime.fromisoformat(row.time)
        touched = {_picture(kind, after) for kind, _, after in json.loads(row.changes)} - {None}
        last = before.get(row.client)
        before[row.client] = moment
        gap = (moment - last).total_seconds() if last else None
        if gap is not None and gap <= PAUSE and 0 < len(touched) <= BULK:
            for picture in touched:
                spent[picture or ""] += gap / len(touched)
    return median(spent.values()) if len(spent) >= 3 else None


def _picture(kind: str, after: dict) -> str | None:
    return after["id"] if kind == "picture" else after.get("picture_id")
