"""The human category: a whole-body model finds those keypoints of a prompt that are a person's.

Which those are says the prompt (`Prompt.human`): its names say it (`data.anatomy`), and where it has clicked pictures
the model looks at them, too (`data.clicked`). The others stay with the few-shot model.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from cape.codecs import simcc_points
from cape.data.anatomy import is_person, meanings
from cape.data.clicked import Mapped, settle
from cape.data.inputs import Picture
from cape.data.shots import Shot, box_around
from cape.data.skeletons import read_skeleton
from cape.data.topdown import Cropper
from cape.data.transforms import PADDING, normalise
from cape.errors import PromptError
from cape.loading import build_from
from cape.models.encoders.text import TextEncoder
from cape.models.wholebody import WholeBodyPose
from cape.prediction import Prediction
from cape.prompting import Prompt
from cape.structures import SimCC

BATCH = 16  # crops at once


class Bodies(NamedTuple):
    """What a whole-body model finds in N boxes, M keypoints each."""

    points: Float[np.ndarray, "N M 2"]
    """Pixels of the picture. Without meaning where the raw score is not positive: nothing was found."""
    raw: Float[np.ndarray, "N M"]
    """The smaller one of the highest logits of x and y. `Prediction.scores` has it clamped to [0, 1] until there is a
    calibration: it looks like a probability by habit of the training targets, and is not on the few-shot scale."""
    covariance: Float[np.ndarray, "N M 2 2"]
    """Square pixels, of the softmaxes that the loss is of: x and y are independent in them."""


class BodyModel:
    """A whole-body model beside a few-shot one; made by `cape.load(..., human=FILE)`.

    Args:
        model: In evaluation mode, or it is put there.
        name: Of its weights, for people.

    Attributes:
        fingerprint: Of the weights and options: prompts say which model mapped them.
    """

    def __init__(self, model: WholeBodyPose, *, name: str) -> None:
        self.model, self.name, self.skeleton = model.eval(), name, model.skeleton
        self.device = next(model.parameters()).device
        self.cropper = Cropper(size=(model.size[0], model.size[1]), sigma=(6.0, 6.0), split_ratio=model.split_ratio)
        self.names = TextEncoder(name="minilm")
        self.fingerprint = _fingerprint(model)

    @classmethod
    def load(cls, path: str | Path, *, device: torch.device) -> "BodyModel":
        """Out of a .safetensors file of `cape convert cigpose`, `rtmpose` or `cape train`, without executing any of it.

        Raises:
            DataError: No such file, a damaged one, or not one of a whole-body model.
        """
        return cls(build_from(Path(path), WholeBodyPose, "a whole-body model", device=device), name=str(path))

    def find(self, pictures: Sequence[UInt8[np.ndarray, "h w 3"]], boxes: Sequence[Float[np.ndarray, "4"]]) -> Bodies:
        """The person in each box: the crop is 1.25 times the box, widened to the shape of the input.

        Args:
            pictures: RGB, N of them.
            boxes: x, y, width, height in pixels, one for each.
        """
        cuts = [self.cropper.cut(picture, box) for picture, box in zip(pictures, boxes, strict=True)]
        parts = [self._run([cut[0] for cut in cuts[start : start + BATCH]]) for start in range(0, len(cuts), BATCH)]
        points, raw, spread = (np.concatenate(each) for each in zip(*parts, strict=True))
        centre, extent = (np.stack([cut[place] for cut in cuts])[:, None] for place in (1, 2))
        scale = extent / np.array(self.model.size)
        covariance = (spread * scale**2)[..., None] * np.eye(2)
        return Bodies(points * scale + centre - extent / 2, raw, covariance)

    def _run(self, crops: Sequence[UInt8[np.ndarray, "h w 3"]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points and variances in pixels of the input, and raw scores between them."""
        images = torch.stack([normalise(crop) for crop in crops]).to(self.device)
        with torch.inference_mode():
            logits = self.model.look(images).logits
            points, raw = simcc_points(logits, split_ratio=self.model.split_ratio)
            spread = variance(logits, points, split_ratio=self.model.split_ratio, beta=self.model.beta)
        points, raw, spread = (each.double().cpu().numpy() for each in (points, raw, spread))
        return points, raw, spread

    # What a prompt's keypoints are in the skeleton

    def mapped(self, prompt: Prompt) -> Prompt:
        """The prompt with what its keypoints are in this model's skeleton; itself where it has that."""
        if prompt.human is not None and prompt.human.model == self.fingerprint:
            return prompt
        wish = None if prompt.human is None else prompt.human.wish
        meant = meanings(prompt.texts, self.skeleton, self.names.embed)
        whole = read_skeleton("coco_wholebody")
        person, why = is_person(meanings(prompt.texts, whole, self.names.embed), whole)
        if not person:  # or of a skeleton with other names than the whole body's
            person, own = is_person(meant, self.skeleton)
            why = own if person else why
        nobody = ("",) * len(prompt.texts)
        if wish is False or (wish is None and not person):
            verdict = "Not a person's keypoints, as was said" if wish is False else f"Not taken for a person's: {why}"
            human = Mapped(self.fingerprint, wish, prompt.texts, nobody, ("few-shot for all",) * len(nobody), verdict)
            return prompt._replace(human=human)
        mirror = self.skeleton.mirror()
        settled = settle(meant, self._away(prompt.shots, len(nobody)), mirror=mirror, names=self.skeleton.names)
        keypoints = tuple(self.skeleton.names[each] if each >= 0 else "" for each in settled.keypoint)
        verdict = f"A person's keypoints{', as was said' if wish else f': {why}'}; {Path(self.name).name} finds"
        verdict += f" {sum(map(bool, keypoints))} of {len(keypoints)}"
        verdict += ". Left is the viewer's, as the clicks say." if settled.viewer else "."
        return prompt._replace(human=Mapped(self.fingerprint, wish, prompt.texts, keypoints, settled.reasons, verdict))

    def _away(self, shots: Sequence[Shot], count: int) -> Float[np.ndarray, "K M"]:
        """Mean distance of each click from each keypoint found, in sides of the box of what was clicked.

        Of several shots of one picture the first counts, which is the nearest to the clicked points.
        """
        away = np.full((count, len(self.skeleton)), np.nan)
        firsts = list({shot.picture: shot for shot in reversed(shots)}.values())
        if not firsts:
            return away
        sides = [float(shot.crop.shape[0]) for shot in firsts]
        inner = ((1 - 1 / PADDING) / 2,) * 2 + (1 / PADDING,) * 2
        boxes = [side * np.array(shot.box or inner) for shot, side in zip(firsts, sides, strict=True)]
        found = self.find([shot.crop.numpy() for shot in firsts], boxes)
        total, clicks = np.zeros_like(away), np.zeros((count, 1))
        for shot, side, box, points, raw in zip(firsts, sides, boxes, found.points, found.raw, strict=True):
            there, clicked = shot.points.double().numpy() * side, shot.visible.numpy()
            gap = np.linalg.norm(there[:, None] - points[None], axis=-1) / box[2:].max()
            gap[:, raw <= 0] = np.inf
            total[clicked] += gap[clicked]
            clicks[clicked] += 1
        seen = clicks[:, 0] > 0
        away[seen] = total[seen] / clicks[seen]
        return away

    # Predictions

    def completed(
        self, found: Sequence[Prediction], pictures: Sequence[Picture], whole: Sequence[bool]
    ) -> list[Prediction]:
        """Predictions of one prompt with the points of its mapped keypoints from this model.

        Where it finds none, its raw score not positive, the few-shot model's point and score stay. What the few-shot
        model is not asked for (a name without a click, where it reads no names) is not asked of this one either: the
        box comes from what is. The poses of a search stay in their order, which is of few-shot scores.

        Args:
            found: By the few-shot model.
            pictures: What each is of.
            whole: Its box is the whole picture: look at the box around its points instead, where they tell one.
        """
        if not found or not (found[0].prompt.human and found[0].prompt.human.found):
            return list(found)
        rows, columns = self._indices(found[0].prompt.human)
        asked = found[0].asked[rows]
        rows, columns = rows[asked], columns[asked]
        around = [box_around(each.points[each.asked], each.size) for each in found]
        boxes = [each.box if box is None or not unboxed else box
                 for each, box, unboxed in zip(found, around, whole, strict=True)]  # fmt: skip
        bodies = self.find([picture.pixels for picture in pictures], boxes)
        complete = []
        for each, points, raw, spread in zip(found, *bodies, strict=True):
            there = raw[columns] > 0
            ours, theirs = rows[there], columns[there]
            fields = {
                key: getattr(each, key).copy() for key in ("points", "scores", "presence", "covariance", "whole_body")
            }
            fields["points"][ours], fields["covariance"][ours] = points[theirs], spread[theirs]
            fields["scores"][ours], fields["presence"][ours] = raw[theirs].clip(0, 1), 1.0
            fields["whole_body"][ours] = True
            complete.append(each._replace(**fields))
        return complete

    def _indices(self, human: Mapped) -> tuple[np.ndarray, np.ndarray]:
        """Mapped keypoints of a prompt, and what they are in the skeleton."""
        unknown = {human.keypoints[each] for each in human.found} - set(self.skeleton.names)
        if unknown:
            raise PromptError(
                "prompt", expected="keypoints of the whole-body model that it names", got=f"{unknown.pop():.40}",
                fix="Make the prompt again.",
            )  # fmt: skip
        return np.array(human.found), np.array(
            [self.skeleton.names.index(human.keypoints[each]) for each in human.found]
        )


def variance(
    logits: SimCC, points: Float[Tensor, "B K 2"], *, split_ratio: float, beta: float
) -> Float[Tensor, "B K 2"]:
    """Of x and y about their points, in square pixels of the input; to it the variance of a bin is added.

    Args:
        logits: Raw.
        points: In pixels of the input.
        split_ratio: Bins a pixel.
        beta: Of the softmax.
    """
    found = []
    for axis, raw in enumerate(logits):
        bins = torch.arange(raw.shape[-1], device=raw.device, dtype=raw.dtype) / split_ratio
        found.append(((raw * beta).softmax(-1) * (bins - points[..., axis, None]) ** 2).sum(-1))
    return torch.stack(found, dim=-1) + split_ratio**-2 / 12


def _fingerprint(model: WholeBodyPose) -> str:
    """16 hex digits that tell a model's weights and options from others'."""
    options = (model.skeleton, model.size, model.split_ratio, model.flip_test, model.beta)
    found = hashlib.sha256(repr(model).encode() + repr(options).encode())
    for name, value in model.state_dict().items():
        found.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
