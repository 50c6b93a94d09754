"""The predictor: click and name keypoints on one picture, find them on others.

    predictor = cape.load("cape-lite")
    prompt = predictor.prompt(images="cat.jpg", points=[[120, 80], [180, 84]], names=["left ear tip", "right ear tip"])
    for prediction in predictor(prompt, "cats/"):
        print(prediction.source, prediction.points, prediction.scores)

A prompt is compiled once; a picture costs little more than its backbone.
"""

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cape.checkpoints import load_weights, read_header
from cape.data.inputs import Input, Inputs, Look, as_place, looks_at, pictures_of
from cape.data.prompts import clean_name, is_placeholder
from cape.data.transforms import apply, crop_matrix, invert, normalise, warp
from cape.errors import DataError, PromptError, UsageError
from cape.features import find_device
from cape.models.fewshot import FewShotPose
from cape.prediction import Prediction, Seen, confidence
from cape.prompting import Given, Prompt, Shot, make_shots, make_skeleton, shots_given
from cape.registry import MODELS
from cape.runs import nested
from cape.skeleton import Skeleton
from cape.structures import Anchors, Found, Tokens, View

NEAR = 0.2
"""What counts as found, in longest sides of the box: PCK's usual threshold."""
SHIPPED = {"cape-lite": "cape-lite.safetensors"}
"""Weights that come with the package."""


class Predictor:
    """A few-shot model, ready to be asked; made by `cape.load`.

    Args:
        model: In evaluation mode, or it is put there.
        name: Of its weights, for people.

    Attributes:
        fingerprint: Of the weights and options: prompts say which model compiled them.
    """

    def __init__(self, model: FewShotPose, *, name: str) -> None:
        self.model, self.name = model.eval(), name
        self.device = next(model.parameters()).device
        self.fingerprint = _fingerprint(model)

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
        boxes: Given = None,
    ) -> Prompt:
        """Compile a prompt out of clicks, names or both.

        Args:
            images: The clicked picture, or several of the same category.
            points: K places in pixels of the picture, None where the picture does not show a keypoint; for several
                pictures one such list each.
            names: K names, "" where a keypoint has none. Without pictures they are all there is.
            edges: Pairs of keypoints that are connected.
            swap: Pairs that change places in a mirror (left and right ear); None infers them from the names.
            boxes: x, y, width, height of the object in each picture, where queries will have boxes, too; None: it is
                looked at from as near as the points lie to the whole picture.

        Raises:
            PromptError: Nothing to look for, or lengths that disagree.
            PictureError: A picture cannot be read.
        """
        pictures, clicks, around = shots_given(images, points, boxes)
        count = len(clicks[0]) if clicks else len(names or ())
        if count == 0:
            raise PromptError(
                "prompt", expected="points or names", got="neither", fix="Click a point, or name what to look for."
            )
        skeleton = make_skeleton(count, names, edges, swap)
        texts = tuple("" if is_placeholder(name) else clean_name(name) for name in (names or ("",) * count))
        size = self.model.visual.size
        given = zip(pictures, clicks, around, strict=True)
        shots = [shot for picture, each, box in given for shot in make_shots(picture, each, box, size)]
        return self._compile(skeleton, texts, tuple(shots))

    def compiled(self, prompt: Prompt) -> Prompt:
        """The prompt as this model compiles it; itself if this model did.

        Raises:
            PromptError: It was made for another size of pictures.
        """
        if prompt.model == self.fingerprint:
            return prompt
        sides = {shot.crop.shape[0] for shot in prompt.shots} - {self.model.visual.size}
        if sides:
            raise PromptError(
                "prompt", expected=f"clicked pictures of {self.model.visual.size} px, as {self.name} looks at them",
                got=f"{sides.pop()} px", fix="Make the prompt again with this model.",
            )  # fmt: skip
        return self._compile(prompt.skeleton, prompt.texts, prompt.shots)

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
        return self._compile(prompt.skeleton, prompt.texts, (*prompt.shots, *shots))

    def _compile(self, skeleton: Skeleton, texts: tuple[str, ...], shots: tuple[Shot, ...]) -> Prompt:
        count, size = len(skeleton), self.model.visual.size
        blank = not shots
        support = View(
            image=torch.zeros(1, 1, 3, size, size) if blank else _stacked([normalise(s.crop.numpy()) for s in shots]),
            points=torch.zeros(1, 1, count, 2) if blank else _stacked([s.points for s in shots]),
            visible=torch.zeros(1, 1, count, dtype=torch.bool) if blank else _stacked([s.visible for s in shots]),
            to_pixels=torch.zeros(1, max(1, len(shots)), 2, 3),
        )
        mirror = torch.from_numpy(skeleton.mirror())[None].to(self.device)
        mask = torch.ones(1, count, dtype=torch.bool, device=self.device)
        with torch.inference_mode():
            support = View(*(field.to(self.device) for field in support))
            tokens = self.model.prompt(support, [(text,) for text in texts], mask, mirror)
        if not tokens.mask.any():
            raise PromptError(
                "prompt", expected="a click or a name that the model can use",
                got=f"none: {self.name} reads {'pictures' if self.model.text is None else 'names'} alone"
                if None in (self.model.text, self.model.support) else "none",
                fix="Give what it reads.",
            )  # fmt: skip
        return Prompt(skeleton, texts, shots, tokens, self.fingerprint)

    # Predictions

    def __call__(
        self, prompt: Prompt, images: Inputs, boxes: Sequence[Any] | None = None, *, batch_size: int = 16
    ) -> list[Prediction]:
        """Find the prompted keypoints.

        Args:
            prompt: Of `prompt`, or `Prompt.load`.
            images: See `data.inputs`.
            boxes: x, y, width, height in pixels for each picture, or a list of such boxes for each; None, for one or
                for all of them: look at the whole picture.
            batch_size: Views at once.

        Returns:
            One prediction a picture or box, in order.

        Raises:
            PictureError: A picture cannot be read.
            UsageError: Not as many boxes as pictures.
        """
        return list(self.stream(prompt, images, boxes, batch_size=batch_size))

    def stream(
        self, prompt: Prompt, images: Inputs, boxes: Iterable[Any] | None = None, *, batch_size: int = 16
    ) -> Iterator[Prediction]:
        """The same one by one, reading pictures no faster than they are needed."""
        prompt = self.compiled(prompt)
        views = looks_at(images, boxes)
        while batch := list(itertools.islice(views, batch_size)):
            yield from self._look(prompt, batch)

    def refine(self, prediction: Prediction, *, fixed: Mapping[Any, Given]) -> Prediction:
        """Correct some keypoints of a prediction; the others follow.

        Args:
            prediction: Of this model. What was corrected in it before stays.
            fixed: Pixels by keypoint.

        Raises:
            UsageError: A keypoint that does not exist, or a place that is no place.
        """
        prompt, count = self.compiled(prediction.prompt), len(prediction.points)
        known = {index: prediction.points[index] for index in prediction.fixed}
        for index, place in fixed.items():
            point = as_place(place)
            if index not in range(count) or isinstance(index, bool) or point is None or np.isnan(point).any():
                raise UsageError(
                    f"fixed[{index}]", expected=f"x, y for a keypoint from 0 to {count - 1}", got=str(place)[:40],
                    fix="Give the place in pixels of the picture.",
                )  # fmt: skip
            known[index] = point
        places = np.zeros((count, 2))
        for index, point in known.items():
            places[index] = point
        seen = prediction.seen
        crop = torch.from_numpy(apply(invert(seen.to_pixels), places)).float()[None].to(self.device)
        there = torch.zeros(1, count, dtype=torch.bool, device=self.device)
        there[0, list(known)] = True
        found = self._locate(prompt, seen.feature[None].to(self.device), Anchors(crop, there))
        (refined,) = self._told(prompt, found, [prediction])
        refined.points[list(known)] = places[list(known)]
        return refined._replace(fixed=frozenset(known))

    def _look(self, prompt: Prompt, batch: Sequence[Look]) -> list[Prediction]:
        size = self.model.visual.size
        crops = [warp(look.picture.pixels, look.square, size=size) for look in batch]
        with torch.inference_mode():
            feature = self.model.visual(torch.stack([normalise(crop) for crop in crops]).to(self.device))
        blank = np.zeros((len(prompt.skeleton), 2))
        drafts = [
            Prediction(
                points=blank,
                scores=blank[:, 0],
                covariance=np.zeros((len(blank), 2, 2)),
                asked=prompt.asked,
                branches=blank[None],
                prompt=prompt,
                box=look.box,
                size=(look.picture.pixels.shape[1], look.picture.pixels.shape[0]),
                source=look.picture.name,
                fixed=frozenset(),
                seen=Seen(row.cpu(), invert(crop_matrix(look.square))),
            )
            for look, row in zip(batch, feature, strict=True)
        ]
        return self._told(prompt, self._locate(prompt, feature, None), drafts)

    def _locate(self, prompt: Prompt, feature: Float[Tensor, "B C H W"], anchors: Anchors | None) -> Found:
        count = len(feature)
        tokens = Tokens(*(field.to(self.device).expand(count, *field.shape[1:]) for field in prompt.tokens))
        skeleton = prompt.skeleton.adjacency(), prompt.skeleton.membership(len(prompt.skeleton))
        adjacency, parts = (torch.from_numpy(each).to(self.device).expand(count, -1, -1) for each in skeleton)
        with torch.inference_mode():
            return self.model.locate(feature, tokens, adjacency, parts, anchors)

    def _told(self, prompt: Prompt, found: Found, drafts: Sequence[Prediction]) -> list[Prediction]:
        """Out of the crop frame, into pixels."""
        side = np.array([draft.box[2:].max() for draft in drafts])
        scale = np.array([np.linalg.norm(draft.seen.to_pixels[:, 0]) for draft in drafts])
        reach = torch.from_numpy(NEAR * side / scale).float().to(self.device)
        with torch.inference_mode():
            weight = self.model.matching.log_prior
            scale = None if weight is None else float(weight.exp())
            scores, covariance = confidence(found, reach=reach, scale=scale)
            branches = torch.stack([branch.points[-1] for branch in found.branches], dim=1)
        answers = zip(*(each.double().cpu().numpy() for each in (found.points[-1], scores, covariance, branches)),
                      drafts, strict=True)  # fmt: skip
        return [
            draft._replace(
                points=apply(draft.seen.to_pixels, points),
                scores=score * draft.asked,
                covariance=draft.seen.to_pixels[:, :2] @ spread @ draft.seen.to_pixels[:, :2].T,
                branches=np.stack([apply(draft.seen.to_pixels, each) for each in several]),
            )
            for points, score, spread, several, draft in answers
        ]


def _fingerprint(model: FewShotPose) -> str:
    found = hashlib.sha256(repr(model).encode() + repr(sorted(model.visual.settings.items())).encode())
    prior = {key: value for key, value in vars(model.prior).items() if not key.startswith("_")}
    found.update(repr(sorted(prior.items(), key=str)).encode())
    for name, value in model.state_dict().items():
        found.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def _stacked(fields: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(fields))[None]


def load(
    name_or_path: str | Path = "cape-lite", *, device: str = "auto", options: Mapping[str, Any] | None = None
) -> Predictor:
    """A predictor, from weights that ship with cape or that `cape train` wrote.

    What the model is stands in the file's header, as data; nothing in the file is executed, nothing is downloaded.

    Args:
        name_or_path: "cape-lite", or a .safetensors file of a few-shot model.
        device: "auto" is the GPU where there is one.
        options: Of the model, in place of the header's; for example {"prior": {"type": "TurnedFit"}}.

    Raises:
        DataError: No such file, a damaged one, or one that does not say what model it is of.
        UsageError: No such name or device.
    """
    path = _weights(str(name_or_path))
    if not path.is_file():
        raise DataError(
            str(name_or_path), expected=f"{', '.join(SHIPPED)} or a .safetensors file", got="no such file",
            fix="Check the path.",
        )  # fmt: skip
    described = nested(json.loads(read_header(path).get("run", "{}"))).get("model")
    if not described:
        raise DataError(
            str(path), expected="a few-shot model's checkpoint as `cape train` writes it",
            got="a file that does not say what model it is of", fix="Use `cape test CONFIG CHECKPOINT` for others.",
        )  # fmt: skip
    model = MODELS.build({**described, **(options or {})})
    load_weights(model, path)
    return Predictor(model.to(find_device(device)), name=str(name_or_path))


def _weights(name: str) -> Path:
    return Path(str(resources.files("cape.weights") / SHIPPED[name])) if name in SHIPPED else Path(name)
