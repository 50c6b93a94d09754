"""The data model, and the one alphabet of shapes.

Every array annotation in cape uses these letters and no others:

    B  batch                S  shots (support pictures)     K  keypoints (padded)
    C  channels             H  W  feature map               D  token width
    L  decoder layers       P  body parts                   J  joints of a fixed skeleton
    T  frames               N  pairs of an evaluation, rows M  instances of a table
    R  ways to see a support, starts, hypotheses            E  width of an inner layer, edges
    h  w  another size than H  W; bins of an axis
    V  branches (two with decision-level fusion, else one)

Two coordinate frames exist. *Pixels* are those of the original picture (x right, y down, the centre of the first
pixel is 0, as in COCO). *Crop* coordinates are pixels of the square crop divided by its side: [0, 1] inside the crop,
outside it where a keypoint lies outside. `data.transforms` enters the crop frame; evaluation takes either, as long
as predictions, targets and the normaliser agree.

Batches are NamedTuples because torch's and mmengine's collate functions, mmengine's device cast and `torch.export`
all rebuild them unchanged (dataclasses they do not).
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int8, Int64
from torch import Tensor

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""What every view is normalised by."""


class Instance(NamedTuple):
    """One annotated object in one picture, in pixels of that picture."""

    id: int
    """Annotation id as in the file."""
    picture: str
    """File name relative to the picture folder."""
    size: tuple[int, int]
    """Width and height of the picture as the annotation file states them."""
    category: int
    """Category id."""
    box: Float[np.ndarray, "4"]
    """x, y, width, height, clipped to the picture as the official loader does."""
    points: Float[np.ndarray, "K 2"]
    """x, y; zeros where not labelled."""
    visibility: Int8[np.ndarray, "K"]
    """0 not labelled, 1 labelled and occluded, 2 visible (COCO)."""
    crop: Float[np.ndarray, "4"] | None = None
    """The box that views are cut around where that is not `box`. Errors are always divided by the size of `box`."""

    @property
    def around(self) -> Float[np.ndarray, "4"]:
        """The box that views are cut around."""
        return self.box if self.crop is None else self.crop


class View(NamedTuple):
    """A square crop around one instance, or S of them stacked. Points are in the crop frame."""

    image: Float[Tensor, "*S _ H W"]
    """RGB, ImageNet-normalised; or, out of a bank, the feature map that a frozen encoder made of it."""
    points: Float[Tensor, "*S K 2"]
    visible: Bool[Tensor, "*S K"]
    """Labelled in this view (COCO visibility 1 or 2); padding is False."""
    to_pixels: Float[Tensor, "*S 2 3"]
    """Affine map from the crop frame to pixels of the original picture."""


class Episode(NamedTuple):
    """A support set of S views and one query view of the same category; collated, it is a batch of B of them."""

    support: View
    query: View
    mask: Bool[Tensor, "K"]
    """Keypoints that a model may be asked for: those that every support view shows, or any of them (`Episodes`)."""
    adjacency: Bool[Tensor, "K K"]
    """Symmetric skeleton without self-loops; all False where there is none."""
    mirror: Int64[Tensor, "K"]
    """Which keypoint each becomes in a mirror image: itself, or its counterpart on the other side."""
    parts: Bool[Tensor, "K K"]
    """Row by row the members of the declared parts of the body; rows of False where there are fewer, or none."""
    names: tuple[str, ...]
    """K texts, "" where a keypoint has none. Collated they become K tuples of B strings."""
    category: int
    pair: int
    """Row in the table of pairs; orders the results of an evaluation."""


class Shown(NamedTuple):
    """What support pictures show of each keypoint in each of the R ways to see them, before anything is asked."""

    appearance: Float[Tensor, "B R K C"]
    """Pooled features as the backbone gives them."""
    shown: Bool[Tensor, "B R K"]
    """Keypoints that have an appearance."""
    places: Float[Tensor, "B R K 2"]
    """As for `Tokens`, like `doubt`."""
    doubt: Float[Tensor, "B R"]


class Tokens(NamedTuple):
    """A compiled prompt: all that depends on support and names, and nothing that depends on the query.

    A support may be seen in R ways, turned for example, of which a query chooses; without a choice there is one.
    """

    tokens: Float[Tensor, "B R V K D"]
    present: Bool[Tensor, "B R V K"]
    """Keypoints that have a token."""
    appearance: Float[Tensor, "B R K C"]
    """Pooled support features of unit length; zeros where the support shows nothing."""
    shown: Bool[Tensor, "B R K"]
    """Keypoints that have an appearance."""
    places: Float[Tensor, "B R K 2"]
    """Where the support has them, crop frame; the mean over its shots."""
    doubt: Float[Tensor, "B R"]
    """How much better than others this way must fit, in units of cosine similarity."""
    canonical: Float[Tensor, "B K D"]
    """What each keypoint is called, whatever any picture shows: the projected text, or a learned vector without one."""

    @property
    def mask(self) -> Bool[Tensor, "B K"]:
        """Keypoints that some branch can be asked for."""
        return self.present.flatten(1, 2).any(dim=1)


class Anchors(NamedTuple):
    """Keypoints of a query whose places are known, because somebody corrected them."""

    places: Float[Tensor, "B K 2"]
    """Crop frame."""
    fixed: Bool[Tensor, "B K"]


class Match(NamedTuple):
    """What matching tells the keypoint decoder and the losses."""

    feature: Float[Tensor, "B HW D"]
    """The query picture, refined."""
    position: Float[Tensor, "HW D"]
    """Code of its cells."""
    tokens: Float[Tensor, "B K D"]
    """The keypoints, refined."""
    similarity: Float[Tensor, "B K H W"]
    """Logits."""
    expected: Float[Tensor, "B K 2"]
    """Global soft-argmax, for the proposal loss."""
    proposals: Float[Tensor, "B K 2"]
    """Soft-argmax around the highest peak, where the decoder starts."""


class Branch(NamedTuple):
    """What one branch of a few-shot model found; without decision-level fusion it has one."""

    match: Match
    points: Float[Tensor, "L B K 2"]
    """Of its decoder's layers, crop frame; one layer of `match.expected` where it has no decoder of its own."""
    mask: Bool[Tensor, "B K"]
    """Keypoints that it has a token for."""
    replaced: Bool[Tensor, "B K"] | None = None
    """With an intervention: the keypoints whose tokens it replaced before the decoder."""
    observed: Float[Tensor, "B K 2"] | None = None
    """In training with an intervention: what the decoder finds without it."""


class Found(NamedTuple):
    """Where a few-shot model finds the prompted keypoints."""

    points: Float[Tensor, "L B K 2"]
    """After each decoder layer, crop frame."""
    match: Match
    """What the decoder started from; with a decision, that of the branches together."""
    branches: tuple[Branch, ...]
    """The one branch, or the visual and the text branch."""
    weights: Float[Tensor, "B V K"]
    """How much the points of each branch's decoder count."""


class Pose(NamedTuple):
    """One predicted pose."""

    points: Float[Tensor, "K 2"]
    """Crop frame of the query."""
    proposals: Float[Tensor, "K 2"]
    """Where the decoder started."""
    mask: Bool[Tensor, "K"]
    """Keypoints that were asked for."""
    pair: int
    branches: Float[Tensor, "V K 2"]
    """What each branch alone says; where they disagree, something is doubtful."""
    weights: Float[Tensor, "V K"]
    """How much the points of each branch's decoder count; 0 where another alone has a token."""


class SimCC(NamedTuple):
    """Where keypoints are along each axis: logits of bins, or their targets (Gaussians of peak 1)."""

    x: Float[Tensor, "B K w"]
    """Bins from left to right, `split_ratio` a pixel of the input."""
    y: Float[Tensor, "B K h"]
    """Bins from top to bottom."""


class Evidence(NamedTuple):
    """What a frozen pose network leaves for a confidence head to judge by; what its family lacks has no channels."""

    tokens: Float[Tensor, "B K D"]
    """Of each keypoint, the last vector before its place is read off."""
    feature: Float[Tensor, "B C H W"]
    """Of the picture, the last map before the heatmaps; 1 x 1 where the network pools it."""
    points: Float[Tensor, "B K 2"]
    """Where the keypoints were found, crop frame."""
    cues: Float[Tensor, "B K E"]
    """What the answer itself tells: a peak, a spread; the first is the network's own score."""
    mask: Bool[Tensor, "B K"]
    """Keypoints that were asked for."""


class Outcome(NamedTuple):
    """What was found, against what is there."""

    accuracy: Float[Tensor, "B K"]
    """From 0 to 1: similarity, or whether it is near enough; 0 where there is nothing to compare with."""
    labelled: Bool[Tensor, "B K"]
    """Keypoints that have an accuracy."""
    known: Bool[Tensor, "B K"]
    """Keypoints of which it is known whether the picture shows them: where it does, `labelled` is True."""


class Observation(NamedTuple):
    """Poses of a frozen network, to learn confidence from; collated, a batch of B."""

    evidence: Evidence
    outcome: Outcome
    group: Int64[Tensor, "B"]
    """Category."""
    row: Int64[Tensor, "B"]
    """Orders the results of an evaluation."""


class Reading(NamedTuple):
    """A frozen network's answer to a batch, and all that there is to judge it by."""

    answer: Any
    """As the network gives it, untouched."""
    evidence: tuple[Evidence, ...]
    """Of each view that the answer comes from. A second is the mirror image as the network sees it, left for right:
    what a head says of it is to be exchanged back by `mirror`."""
    points: Float[Tensor, "B K 2"]
    """Where it has the keypoints, in a frame of the reader's choice."""
    truth: Float[Tensor, "B K 2"]
    """Where they are, in the same; anything where not labelled."""
    size: Float[Tensor, "B"]
    """What errors are measured by, in the same: longest side of the box, or √area of a person."""
    labelled: Bool[Tensor, "B K"]
    known: Bool[Tensor, "B K"]
    """See `Outcome`."""
    group: Int64[Tensor, "B"]
    row: Int64[Tensor, "B"]
    """See `Observation`."""
    mirror: Int64[Tensor, "K"] | None = None
    """Which keypoint each becomes in the mirror image, where there is one."""


class Confidence(NamedTuple):
    """What a head says of keypoints: logits."""

    accuracy: Float[Tensor, "B K"]
    presence: Float[Tensor, "B K"]


class Judged(NamedTuple):
    """One pose's verdict beside its outcome; see `Observation` and `models.calibration.Verdict`."""

    scores: Float[Tensor, "K"]
    presence: Float[Tensor, "K"]
    confidence: Float[Tensor, ""]
    accuracy: Float[Tensor, "K"]
    labelled: Bool[Tensor, "K"]
    known: Bool[Tensor, "K"]
    mask: Bool[Tensor, "K"]
    group: Int64[Tensor, ""]
    row: Int64[Tensor, ""]


class Lift(NamedTuple):
    """A window of T frames of one person, seen by one camera; collated, a batch of B of them.

    Screen coordinates are VideoPose3D's: x runs from -1 to 1 across the picture's width, y has the same scale and its 0
    in the middle of the height. Metres are in the camera's frame: x right, y down, z forward.
    """

    points: Float[Tensor, "*B T J 2"]
    """What is lifted: screen coordinates."""
    joints: Float[Tensor, "*B T J 3"]
    """What it should become: metres, relative to the root joint."""
    mask: Bool[Tensor, "*B T"]
    """Frames that losses and metrics count: False where a sequence was padded by repeating its first or last frame."""
    root: Float[Tensor, "*B T 3"]
    """Where the root joint is, metres from the camera; zeros where the data set does not say."""
    camera: Float[Tensor, "*B 9"]
    """Intrinsics in screen coordinates (`cameras.project`): focal lengths, centre, three radial and two tangential
    terms of the lens; zeros where the data set does not say."""
    row: Int64[Tensor, "*B"] | int
    """Of the data set's windows."""


class Lifted(NamedTuple):
    """What a lifter says of a window."""

    joints: Float[Tensor, "T J 3"]
    """Metres, as in `Lift`."""
    energy: Float[Tensor, "T"]
    """How implausible each frame's pose is, see `Lifting.plausibility`; NaN where nothing judges it."""
    row: int
    """The window's, as in `Lift`."""
