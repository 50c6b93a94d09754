"""The project file's versions, one alembic revision a file, and the way up to the newest.

A revision is never edited once it was released; a change of `tables` comes with a new file here.
"""

from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from sqlite3 import connect

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine

from cape.annotator.refusing import invalid


def migrate(engine: Engine, file: Path) -> str:
    """Bring a project file to the newest version; a copy of one that is changed stays beside it.

    Args:
        engine: Of the writer.
        file: The SQLite file.

    Returns:
        The version.

    Raises:
        RequestError: A later cape wrote the file.
    """
    folder = str(Path(__file__).parent)
    scripts = ScriptDirectory(folder, version_locations=[folder])
    newest = scripts.get_current_head() or ""
    with engine.connect() as connection:
        before = MigrationContext.configure(connection).get_current_revision()
    if before == newest:
        return newest
    if before is not None:
        try:
            scripts.get_revision(before)
        except CommandError:
            raise invalid(
                file.name, expected=f"a project of version {newest} or before", got=before, fix="Use a newer cape."
            ) from None
        _copy(file, file.with_name(f"{file.stem}-{before}-{datetime.now(UTC):%Y%m%d%H%M%S}.sqlite"))
    with engine.begin() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"fn": lambda revision, _: scripts._upgrade_revs("head", revision), "transactional_ddl": True},
        )
        with context.begin_transaction(), Operations.context(context):
            context.run_migrations()
    return newest


def _copy(file: Path, target: Path) -> None:
    """A whole copy by SQLite's own means: the log beside the file belongs to it."""
    source: SqliteConnection = connect(file)
    copy: SqliteConnection = connect(target)
    try:
        source.backup(copy)
    finally:
        copy.close()
        source.close()
