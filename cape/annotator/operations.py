"""Operations: every edit, undo and redo, one after the other, in a log that is only added to.

An operation is a list of documents before and after. Undoing writes what was there before as a new operation, if what
the operation wrote is still there; so nothing of anybody is ever overwritten unseen, and the log can undo everything
since the project began, over restarts.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy.orm import defer
from sqlmodel import Session, col, func, select

from cape.annotator import legality
from cape.annotator.refusing import RequestError, invalid, unknown
from cape.annotator.replies import Operations
from cape.annotator.schema import (
    Category,
    Changed,
    Conflict,
    DeleteCategory,
    DeleteInstance,
    History,
    HistoryStep,
    Instance,
    Operation,
    OperationDraft,
    Picture,
    PutCategory,
    PutInstance,
    SetPicture,
)
from cape.annotator.store import Store, category_of, document, write
from cape.annotator.tables import CategoryRow, OperationRow

AnyChange = PutInstance | DeleteInstance | PutCategory | DeleteCategory | SetPicture
Body = dict[str, Any]
_LEAN = defer(OperationRow.changes)  # pyright: ignore[reportArgumentType]
MODELS = {"category": Category, "picture": Picture, "instance": Instance}


class Step(NamedTuple):
    """One document before and after; before of a new one is itself, deleted, of revision 0."""

    kind: str
    before: Body
    after: Body


class _Asked(NamedTuple):
    """A request to change something."""

    id: str
    client: str
    kind: str
    label: str
    content: str
    """All of it, as text: what is sent again must be the same."""


class _Stacks(NamedTuple):
    """Edits of a client that can be undone, and that can be done again, by their place in the log."""

    undo: list[int]
    redo: list[int]


class Log:
    """The one way to change documents.

    Args:
        store: Of the project.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stacks: dict[str, _Stacks] = defaultdict(lambda: _Stacks([], []))
        self._labels: dict[int, str] = {}
        with store.reading() as session:
            for row in session.exec(select(OperationRow).order_by(col(OperationRow.seq)).options(_LEAN)):
                self._remember(row.seq or 0, row.client, row.kind, row.target, row.label)

    def edit(self, draft: OperationDraft, *, request: str | None = None) -> Operation:
        """Do an operation.

        Args:
            draft: What to do.
            request: What asked for it, where the server itself made the draft out of it: an id that comes again stands
                for the same request.

        Raises:
            RequestError: 409: a revision that is not the newest, or an id that stands for something else; 422.
        """

        def steps(session: Session) -> list[Step]:
            found = _steps(session, draft.changes)
            _check_names(session, found)
            return found

        asked = _Asked(draft.id, draft.client, "edit", draft.label, request or draft.model_dump_json())
        return self._do(asked, steps)

    def undo(self, step: HistoryStep) -> Operation:
        """Undo the client's last edit.

        Raises:
            RequestError: 409: there is none, or somebody changed its documents since: then the edit leaves the history.
        """
        return self._step(step, "undo")

    def redo(self, step: HistoryStep) -> Operation:
        """Do again what the client undid last.

        Raises:
            RequestError: As `undo`.
        """
        return self._step(step, "redo")

    def again(self, name: str, request: str) -> Operation | None:
        """The answer to a request that was done before; None where it was not.

        Raises:
            RequestError: 409: the id stands for something else.
        """
        with self._store.reading() as session:
            row = session.exec(select(OperationRow).where(OperationRow.id == name)).first()
            return None if row is None else self._repeated(row, hashlib.sha256(request.encode()).hexdigest())

    def history(self, client: str) -> History:
        """What undo and redo would do."""
        undo, redo = self._stacks[client] if client in self._stacks else _Stacks([], [])
        return History(undo=self._labels[undo[-1]] if undo else None, redo=self._labels[redo[-1]] if redo else None)

    def log(self, *, after: int, limit: int) -> Operations:
        """Operations after one, and where the log ends."""
        with self._store.reading() as session:
            some = select(OperationRow).where(col(OperationRow.seq) > after).order_by(col(OperationRow.seq))
            rows = session.exec(some.limit(limit)).all()
            last = session.exec(select(func.max(OperationRow.seq))).one()
        return Operations(operations=[self._reply(row) for row in rows], seq=last or 0)

    def last(self) -> int:
        """Where the log ends."""
        with self._store.reading() as session:
            return session.exec(select(func.max(OperationRow.seq))).one() or 0

    def _step(self, step: HistoryStep, kind: Literal["undo", "redo"]) -> Operation:
        def steps(session: Session) -> list[Step]:
            edit = session.get_one(OperationRow, self._top(step.client, kind))
            pairs = [Step(*each) for each in json.loads(edit.changes)]
            wanted = pairs if kind == "redo" else [Step(each.kind, each.after, each.before) for each in pairs]
            found = _again(session, wanted)
            _check_names(session, found)
            return found

        def target() -> int:
            return self._top(step.client, kind)

        try:
            return self._do(_Asked(step.id, step.client, kind, "", f"{kind} {step.client}"), steps, target)
        except RequestError as error:
            if error.code == "conflict":
                stacks = self._stacks[step.client]
                (stacks.undo if kind == "undo" else stacks.redo).pop()
            raise

    def _top(self, client: str, kind: str) -> int:
        stacks = self._stacks[client]
        stack = stacks.undo if kind == "undo" else stacks.redo
        if not stack:
            raise RequestError(
                kind, status=409, code="nothing", expected=f"something to {kind}", got="nothing", fix="Go on working."
            )
        return stack[-1]

    def _do(
        self, asked: "_Asked", steps: Callable[[Session], list[Step]], target: Callable[[], int] | None = None
    ) -> Operation:
        digest = hashlib.sha256(asked.content.encode()).hexdigest()
        with self._store.writing() as session:
            known = session.exec(select(OperationRow).where(OperationRow.id == asked.id)).first()
            if known is not None:
                return self._repeated(known, digest)
            goal = target() if target else None
            found = steps(session)
            for step in found:
                write(session, step.kind, step.after)
            row = OperationRow(
                id=asked.id, client=asked.client, kind=asked.kind, target=goal, digest=digest, time=now(),
                label=asked.label if goal is None else self._labels[goal],
                changes=json.dumps(found, separators=(",", ":")),
            )  # fmt: skip
            session.add(row)
            session.commit()  # from here on it is on disk
            self._remember(row.seq or 0, row.client, row.kind, goal, row.label)
            return self._reply(row)

    def _repeated(self, row: OperationRow, digest: str) -> Operation:
        if row.digest != digest:
            raise RequestError(
                f"operation {row.id}", status=409, code="operation_reused", expected="the same content as before",
                got="another", fix="Give a new operation a new id.",
            )  # fmt: skip
        return self._reply(row).model_copy(update={"repeated": True})

    def _remember(self, seq: int, client: str, kind: str, target: int | None, label: str) -> None:
        stacks = self._stacks[client]
        self._labels[seq] = label
        if kind == "edit":
            stacks.undo.append(seq)
            stacks.redo.clear()
            return
        come, go = (stacks.undo, stacks.redo) if kind == "undo" else (stacks.redo, stacks.undo)
        while come and come.pop() != target:  # those above it left the history with a conflict
            pass
        go.append(target or 0)

    def _reply(self, row: OperationRow) -> Operation:
        listed: dict[str, list[Any]] = {"category": [], "picture": [], "instance": []}
        for kind, _, after in json.loads(row.changes):
            listed[kind].append(MODELS[kind].model_validate(after))
        return Operation(
            seq=row.seq or 0, id=row.id, client=row.client, kind=row.kind,  # pyright: ignore[reportArgumentType]
            label=row.label, time=row.time, history=self.history(row.client),
            changed=Changed(
                categories=listed["category"], pictures=listed["picture"], instances=listed["instance"]
            ),
        )  # fmt: skip


def now() -> str:
    """UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _steps(session: Session, changes: list[AnyChange]) -> list[Step]:
    """What changes write; categories first, since instances refer to them."""
    order = sorted(changes, key=lambda each: not isinstance(each, PutCategory))
    found: dict[tuple[str, str], Step] = {}
    conflicts: list[Conflict] = []
    for change in order:
        kind, name, yours = _subject(change)
        if (kind, name) in found:
            raise invalid(
                f"{kind} {name}", expected="one change a document", got="two", fix="Send one after the other."
            )
        before = document(session, kind, name)
        revision = before["revision"] if before else 0
        if before is None and not isinstance(change, PutCategory | PutInstance):
            raise unknown(kind, name)
        if revision != change.base_revision:
            current = None if before is None else MODELS[kind].model_validate(before)
            conflicts.append(
                Conflict(kind=kind, id=name, base_revision=change.base_revision, current=current, yours=yours)
            )
            continue
        after = _after(session, change, before, found)
        found[kind, name] = Step(kind, before or {**after, "deleted": True, "revision": 0}, after)
    if conflicts:
        raise _conflict(conflicts)
    return list(found.values())


def _subject(change: AnyChange) -> tuple[Literal["category", "picture", "instance"], str, Any]:
    match change:
        case PutCategory():
            return "category", change.category.id, change.category
        case PutInstance():
            return "instance", change.instance.id, change.instance
        case DeleteCategory():
            return "category", change.category_id, None
        case DeleteInstance():
            return "instance", change.instance_id, None
    return "picture", change.picture_id, change


def _after(session: Session, change: AnyChange, before: Body | None, found: dict[tuple[str, str], Step]) -> Body:
    if isinstance(change, PutCategory):
        old = None if before is None else Category.model_validate(before)
        return legality.stored_category(change.category, old).model_dump()
    if isinstance(change, PutInstance):
        draft = change.instance
        fresh = found.get(("category", draft.category_id))
        known = fresh.after if fresh else document(session, "category", draft.category_id)
        category = None if known is None else Category.model_validate(known)
        shown = document(session, "picture", draft.picture_id)
        legality.check_instance(draft, category, None if shown is None else Picture.model_validate(shown))
        old = None if before is None else Instance.model_validate(before)
        if old is not None and old.picture_id != draft.picture_id:
            raise invalid(
                f"instance {draft.id}", expected="the picture that it is in", got=draft.picture_id,
                fix="Make a new instance.",
            )  # fmt: skip
        if category is not None:
            draft = legality.kept_points(draft, old, category)
        return {**draft.model_dump(), "revision": change.base_revision + 1, "deleted": False, "updated": now()}
    told = {"state": change.state} if isinstance(change, SetPicture) else {"deleted": True}
    return {**(before or {}), **told, "revision": change.base_revision + 1}


def _again(session: Session, wanted: list[Step]) -> list[Step]:
    """What is to be written so that documents are as `after` says; each must still be as `before` says."""
    found, conflicts = [], []
    for kind, expected, goal in wanted:
        current = document(session, kind, expected["id"]) or {**expected, "revision": 0}
        if _content(current) != _content(expected):
            shown = MODELS[kind].model_validate(current)
            conflicts.append(
                Conflict(kind=kind, id=expected["id"], base_revision=expected["revision"], current=shown, yours=None)  # pyright: ignore[reportArgumentType]
            )
            continue
        told = {"updated": now()} if kind == "instance" else {}
        found.append(Step(kind, current, {**goal, **told, "revision": current["revision"] + 1}))
    if conflicts:
        raise _conflict(conflicts)
    return found


def _content(body: Body) -> Body:
    return {key: value for key, value in body.items() if key not in ("revision", "updated")}


def _conflict(conflicts: list[Conflict]) -> RequestError:
    first = conflicts[0]
    have = "none" if first.current is None else str(first.current.revision)
    return RequestError(
        f"{first.kind} {first.id}", status=409, code="conflict", expected=f"revision {first.base_revision}", got=have,
        fix="Look at both versions and send yours again, if it is still wanted.", conflicts=conflicts,
    )  # fmt: skip


def _check_names(session: Session, steps: list[Step]) -> None:
    if not any(step.kind == "category" for step in steps):
        return
    others = {row.id: category_of(row) for row in session.exec(select(CategoryRow))}
    others |= {step.after["id"]: Category.model_validate(step.after) for step in steps if step.kind == "category"}
    legality.check_names(list(others.values()))
