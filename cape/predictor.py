"""The predictor: click and name keypoints on one picture, find them on others.

    predictor = cape.load("cape-lite")
    prompt = predictor.prompt(images="cat.jpg", points=[[120, 80], [180, 84]], names=["left ear tip", "right ear tip"])
    for prediction in predictor(prompt, "cats/"):
        print(prediction.source, prediction.points, prediction.scores)

A prompt is compiled once; a picture costs little more than its backbone.
"""

import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cape.data.clicked import Mapped
from cape.data.inputs import Input, Inputs, Look, looks_at, pictures_of
from cape.data.prompts import clean_name, is_placeholder
from cape.data.shots import Shot, box_around, make_shots, view_of
from cape.data.transforms import apply, crop_square, invert, normalise, warp
from cape.errors import PromptError, UsageError
from cape.judging import Judge, Refit
from cape.models.calibration import CalibratedPose
from cape.models.fewshot import FewShotPose
from cape.prediction import Prediction, corrections, draft_of, kept
from cape.prompting import Given, Prompt, fingerprint, make_skeleton, shots_given
from cape.search import CANDIDATES, LEAST, boxed, distinct, looks_over
from cape.skeleton import Skeleton
from cape.structures import Anchors, Tokens, View

if TYPE_CHECKING:
    from cape.human import BodyModel

PERSON = "the prompt is for a whole-body model, too, cape.load(..., human=FILE): without one, it is few-shot for all"


class Predictor:
    """A few-shot model, ready to be asked; made by `cape.load`.

    Args:
        model: In evaluation mode, or it is put there; with a calibrated head around it or not.
        name: Of its weights, for people.
        human: Finds a person's keypoints, see `cape.human`.

    Attributes:
        fingerprint: Of the weights and options of what finds poses: prompts say which model compiled them.
        judge: Gives its answers their scores.
    """

    def __init__(self, model: FewShotPose | CalibratedPose, *, name: str, human: "BodyModel | None" = None) -> None:
        model = model.eval()
        self.judge = Judge(model if isinstance(model, CalibratedPose) else None)
        self.model: FewShotPose = model.network if isinstance(model, CalibratedPose) else model
        self.name, self.human = name, human
        self.device = next(self.model.parameters()).device
        self.fingerprint = fingerprint(self.model)

    def __repr__(self) -> str:
        return f"Predictor({self.name!r}, device={str(self.device)!r})"

    # Prompts

    def prompt(
        self,
        *,
        images: Input | Sequence[Input] | None = None,
        points: Given = None,
        names: Sequence[Given] | None = None,
        edges: Sequence[Given] | None = None,
        swap: Sequence[Given] | None = None,
        parts: Mapping[str, Sequence[int]] | None = None,
        boxes: Given = None,
        human: bool | None = None,
    ) -> Prompt:
        """Compile a prompt out of clicks, names or both.

        Args:
            images: The clicked picture, or several of the same category.
            points: K places in pixels of the picture, None where the picture does not show a keypoint; for several
                pictures one such list each.
            names: K names, "" where a keypoint has none. Without pictures they are all there is.
            edges: Pairs of keypoints that are connected.
            swap: Pairs that change places in a mirror (left and right ear); None infers them from the names.
            parts: Keypoints of each part of the body by its name, for graphs that look at them.
            boxes: x, y, width, height of the object in each picture, where queries will have boxes, too; None: it is
                looked at from as near as the points lie to the whole picture.
            human: Whether a whole-body model may find what is a person's; None: where the names are a person's
                (`data.anatomy.is_person`). `print(prompt.human)` reports.

        Raises:
            UsageError: A person without a whole-body model (`load`).
            PromptError: Nothing to look for, or lengths that disagree.
            PictureError: A picture cannot be read.
        """
        if human and self.human is None:
            raise UsageError("human", expected="a whole-body model", got="none", fix="Give cape.load(..., human=FILE).")
        pictures, clicks, around = shots_given(images, points, boxes)
        count = len(clicks[0]) if clicks else len(names or ())
        if count == 0:
            raise PromptError(
                "prompt", expected="points or names", got="neither", fix="Click a point, or name what to look for."
            )
        skeleton = make_skeleton(count, names, edges, swap, parts)
        texts = tuple("" if is_placeholder(name) else clean_name(name) for name in (names or ("",) * count))
        size = self.model.visual.size
        given = zip(pictures, clicks, around, strict=True)
        shots = [shot for picture, each, box in given for shot in make_shots(picture, each, box, size)]
        return self._compile(skeleton, texts, tuple(shots), None if human is None else Mapped("", human))

    def compiled(self, prompt: Prompt) -> Prompt:
        """The prompt as this model compiles it; itself if this model did.

        Raises:
            PromptError: It was made for another size of pictures.
        """
        if prompt.model == self.fingerprint:
            return self._mapped(prompt)
        sides = {shot.crop.shape[0] for shot in prompt.shots} - {self.model.visual.size}
        if sides:
            raise PromptError(
                "prompt", expected=f"clicked pictures of {self.model.visual.size} px, as {self.name} looks at them",
                got=f"{sides.pop()} px", fix="Make the prompt again with this model.",
            )  # fmt: skip
        return self._compile(prompt.skeleton, prompt.texts, prompt.shots, prompt.human)

    def accept(self, prediction: Prediction, image: Input) -> Prompt:
        """The prediction's prompt with this picture as one more shot, once somebody has looked at it.

        What was found outside the picture is not shown by it.

        Args:
            prediction: Correct, or corrected by `refine`.
            image: The picture it is of.
        """
        prompt, (picture,) = self.compiled(prediction.prompt), tuple(pictures_of(image))
        height, width = picture.pixels.shape[:2]
        inside = ((prediction.points >= 0) & (prediction.points < (width, height))).all(axis=1)
        given = np.where((prediction.asked & inside)[:, None], prediction.points, np.nan)
        box = None if prediction.box.tolist() == [0, 0, width, height] else prediction.box
        shots = make_shots(picture, given, box, self.model.visual.size)
        anew = prompt.human and prompt.human._replace(model="")
        return self._compile(prompt.skeleton, prompt.texts, (*prompt.shots, *shots), anew)

    def _compile(
        self, skeleton: Skeleton, texts: tuple[str, ...], shots: tuple[Shot, ...], human: Mapped | None
    ) -> Prompt:
        count = len(skeleton)
        mirror = torch.from_numpy(skeleton.mirror())[None].to(self.device)
        mask = torch.ones(1, count, dtype=torch.bool, device=self.device)
        with torch.inference_mode():
            support = View(*(field.to(self.device) for field in view_of(shots, count, self.model.visual.size)))
            tokens = self.model.prompt(support, [(text,) for text in texts], mask, mirror)
        if not tokens.mask.any():
            raise PromptError(
                "prompt", expected="a click or a name that the model can use",
                got=f"none: {self.name} reads {'pictures' if self.model.text is None else 'names'} alone"
                if None in (self.model.text, self.model.support) else "none",
                fix="Give what it reads.",
            )  # fmt: skip
        return self._mapped(Prompt(skeleton, texts, shots, tokens, self.fingerprint, human))

    def _mapped(self, prompt: Prompt) -> Prompt:
        """With what a whole-body model finds of it, where there is one."""
        if self.human is not None:
            return self.human.mapped(prompt)
        if prompt.human is not None and prompt.human.found:
            warnings.warn(f"{PERSON} ({len(prompt.human.found)} of its keypoints)", stacklevel=4)
        return prompt

    # Predictions

    def __call__(
        self, prompt: Prompt, images: Inputs, boxes: Sequence[Any] | None = None, *, zoom: bool = True,
        batch_size: int = 16,
    ) -> list[Prediction]:  # fmt: skip
        """Find the prompted keypoints.

        Args:
            prompt: Of `prompt`, or `Prompt.load`.
            images: See `data.inputs`.
            boxes: x, y, width, height in pixels for each picture, or a list of such boxes for each; None, for one or
                for all of them: look at the whole picture.
            zoom: Of a picture without a box look again at the box around what was found, and take the surer answer of
                the two. It costs a second forward.
            batch_size: Views at once.

        Returns:
            One prediction a picture or box, in order.

        Raises:
            PictureError: A picture cannot be read.
            UsageError: Not as many boxes as pictures.
        """
        return list(self.stream(prompt, images, boxes, zoom=zoom, batch_size=batch_size))

    def stream(
        self, prompt: Prompt, images: Inputs, boxes: Iterable[Any] | None = None, *, zoom: bool = True,
        batch_size: int = 16,
    ) -> Iterator[Prediction]:  # fmt: skip
        """The same one by one, reading pictures no faster than they are needed."""
        prompt = self.compiled(prompt)
        views = looks_at(images, boxes)
        while batch := list(itertools.islice(views, batch_size)):
            found = self._look(prompt, batch)
            found = self._again(prompt, batch, found) if zoom else found
            yield from self._complete(found, batch)

    def search(
        self, prompt: Prompt, images: Inputs, *, most: int = 5, least: float = LEAST, batch_size: int = 16
    ) -> Iterator[list[Prediction]]:
        """Find several objects in each picture: of each picture in order its poses, the surest first, or none.

        It looks at the picture in 11 to 59 squares, the more the squarer it is, and at most 3 `most` times again.

        Args:
            prompt: As for a call.
            images: As for a call.
            most: Objects a picture.
            least: Poses of a lower score are none.
            batch_size: Views at once.

        Raises:
            PictureError: A picture cannot be read.
            UsageError: No objects are wanted.
        """
        if most < 1:
            raise UsageError("search", expected="at least 1 object a picture", got=str(most), fix="Raise `most`.")
        prompt = self.compiled(prompt)
        for picture in pictures_of(images):
            views = looks_over(picture)
            batches = [views[start : start + batch_size] for start in range(0, len(views), batch_size)]
            found = [each for batch in batches for each in self._look(prompt, batch)]
            found = distinct(found, most=CANDIDATES * most, alike=0.5)
            batches = [found[start : start + batch_size] for start in range(0, len(found), batch_size)]
            found = [each for batch in batches for each in self._again(prompt, views[: len(batch)], batch)]
            found = [boxed(each) for each in distinct(found, most=most, alike=0.2, within=0.6, least=least)]
            yield self._complete(found, [look._replace(whole=False) for look in views[: len(found)]])

    def refine(self, prediction: Prediction, *, fixed: Mapping[Any, Given]) -> Prediction:
        """Correct some keypoints of a prediction; the others follow, but for those that a whole-body model found.

        Args:
            prediction: Of this model. What was corrected in it before stays.
            fixed: Pixels by keypoint.

        Raises:
            UsageError: A keypoint that does not exist, or a place that is no place.
        """
        prompt, count = self.compiled(prediction.prompt), len(prediction.points)
        known = {index: prediction.points[index] for index in prediction.fixed} | corrections(fixed, count)
        places = np.zeros((count, 2))
        for index, point in known.items():
            places[index] = point
        seen = prediction.seen
        crop = torch.from_numpy(apply(invert(seen.to_pixels), places)).float()[None].to(self.device)
        there = torch.zeros(1, count, dtype=torch.bool, device=self.device)
        there[0, list(known)] = True
        (refined,) = self._answer(prompt, seen.feature[None].to(self.device), [prediction], Anchors(crop, there))
        refined.points[list(known)] = places[list(known)]
        refined.scores[list(known)] = refined.presence[list(known)] = 1.0  # somebody has looked
        return kept(refined, prediction, known)._replace(fixed=frozenset(known))

    def _complete(self, found: list[Prediction], batch: Sequence[Look]) -> list[Prediction]:
        """With a person's keypoints, where there is a model for them."""
        if self.human is None:
            return found
        return self.human.completed(found, [look.picture for look in batch], [look.whole for look in batch])

    def _again(self, prompt: Prompt, batch: Sequence[Look], found: list[Prediction]) -> list[Prediction]:
        """What was found in whole pictures, or what a look at the box around it finds, whichever is surer."""
        looks = {
            place: Look(look.picture, crop_square(box), box)
            for place, (look, each) in enumerate(zip(batch, found, strict=True))
            if look.whole and (box := box_around(each.points[each.asked], each.size)) is not None
        }
        for place, each in zip(looks, self._look(prompt, [*looks.values()]), strict=True):
            if each.confidence > found[place].confidence:
                found[place] = each._replace(box=found[place].box)
        return found

    def _look(self, prompt: Prompt, batch: Sequence[Look]) -> list[Prediction]:
        if not batch:
            return []
        size = self.model.visual.size
        crops = [warp(look.picture.pixels, look.square, size=size) for look in batch]
        with torch.inference_mode():
            feature = self.model.visual(torch.stack([normalise(crop) for crop in crops]).to(self.device))
        drafts = [draft_of(prompt, look, row) for look, row in zip(batch, feature, strict=True)]
        return self._answer(prompt, feature, drafts)

    def _answer(
        self, prompt: Prompt, feature: Float[Tensor, "B C H W"], drafts: Sequence[Prediction],
        anchors: Anchors | None = None,
    ) -> list[Prediction]:  # fmt: skip
        """What is found in feature maps, with its scores."""
        count = len(feature)
        tokens = Tokens(*(field.to(self.device).expand(count, *field.shape[1:]) for field in prompt.tokens))
        skeleton = prompt.skeleton.adjacency(), prompt.skeleton.membership(len(prompt.skeleton))
        adjacency, parts = (torch.from_numpy(each).to(self.device).expand(count, -1, -1) for each in skeleton)
        with torch.inference_mode():
            found = self.model.locate(feature, tokens, adjacency, parts, anchors)
        return self.judge.told(self.model, found, tokens, feature, drafts)

    def recalibrate(self, predictions: Sequence[Prediction], truth: Sequence[Any]) -> Refit:
        """Fit the scores to what somebody has checked, from the next prediction on: isotonic regression.

        Where it would not help by cross-validation, scores stay the model's. Their order stays as it is. Fitted again,
        it starts from what the model says; `judge.curve = None` takes it back.

        Args:
            predictions: Of this predictor, as they were before anything was corrected.
            truth: The right places in pixels, K a prediction, None where the picture does not show a keypoint.

        Returns:
            How many keypoints it was fitted to, and how much it helps.

        Raises:
            DataError: Fewer keypoints than can tell (`evaluation.recalibration.MINIMUM`).
            UsageError: Not one truth a prediction, or not one place a keypoint.
        """
        return self.judge.fit(predictions, truth)
