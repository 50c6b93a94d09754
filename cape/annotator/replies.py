"""What the server tells of a project: listings, predictions, the review queue, checks, counters."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from cape.annotator.schema import (
    Box,
    Category,
    History,
    Id,
    Instance,
    Keypoint,
    Operation,
    Pair,
    Picture,
    PictureId,
    Pixel,
    Probability,
    Strict,
)

Format = Literal["coco", "csv", "cvat", "labelstudio", "yolo", "dlc"]
Prompted = Literal["none", "names", "pictures", "both"]


class ModelState(BaseModel):
    """The model that assists."""

    name: str
    state: Literal["loading", "ready", "failed", "off"]
    words: str
    """Of the state, for people."""
    calibrated: bool
    """Scores are probabilities; else they only rank."""
    waiting: int
    """Requests in the queue."""
    most_waiting: int


class Limits(BaseModel):
    """What is accepted at most."""

    picture_bytes: int
    picture_pixels: int
    import_bytes: int
    keypoints: int
    changes: int


class Project(BaseModel):
    """What the page asks first."""

    name: str
    version: str
    pictures: int
    categories: list[Category]
    model: ModelState
    limits: Limits
    history: History
    seq: int
    """Of the last operation; where /api/events and /api/operations go on from."""
    scanning: bool
    """The folder is still being looked through: pictures are being added."""


class Pictures(BaseModel):
    """One page of the list, in the order of the file names."""

    total: int
    pictures: list[Picture]
    instances: dict[str, int]
    """Instances by picture id, of those that are listed and have any."""


class PredictedPoint(BaseModel):
    """One keypoint as the model sees it."""

    keypoint: str
    x: float
    y: float
    score: float
    """Probability that it is right (within 0.2 of the box's longest side), see ModelState.calibrated."""
    presence: float
    """Probability that the picture shows it."""
    covariance: list[list[float]]
    """2 x 2, square pixels: the ellipse."""
    branches: list[list[float]]
    """x, y of each branch of the model; one branch: its own place."""
    asked: bool
    """False: the prompt says nothing of this keypoint, the place means nothing."""
    fixed: bool


class Prediction(BaseModel):
    """One pose. A suggestion: nothing is stored until an operation accepts it."""

    picture_id: str
    category_id: str
    category_revision: int
    prompted: Prompted
    shots: int
    points: list[PredictedPoint]
    confidence: float
    box: Box
    reasons: list[str]
    """Why to look at it: "low: left wrist", "left/right tie: left eye, right eye", "branches disagree: nose"."""


class PictureDetail(BaseModel):
    """A picture and all that is in it."""

    picture: Picture
    instances: list[Instance]
    predictions: list[Prediction]
    """Those that are there already, for categories of which the picture has no instance; ask POST /api/predict."""
    previous: str | None
    next: str | None
    """Ids of the neighbours in the list."""


class Uploaded(BaseModel):
    """A picture that was sent."""

    picture: Picture
    existing: bool
    """The project had it already, by content."""


class FixedPoint(Strict):
    """A place that somebody has looked at; the other points follow."""

    keypoint: Id
    x: Pixel
    y: Pixel


class PredictDraft(Strict):
    """Ask for one pose."""

    picture_id: PictureId
    category_id: Id
    box: Box | None = None
    """Where the object is; None: find it."""
    fixed: Annotated[list[FixedPoint], Field(max_length=500, default_factory=list)]


class SearchDraft(Strict):
    """Ask for several objects in one picture."""

    picture_id: PictureId
    category_id: Id
    most: Annotated[int, Field(ge=1, le=20)] = 5


class PrefetchDraft(Strict):
    """Pictures to predict on next, when nothing else is to be done; a new list replaces the client's old one."""

    client: Id
    category_id: Id
    picture_ids: Annotated[list[PictureId], Field(max_length=50)]


class AcceptDraft(Strict):
    """Accept all predictions of a category that are sure enough, in pictures that are open and have no instance."""

    id: Id
    client: Id
    category_id: Id
    least: Probability
    picture_ids: Annotated[list[PictureId], Field(max_length=5000)] | None = None
    """Of these alone; None: of all."""


class ShotDraft(Strict):
    """Show the model an accepted instance, too."""

    id: Id
    client: Id
    instance_id: Id
    force: bool = False
    """Even if the check says that it does not help."""


class ShotCheck(BaseModel):
    """Leave-one-out: what the other accepted pictures say about one more shot."""

    added: bool
    pictures: int
    """So many pictures were asked; 0: there is none to ask, and the shot was added."""
    before: float | None
    """Mean error without it, in longest sides of the box."""
    after: float | None
    words: str
    operation: Operation | None


class CategoryPreview(BaseModel):
    """What a change of a category would do to what is annotated; nothing is done."""

    added: list[Keypoint]
    renamed: list[Keypoint]
    """With the new name."""
    retired: list[Keypoint]
    restored: list[Keypoint]
    moved: list[Keypoint]
    """Whose place in the order among those that stay is another."""
    instances: int
    """So many instances there are of the category."""
    hidden_points: int
    """Points that would no longer be shown or exported; kept."""
    unplaced: int
    """Instances that would lack a keypoint."""
    words: list[str]


class SuggestedName(BaseModel):
    """A keypoint name from the text packs."""

    name: str
    relation: str
    frame: str
    """Whose left "left" is: viewer or subject."""
    categories: list[str]


class SwapDraft(Strict):
    """Ask which keypoints are left and right of each other."""

    keypoints: Annotated[list[Keypoint], Field(max_length=500)]


class SwapPairs(BaseModel):
    """Inferred from the names, to be confirmed."""

    swap: list[Pair]


class QueueEntry(BaseModel):
    """A picture to look at, and why."""

    picture: Picture
    category_id: str
    confidence: float | None
    """None: there is no prediction yet, or the model failed."""
    uncertainty: float
    diversity: float
    priority: float
    reasons: list[str]


class Queue(BaseModel):
    """Pictures to look at, the most rewarding first."""

    entries: list[QueueEntry]
    predicted: int
    """Open pictures that have a prediction of the present prompt."""
    open: int


class Check(BaseModel):
    """Something odd in finished work."""

    kind: Literal["outlier", "swapped", "duplicate", "missing", "outside"]
    picture_id: str
    instance_id: str
    keypoints: list[str]
    severity: float
    words: str


class Progress(BaseModel):
    """How far the work is."""

    total: int
    done: int
    open: int
    skipped: int
    instances: int
    accepted: int
    corrections_per_picture: float | None
    """Points moved by hand in accepted instances that began as predictions."""
    seconds_per_picture: float | None
    """Median, from the log; pauses do not count."""
    seconds_left: float | None
    clicks: int
    """Points placed or moved by hand, in all accepted instances."""
    clicks_saved: int
    """Points of accepted predictions that nobody had to move."""


class Imported(BaseModel):
    """What an import did, or would do."""

    categories: list[str]
    pictures: int
    """Pictures of the project that got something."""
    instances: int
    unmatched: list[str]
    """Files of the labels that the project does not have, at most 100 of them."""
    unmatched_count: int
    words: list[str]
    operation: Operation | None
    """None after a dry run, and where there was nothing to do."""


class Operations(BaseModel):
    """A stretch of the log."""

    operations: list[Operation]
    seq: int
    """Of the last operation that there is."""
