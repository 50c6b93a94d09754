"""The project file: one writer, any number of readers.

SQLite in WAL mode with synchronous=FULL: what `writing` has left is on disk. All writing goes through one connection
under one lock, and no other connection ever checkpoints: SQLite before 3.51.3 can lose pages where two do. A lock file
keeps a second server out.
"""

import fcntl
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event, func, or_
from sqlalchemy import text as sql
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool
from sqlmodel import Session, col, create_engine, select

from cape.annotator.migrations import migrate
from cape.annotator.refusing import unknown
from cape.annotator.replies import Pictures
from cape.annotator.schema import Category, Instance, Picture, PictureState
from cape.annotator.tables import CategoryRow, InstanceRow, PictureRow, PredictionRow
from cape.errors import UsageError

Document = Category | Picture | Instance
FILE, LOCK = "project.sqlite", "project.lock"
PLACED = ('"visibility":1', '"visibility":2')
"""What the body of an instance with a point has."""
SLEEP = 10_000
"""Milliseconds that a connection waits for another."""


class Store:
    """The documents of a project.

    Args:
        folder: Of the project; made if it is not there.

    Raises:
        UsageError: Another server has it open, it cannot be written, or its file is none.
        RequestError: A later cape wrote it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held = _hold(folder)
        file = folder / FILE
        self._writer = create_engine(
            f"sqlite:///{file}", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        self._reader = create_engine(f"sqlite:///{file}", pool_size=8, max_overflow=40)
        event.listen(self._writer, "connect", _settings("journal_mode=WAL", "synchronous=FULL"))
        event.listen(self._reader, "connect", _settings("query_only=ON"))
        self._lock = threading.RLock()
        try:
            self.version = migrate(self._writer, file)
        except DatabaseError as error:
            self.close()
            raise UsageError(
                str(file), expected="a project file", got=str(error.orig),
                fix="Put a copy of it back, or choose another folder.",
            ) from error  # fmt: skip
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Readers first: the last connection to close checkpoints, and that is the writer's."""
        with self._lock:
            self._reader.dispose()
            self._writer.dispose()
            self._held.close()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: on disk when the block is left, undone where it raises."""
        with self._lock, Session(self._writer, expire_on_commit=False) as session:
            yield session
            session.commit()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """What is on disk, of one moment."""
        with Session(self._reader) as session:
            yield session

    # Documents

    def categories(self, *, deleted: bool = False) -> list[Category]:
        """All categories in the order of their making."""
        with self.reading() as session:
            rows = session.exec(select(CategoryRow).order_by(col(CategoryRow.position))).all()
        return [category_of(row) for row in rows if deleted or not row.deleted]

    def category(self, name: str) -> Category:
        """One category.

        Raises:
            RequestError: 404.
        """
        with self.reading() as session:
            row = session.get(CategoryRow, name)
        if row is None or row.deleted:
            raise unknown("category", name)
        return category_of(row)

    def pictures(
        self, *, offset: int = 0, limit: int = 200, state: PictureState | None = None, text: str = ""
    ) -> Pictures:
        """A stretch of the list in the order of the file names."""
        some = select(PictureRow).where(col(PictureRow.deleted).is_(False))
        some = some.where(PictureRow.state == state) if state else some
        some = some.where(col(PictureRow.file).contains(text, autoescape=True)) if text else some
        with self.reading() as session:
            total = session.exec(select(func.count()).select_from(some.subquery())).one()
            order = (col(PictureRow.file), col(PictureRow.id))
            found = [picture_of(row) for row in session.exec(some.order_by(*order).offset(offset).limit(limit))]
            counts = (
                select(InstanceRow.picture_id, func.count())
                .where(
                    col(InstanceRow.deleted).is_(False), col(InstanceRow.picture_id).in_([each.id for each in found])
                )
                .group_by(InstanceRow.picture_id)
            )
            return Pictures(total=total, pictures=found, instances=dict(session.exec(counts).all()))

    def all_pictures(self) -> list[Picture]:
        """All of them, in the order of the file names."""
        some = select(PictureRow).where(col(PictureRow.deleted).is_(False)).order_by(col(PictureRow.file))
        with self.reading() as session:
            return [picture_of(row) for row in session.exec(some)]

    def picture(self, name: str) -> Picture:
        """One picture.

        Raises:
            RequestError: 404.
        """
        with self.reading() as session:
            row = session.get(PictureRow, name)
        if row is None or row.deleted:
            raise unknown("picture", name)
        return picture_of(row)

    def neighbours(self, picture: Picture) -> tuple[str | None, str | None]:
        """The pictures before and after one, by file name."""
        here = select(PictureRow.id).where(col(PictureRow.deleted).is_(False)).limit(1)
        file = col(PictureRow.file)
        with self.reading() as session:
            before = session.exec(here.where(file < picture.file).order_by(file.desc())).first()
            after = session.exec(here.where(file > picture.file).order_by(file)).first()
        return before, after

    def instances(
        self, *, picture_id: str | None = None, category_id: str | None = None, state: str | None = None
    ) -> list[Instance]:
        """Those that are not deleted, in the order of their making."""
        some = select(InstanceRow).where(col(InstanceRow.deleted).is_(False))
        some = some.where(InstanceRow.picture_id == picture_id) if picture_id is not None else some
        some = some.where(InstanceRow.category_id == category_id) if category_id is not None else some
        some = some.where(InstanceRow.state == state) if state is not None else some
        with self.reading() as session:
            return [instance_of(row) for row in session.exec(some.order_by(sql("rowid")))]

    def shots(self, category_id: str, most: int) -> list[Instance]:
        """Accepted instances with a point that are shown to the model; where none is, the first that was accepted."""
        some = (
            select(InstanceRow)
            .where(InstanceRow.category_id == category_id, InstanceRow.state == "accepted")
            .where(col(InstanceRow.deleted).is_(False), or_(*(col(InstanceRow.body).contains(each) for each in PLACED)))
            .order_by(sql("rowid"))
        )
        with self.reading() as session:
            # An instance's body holds ids and numbers alone: no name can look like this
            flagged = session.exec(some.where(col(InstanceRow.body).contains('"shot":true')).limit(most)).all()
            return [instance_of(row) for row in flagged or session.exec(some.limit(1)).all()]

    def predictions(
        self, *, picture_id: str | None = None, category_id: str | None = None, key: str | None = None
    ) -> list[PredictionRow]:
        """What the model said."""
        some = select(PredictionRow)
        some = some.where(PredictionRow.picture_id == picture_id) if picture_id is not None else some
        some = some.where(PredictionRow.category_id == category_id) if category_id is not None else some
        some = some.where(PredictionRow.key == key) if key is not None else some
        with self.reading() as session:
            return list(session.exec(some).all())


def category_of(row: CategoryRow) -> Category:
    """The document of a row."""
    return Category.model_validate_json(row.body)


def picture_of(row: PictureRow) -> Picture:
    """The document of a row."""
    return Picture(
        id=row.id, file=row.file, width=row.width, height=row.height, state=row.state,  # pyright: ignore[reportArgumentType]
        revision=row.revision, deleted=row.deleted,
    )  # fmt: skip


def instance_of(row: InstanceRow) -> Instance:
    """The document of a row."""
    return Instance.model_validate_json(row.body)


def document(session: Session, kind: str, name: str) -> dict[str, Any] | None:
    """A document as it is, deleted or not; None where there never was one."""
    tables = {"category": CategoryRow, "picture": PictureRow, "instance": InstanceRow}
    row = session.get(tables[kind], name)
    if row is None:
        return None
    return picture_of(row).model_dump() if isinstance(row, PictureRow) else json.loads(row.body)


def write(session: Session, kind: str, body: dict[str, Any]) -> None:
    """Store a document under its id; of a picture the state alone can change."""
    text = json.dumps(body, separators=(",", ":"))
    shared = {"revision": body["revision"], "deleted": body["deleted"]}
    if kind == "picture":
        row = session.get_one(PictureRow, body["id"])
        row.sqlmodel_update({**shared, "state": body["state"]})
    elif kind == "category":
        row = session.get(CategoryRow, body["id"])
        place = session.exec(select(func.count()).select_from(CategoryRow)).one() if row is None else row.position
        row = row or CategoryRow(id=body["id"], revision=0, position=place, body="")
        row.sqlmodel_update({**shared, "body": text})
    else:
        row = session.get(InstanceRow, body["id"]) or InstanceRow(
            id=body["id"], revision=0, picture_id="", category_id="", state="", body=""
        )
        places = {key: body[key] for key in ("picture_id", "category_id", "state")}
        row.sqlmodel_update({**shared, **places, "body": text})
    session.add(row)


def _hold(folder: Path) -> Any:
    """Keep other servers out until the file is closed; a kill lets go, too."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a")
    except OSError as error:
        raise UsageError(
            str(folder), expected="a folder that can be written", got=str(error), fix="Choose another."
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise UsageError(
            str(folder), expected="a project that no other annotator has open", got="one that is open",
            fix="Use the page that is open already, or end the other one.",
        ) from None  # fmt: skip
    return file


def _settings(*pragmas: str) -> Any:
    def connected(connection: Any, record: Any) -> None:
        del record
        for pragma in (f"busy_timeout={SLEEP}", *pragmas):
            connection.execute(f"PRAGMA {pragma}").close()

    return connected
