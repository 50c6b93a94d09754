"""Whole-body models at work on data sets of people: loading, predictions of everybody, and the truth beside them."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cape.codecs import simcc_points
from cape.configuration import built, kind_of
from cape.data.people import PersonCrops
from cape.engine import load_kind
from cape.errors import UsageError
from cape.features import Progress, silent
from cape.loaders import make_people
from cape.models.graphs.intervention import Score
from cape.models.heads import SimCCHead
from cape.models.layers import start_normal
from cape.models.wholebody import WholeBodyPose
from cape.registry import METRICS

DETECTIONS = "val_dataloader.dataset.source.detections"
"""Where a config names the file of person boxes."""


class PersonModel(NamedTuple):
    """A trained whole-body model."""

    name: str
    model: WholeBodyPose
    config: Config

    @property
    def kind(self) -> str:
        """By which definition its people are scored: see `KeypointAP`."""
        return self.config.val_evaluator.get("kind", "coco_wholebody")

    def crops(self, *, people: int | None = None) -> PersonCrops:
        """The people of its config's evaluation, the first so many.

        Raises:
            CapeError: Something about the data is wrong.
        """
        crops = make_people(self.config, "val", size=self.model.size)
        crops.length = min(crops.length, people or crops.length)
        return crops

    def figures(self, samples: list[dict[str, Any]], crops: PersonCrops) -> dict[str, float]:
        """All figures of the config's metric.

        Args:
            samples: As `predict_people` gives them.
            crops: What they are predictions of.

        Raises:
            CapeError: As `KeypointAP`.
        """
        metric = built(METRICS, {**self.config.val_evaluator, "figures": "all"}, where="val_evaluator")
        metric.dataset_meta = crops.metainfo
        metric.process([], samples)
        return metric.compute_metrics(metric.results)


def is_people(config: Config) -> bool:
    """Whether a config's model is the whole-body page."""
    return kind_of(config) == "people"


def load_people_model(
    config: str, checkpoint: Path | None, changes: Mapping[str, Any], *, allow_pickle: bool = False,
    device: str = "auto",
) -> PersonModel:  # fmt: skip
    """A trained whole-body model by its config and weights; arguments and errors are those of `engine.load_kind`."""
    return PersonModel(*load_kind(config, checkpoint, changes, kind="people", allow_pickle=allow_pickle, device=device))


def predict_people(
    model: WholeBodyPose, crops: Dataset, *, batch_size: int = 32, workers: int = 0, progress: Progress = silent
) -> list[dict[str, Any]]:
    """What a model finds of everybody, in the order of the crops, as `KeypointAP` reads it.

    Args:
        model: In evaluation mode.
        crops: `PersonCrops`, or what looks like them.
        batch_size: People at once.
        workers: Processes that decode pictures.
        progress: Shows the progress, by batches.

    Raises:
        PictureError: A picture is missing or corrupt.
    """
    found: list[dict[str, Any]] = []
    for batch in progress(_loader(crops, batch_size, workers), "people"):
        with torch.no_grad():
            found += [each.to_dict() for each in model.test_step(batch)]
    return found


class Embedded(NamedTuple):
    """What a model makes of the pictures of M people, on the CPU, and where the crops lie."""

    tokens: Float[Tensor, "M K D"]
    """F."""
    centre: Float[np.ndarray, "M 2"]
    """Of each crop, in pixels of its picture."""
    scale: Float[np.ndarray, "M 2"]
    """Width and height that a crop has there."""

    def to_crop(self, points: Float[np.ndarray, "M K 2"], size: tuple[int, int]) -> Float[np.ndarray, "M K 2"]:
        """Pixels of the pictures in pixels of the crops."""
        return ((points - self.centre[:, None]) / self.scale[:, None] + 0.5) * np.array(size)


def embed_people(
    model: WholeBodyPose, crops: Dataset, *, batch_size: int = 32, workers: int = 0, progress: Progress = silent
) -> Embedded:
    """F of everybody; else as `predict_people`."""
    found, places = [], []
    for batch in progress(_loader(crops, batch_size, workers), "embeddings"):
        with torch.no_grad():
            found.append(model.embed(model.data_preprocessor(batch, False)["inputs"]).cpu())
        places += [[each.metainfo["input_center"], each.metainfo["input_scale"]] for each in batch["data_samples"]]
    centre, scale = np.array(places, dtype=np.float64).swapaxes(0, 1)
    return Embedded(torch.cat(found), centre, scale)


class Looked(NamedTuple):
    """What a model decides about M people."""

    score: Float[np.ndarray, "M K"]
    """Of the confounder."""
    chosen: Bool[np.ndarray, "M K"]
    """Keypoints that are replaced."""
    points: Float[np.ndarray, "M K 2"]
    """Predictions in pixels of the crops, without the mirrored picture."""


def look(model: WholeBodyPose, tokens: Float[Tensor, "M K D"], *, batch_size: int = 64) -> Looked:
    """The rest of the forward pass after F, as a test does it."""
    parts: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        for some in tokens.split(batch_size):
            some = some.to(model.mirror.device)  # noqa: PLW2901
            intervened, chosen = model.intervene(some)
            points, _ = simcc_points(model.place(intervened), split_ratio=model.split_ratio)
            parts.append((model.confounders(some), chosen, points))
    score, chosen, points = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    return Looked(score.astype(np.float64), chosen, points.astype(np.float64))


def _loader(crops: Dataset, batch_size: int, workers: int) -> DataLoader:
    """One that leaves torch's global generator as it was."""
    return DataLoader(
        crops, batch_size=batch_size, num_workers=workers, collate_fn=pseudo_collate, generator=torch.Generator()
    )


def column(samples: list[dict[str, Any]], name: str) -> np.ndarray:
    """One field of the predictions of everybody, [M, K, ...]."""
    return np.concatenate([each["pred_instances"][name] for each in samples])


class Truth(NamedTuple):
    """What is annotated of M people, in pixels of their pictures."""

    points: Float[np.ndarray, "M K 2"]
    visibility: Float[np.ndarray, "M K"]
    """COCO's: 0 not labelled, 1 labelled though hidden, 2 seen; of hands and faces see `People.record`."""
    area: Float[np.ndarray, "M"]
    box: Float[np.ndarray, "M 4"]
    """x, y, width, height."""

    @property
    def labelled(self) -> np.ndarray:
        """Which keypoints have a place."""
        return self.visibility > 0


def truth_of(crops: PersonCrops) -> Truth:
    """The annotations behind crops of annotated boxes.

    Raises:
        UsageError: The boxes are detections, nobody's in particular.
    """
    if crops.source.detected:
        raise UsageError("detections", expected="annotated boxes", got="detections", fix="Leave them out.")
    records = [crops.source.record(index) for index in range(len(crops))]
    corners = np.concatenate([each["bbox"] for each in records]).astype(np.float64)
    return Truth(
        points=np.concatenate([each["keypoints"] for each in records]).astype(np.float64),
        visibility=np.stack([each["visibility"] for each in records]),
        area=np.array([float(each["area"]) for each in records]),
        box=np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1),
    )


def rescored(model: WholeBodyPose, score: str, *, seed: int = 0) -> WholeBodyPose:
    """A copy of a trained model that chooses its interventions by another score, with the weights that it has.

    Args:
        model: As it was trained.
        score: random, supervised, norm or head, see `CausalIntervention`.
        seed: Of the random predictors, unless the model was trained with those of its own.

    Raises:
        UsageError: No such score, the model does not intervene, or its initial predictors were never taught.
    """
    if model.intervention is None:
        fix = "Give a CIGPose: RTMPose has none."
        raise UsageError("--score", expected="a model with an intervention", got="one without", fix=fix)
    if score not in get_args(Score):
        raise UsageError("--score", expected=", ".join(get_args(Score)), got=score, fix="Choose one of them.")
    own = model.intervention.score
    if score == "supervised" and own != score:
        fix = "Give a checkpoint that was trained with model.intervention.score=supervised."
        raise UsageError("--score supervised", expected="initial predictors that have learnt", got=own, fix=fix)
    model = copy.deepcopy(model)
    if score == own:
        return model
    model.intervention.score, model.initial = score, None  # type: ignore[union-attr, assignment]
    if score == "random":
        head = model.head
        fresh = SimCCHead(width=head.x.in_features, bins=(head.x.out_features, head.y.out_features))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            start_normal(fresh)
        model.initial = fresh.to(head.x.weight.device).requires_grad_(False)
    return model
