"""What goes over the wire: the documents of a project, the operations that change them, and errors.

Points are in pixels of the upright picture, the centre of its first pixel is 0, 0; boxes are x, y, width, height from
the picture's corner as in COCO, so a whole picture is 0, 0, W, H. Ids of categories, keypoints, instances and
operations are made by the client, so that it can work while the server is away; pictures are named by their content.
Input is strict: no number for a string, no `true` for 1, no NaN, no unknown field.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

MOST_KEYPOINTS = 500
MOST_CHANGES = 200
MOST_CATEGORIES = 200
FARTHEST = 1e6
"""No coordinate is larger, in pixels."""
TEXT = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]*$"
"""No line breaks, no control characters: names go into XML and tables."""

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
"""Made by the client, a UUID for example."""
PictureId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{20}$")]
"""The first 20 hex digits of the file's SHA-256."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=TEXT)]
Text = Annotated[str, StringConstraints(max_length=200, pattern=TEXT)]
Pixel = Annotated[float, Field(ge=-FARTHEST, le=FARTHEST, allow_inf_nan=False)]
Length = Annotated[float, Field(ge=0, le=FARTHEST, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Revision = Annotated[int, Field(ge=0, le=2**31)]
"""Goes up by exactly one with each operation that touches a document; 0: there is none yet."""


def _whole(value: object) -> object:
    """`true` is 1 to Python, and 1.0 is, too."""
    if type(value) is not int:
        raise ValueError("a whole number")
    return value


Visibility = Annotated[Literal[0, 1, 2], BeforeValidator(_whole)]
"""0 absent, 1 occluded, 2 visible (COCO). A keypoint without an entry was not looked at yet."""
Origin = Literal["human", "model"]
PictureState = Literal["open", "done", "skipped"]
InstanceState = Literal["draft", "accepted", "rejected"]
Pair = Annotated[list[Id], Field(min_length=2, max_length=2)]


class Strict(BaseModel):
    """Input: nothing is converted, nothing unknown is let through."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Keypoint(Strict):
    """One keypoint; its id stays when it is renamed or moved, and the points of instances refer to it."""

    id: Id
    name: Text = ""


class Part(Strict):
    """A named group of keypoints."""

    name: Name
    keypoints: Annotated[list[Id], Field(max_length=MOST_KEYPOINTS)]


class CategoryDraft(Strict):
    """A category as the editor sends it, whole. Order of the keypoints is the order of placement and of exports."""

    id: Id
    name: Name
    keypoints: Annotated[list[Keypoint], Field(max_length=MOST_KEYPOINTS)]
    edges: Annotated[list[Pair], Field(max_length=4 * MOST_KEYPOINTS)] = []
    swap: Annotated[list[Pair], Field(max_length=MOST_KEYPOINTS)] = []
    parts: Annotated[list[Part], Field(max_length=50)] = []


class Category(CategoryDraft):
    """A category as it is stored."""

    retired: list[Keypoint]
    """Keypoints that were taken out. Their points are kept: putting the same id back brings them back."""
    revision: int
    deleted: bool


class Point(Strict):
    """One keypoint of an instance."""

    keypoint: Id
    x: Pixel | None
    """None, as y, only where it is absent."""
    y: Pixel | None
    visibility: Visibility
    source: Origin = "human"
    score: Probability | None = None
    """What the model gave it, where it came from the model."""


class Box(Strict):
    """From the picture's corner, in pixels."""

    x: Pixel
    y: Pixel
    width: Length
    height: Length


class InstanceDraft(Strict):
    """One object in one picture as the page sends it, whole."""

    id: Id
    picture_id: PictureId
    category_id: Id
    points: Annotated[list[Point], Field(max_length=MOST_KEYPOINTS)]
    """Keypoints of the category, each at most once. Those of retired keypoints may be left out: they are kept."""
    box: Box | None = None
    """Independent of the points."""
    state: InstanceState = "draft"
    shot: bool = False
    """The model is shown it; see POST /api/categories/{id}/shots."""
    proposed: bool = False
    """It began as a prediction: its points of source human are corrections."""
    score: Probability | None = None
    """The prediction's confidence, where it began as one."""


class Instance(InstanceDraft):
    """One object as it is stored."""

    revision: int
    deleted: bool
    updated: str
    """ISO 8601, UTC."""


class Picture(BaseModel):
    """One picture."""

    id: str
    file: str
    """Relative to the project's folder, forward slashes; text, never a path to open."""
    width: int
    height: int
    state: PictureState
    revision: int
    deleted: bool = False


class PutInstance(Strict):
    """Make or replace an instance."""

    change: Literal["put_instance"]
    base_revision: Revision
    instance: InstanceDraft


class DeleteInstance(Strict):
    """Take an instance away; undo brings it back."""

    change: Literal["delete_instance"]
    base_revision: Revision
    instance_id: Id


class PutCategory(Strict):
    """Make or replace a category; instances are left as they are, see the preview."""

    change: Literal["put_category"]
    base_revision: Revision
    category: CategoryDraft


class DeleteCategory(Strict):
    """Take a category away; its instances are kept, unseen, until it comes back."""

    change: Literal["delete_category"]
    base_revision: Revision
    category_id: Id


class SetPicture(Strict):
    """Say that a picture is done, open again, or skipped."""

    change: Literal["set_picture"]
    base_revision: Revision
    picture_id: PictureId
    state: PictureState


Change = Annotated[
    PutInstance | DeleteInstance | PutCategory | DeleteCategory | SetPicture, Field(discriminator="change")
]


class OperationDraft(Strict):
    """What is done at once and undone at once: all of the changes or none."""

    id: Id
    """Sent again, it is answered again and done once; with another content it is refused (409, operation_reused)."""
    client: Id
    """Whose history it belongs to: one id a browser, kept over restarts."""
    label: Text = ""
    """For the history: "move left ear"."""
    changes: Annotated[list[Change], Field(min_length=1, max_length=MOST_CHANGES)]


class HistoryStep(Strict):
    """Undo or redo, which are operations, too."""

    id: Id
    client: Id


class History(BaseModel):
    """What undo and redo would do for a client; None where there is nothing."""

    undo: str | None
    redo: str | None


class Changed(BaseModel):
    """The documents that an operation wrote, as they are now."""

    categories: list[Category] = []
    pictures: list[Picture] = []
    instances: list[Instance] = []


class Operation(BaseModel):
    """An operation that is on disk."""

    seq: int
    """Its place in the log, from 1."""
    id: str
    client: str
    kind: Literal["edit", "undo", "redo"]
    label: str
    time: str
    changed: Changed
    history: History
    repeated: bool = False
    """It had been done before: the answer to a request that was sent twice. `changed` is what it wrote then."""


class Conflict(BaseModel):
    """A document that somebody else changed in the meantime, in both versions."""

    kind: Literal["category", "picture", "instance"]
    id: str
    base_revision: int
    current: Category | Picture | Instance | None
    """As it is; None: there is none."""
    yours: CategoryDraft | InstanceDraft | SetPicture | None
    """As it was sent; None: it was to be deleted, or to be undone."""


class Fault(BaseModel):
    """One field that is wrong."""

    field: str
    message: str


class Problem(BaseModel):
    """Every error of the API: what was expected, what came and what to do, in words."""

    code: str
    """For programs: conflict, operation_reused, invalid, unknown, too_large, busy, no_prompt, unreadable, forbidden…"""
    message: str
    conflicts: list[Conflict] = []
    fields: list[Fault] = []
