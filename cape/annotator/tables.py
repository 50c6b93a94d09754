"""The tables of a project file. Documents are kept as JSON beside the columns that are asked for."""

from sqlmodel import Field, SQLModel


class CategoryRow(SQLModel, table=True):
    """A category."""

    __tablename__ = "category"  # pyright: ignore[reportAssignmentType]
    id: str = Field(primary_key=True)
    revision: int
    deleted: bool = False
    position: int
    """In the order of their making."""
    body: str
    """`schema.Category`."""


class PictureRow(SQLModel, table=True):
    """A picture: a file that is never written to."""

    __tablename__ = "picture"  # pyright: ignore[reportAssignmentType]
    id: str = Field(primary_key=True)
    revision: int
    deleted: bool = False
    file: str = Field(index=True)
    """Relative to the project's folder."""
    sha256: str
    bytes: int
    modified: int
    """Of the file, nanoseconds: with `bytes` it tells whether the file must be hashed again."""
    width: int
    height: int
    state: str = Field(default="open", index=True)


class InstanceRow(SQLModel, table=True):
    """An object in a picture."""

    __tablename__ = "instance"  # pyright: ignore[reportAssignmentType]
    id: str = Field(primary_key=True)
    revision: int
    deleted: bool = False
    picture_id: str = Field(index=True)
    category_id: str = Field(index=True)
    state: str
    body: str
    """`schema.Instance`."""


class OperationRow(SQLModel, table=True):
    """An entry of the log, which is only added to."""

    __tablename__ = "operation"  # pyright: ignore[reportAssignmentType]
    seq: int | None = Field(default=None, primary_key=True, sa_column_kwargs={"autoincrement": True})
    id: str = Field(unique=True)
    client: str
    kind: str
    """edit, undo or redo."""
    target: int | None = None
    """The edit that is undone or done again."""
    label: str
    time: str
    digest: str
    """SHA-256 of the request."""
    changes: str
    """JSON: [kind, before, after] of each document; `before` of a new one is itself, deleted, of revision 0."""


class PredictionRow(SQLModel, table=True):
    """What the model says of a picture as a whole; can be made again at any time."""

    __tablename__ = "prediction"  # pyright: ignore[reportAssignmentType]
    picture_id: str = Field(primary_key=True)
    category_id: str = Field(primary_key=True)
    key: str
    """Of the prompt that it was made with."""
    confidence: float
    body: str
    """`replies.Prediction`."""
    embedding: bytes
    """What the picture looks like, 16-bit floats: for the diversity of the review queue."""
