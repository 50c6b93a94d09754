"""The first version: documents, the log, predictions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "category",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("body", sa.String, nullable=False),
    )
    op.create_table(
        "picture",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("file", sa.String, nullable=False, index=True),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("modified", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False, index=True),
    )
    op.create_table(
        "instance",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("picture_id", sa.String, nullable=False, index=True),
        sa.Column("category_id", sa.String, nullable=False, index=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("body", sa.String, nullable=False),
    )
    op.create_table(
        "operation",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("client", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("target", sa.Integer, nullable=True),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("time", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("changes", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "prediction",
        sa.Column("picture_id", sa.String, primary_key=True),
        sa.Column("category_id", sa.String, primary_key=True),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("body", sa.String, nullable=False),
        sa.Column("embedding", sa.LargeBinary, nullable=False),
    )
