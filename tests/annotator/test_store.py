"""`cape.annotator.store` and `migrations`: one writer, readers that never write, versions, a large project."""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import annotating as an
import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, SQLModel

from cape.annotator import tables
from cape.annotator.migrations import migrate
from cape.annotator.refusing import RequestError
from cape.annotator.store import Store
from cape.annotator.tables import PictureRow
from cape.errors import UsageError


def test_what_is_acknowledged_is_flushed(tmp_path: Path) -> None:
    store = Store(tmp_path / "p")
    with store.writing() as session:
        assert session.connection().exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert session.connection().exec_driver_sql("PRAGMA synchronous").scalar() == 2
    with store.reading() as session, pytest.raises(OperationalError, match="readonly"):
        session.connection().exec_driver_sql("DELETE FROM picture")
    store.close()


def test_a_fault_in_a_transaction_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "p")
    with pytest.raises(RuntimeError, match="on the way"), store.writing() as session:
        session.add(_row(1))
        session.flush()
        raise RuntimeError("on the way")
    assert store.all_pictures() == []
    store.close()


def test_the_migrations_make_the_tables_that_the_code_has(tmp_path: Path) -> None:
    """What SQLModel would make, column by column."""
    store = Store(tmp_path / "p")
    with store.reading() as session:
        wanted = {name: table for name, table in SQLModel.metadata.tables.items() if name in vars_of(tables)}
        assert len(wanted) == 5
        for name, table in wanted.items():
            rows = session.connection().exec_driver_sql(f"PRAGMA table_info({name})").all()
            made = {row[1]: (bool(row[3]), bool(row[5])) for row in rows}
            mine = {each.name: (not each.nullable, each.primary_key) for each in table.columns}
            assert made == mine, name
    store.close()


def vars_of(module: object) -> set[str]:
    return {each.__tablename__ for each in vars(module).values() if hasattr(each, "__tablename__")}


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "p")
    assert store.version == "0001"
    assert migrate(store._writer, tmp_path / "p" / "project.sqlite") == "0001"
    store.close()
    file = sqlite3.connect(tmp_path / "p" / "project.sqlite")
    with file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")
    file.close()
    with pytest.raises(RequestError, match="newer cape"):
        Store(tmp_path / "p")


def test_a_file_that_is_no_project(tmp_path: Path, refused: Callable) -> None:
    (tmp_path / "project.sqlite").write_bytes(b"nothing of the kind" * 1000)
    for _ in range(2):  # the first try lets go of the folder
        with refused(UsageError, "project.sqlite"):
            Store(tmp_path)


def test_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    store = Store(tmp_path / "p")
    inside, enough = threading.Event(), threading.Event()

    def write() -> None:
        with store.writing() as session:
            session.add(_row(1))
            session.flush()
            inside.set()
            enough.wait(10)

    thread = threading.Thread(target=write)
    thread.start()
    inside.wait(10)
    assert store.all_pictures() == []
    enough.set()
    thread.join()
    assert len(store.all_pictures()) == 1
    store.close()


def test_five_thousand_pictures_are_listed_quickly(tmp_path: Path) -> None:
    store = Store(tmp_path / "p")
    with store.writing() as session:
        _fill(session, 5000)
    began = time.monotonic()
    first = store.pictures(limit=200)
    some = store.pictures(text="04", limit=1000)
    whole = store.all_pictures()
    assert time.monotonic() - began < 3
    assert (first.total, len(first.pictures), len(whole)) == (5000, 200, 5000)
    assert some.total > 100
    assert first.pictures[0].file < first.pictures[1].file
    assert store.neighbours(whole[7]) == (whole[6].id, whole[8].id)
    store.close()


def test_a_full_disk_is_said_and_nothing_is_half_saved(project: an.Project) -> None:
    made, picture = project.add_category(), project.pictures()[0]
    with project.desk.store.writing() as session:
        pages = session.connection().exec_driver_sql("PRAGMA page_count").scalar()
        session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    codes = set()
    for _ in range(40):
        body = {
            "id": an.new_id(),
            "client": "me",
            "label": "x" * 200,
            "changes": [an.put_instance(an.instance(picture, made))],
        }
        codes.add(project.http.post("/api/operations", json=body).status_code)
    assert codes == {200, 503}
    full = project.post("/operations", {**body, "id": "again"}, 503)
    assert (full["code"], "full" in full["message"]) == ("disk", True)
    count = project.get("/operations")["seq"] - 1
    assert len(project.get(f"/pictures/{picture['id']}")["instances"]) == count
    with project.desk.store.writing() as session:
        session.connection().exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert project.post("/operations", {**body, "id": "again"})["seq"] == count + 2


def test_a_pattern_in_the_search_is_text(project: an.Project) -> None:
    assert project.get("/pictures", text="%")["total"] == 0
    assert project.get("/pictures", text="0_.")["total"] == 0
    assert project.get("/pictures", text="03")["total"] == 1
    assert project.get("/pictures", state="done")["total"] == 0
    assert [each["file"] for each in project.get("/pictures", offset=4, limit=5)["pictures"]] == [
        "set/04.png",
        "set/05.png",
    ]


def _fill(session: Session, count: int) -> None:
    session.add_all(_row(number) for number in range(count))


def _row(number: int) -> PictureRow:
    return PictureRow(
        id=f"{number:020x}", revision=1, file=f"set/{number:05d}.png", sha256=f"{number:064x}", bytes=1, modified=1,
        width=10, height=10,
    )  # fmt: skip
