"""A prompt: the clicked pictures and the names, compiled once and asked often; a file of its own.

The file (`.prompt`) is safetensors: the compiled tokens and the crops that were clicked, with names, edges, swap pairs,
the pictures' hashes and boxes, the model's fingerprint and what a whole-body model finds as JSON in its header. Nothing
in it is executed.
"""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from cape.data.clicked import Mapped
from cape.data.inputs import Picture, as_box, is_one, pictures_of
from cape.data.shots import Shot
from cape.errors import CapeError, PromptError
from cape.files import check_writable, write_atomically
from cape.models.fewshot import FewShotPose
from cape.skeleton import Skeleton, swap_pairs
from cape.structures import Tokens

VERSION = 1
TOKENS = "2: appearance of unit length"
"""What compiled tokens hold; prompts with others are compiled again."""
Given = Any
"""What a caller gives, lists or arrays of whatever numbers: checked here, not by types."""


class Prompt(NamedTuple):
    """What to look for, compiled by one model."""

    skeleton: Skeleton
    texts: tuple[str, ...]
    """K names for the text encoder, "" where there is none."""
    shots: tuple[Shot, ...]
    """None where there are names alone."""
    tokens: Tokens
    """Of a batch of one."""
    model: str
    """Fingerprint of the model that compiled it: another one compiles it again."""
    human: Mapped | None = None
    """Which keypoints a whole-body model finds; None where no predictor with such a model has seen the prompt."""

    @property
    def asked(self) -> Bool[np.ndarray, "K"]:
        """Keypoints that have a click or a name."""
        return self.tokens.mask[0].cpu().numpy()

    def save(self, path: str | Path) -> Path:
        """Write the prompt, whole or not at all.

        Raises:
            UsageError: The target cannot be written.
        """
        target = Path(path)
        check_writable(target)
        skeleton = self.skeleton
        about = {
            "version": VERSION,
            "model": self.model,
            "names": skeleton.names,
            "edges": skeleton.edges,
            "swap": skeleton.swap,
            "parts": dict(skeleton.parts),
            "texts": self.texts,
            "pictures": [{"sha256": shot.picture, "name": shot.name, "box": shot.box} for shot in self.shots],
        }
        if self.human is not None:
            about["human"] = {key: value for key, value in self.human._asdict().items() if key != "names"}
        tensors = {f"tokens.{key}": value for key, value in self.tokens._asdict().items()}
        for number, shot in enumerate(self.shots):
            tensors |= {f"shots.{number}.{key}": getattr(shot, key) for key in ("crop", "points", "visible")}
        # Copies: tensors that share memory are refused by the format
        content = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
        return write_atomically(target, save(content, {"prompt": json.dumps(about)}))

    @classmethod
    def load(cls, path: str | Path) -> "Prompt":
        """Read a prompt.

        Raises:
            PromptError: No such file, a damaged one, or one of a later version.
        """
        file = Path(path)
        if not file.is_file():
            raise PromptError(str(file), expected="a .prompt file", got="no such file", fix="Check the path.")
        try:
            with safe_open(file, framework="pt") as content:
                about = json.loads(content.metadata()["prompt"])
                tensors = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118 (not a mapping)
            if about["version"] != VERSION:
                raise PromptError(
                    str(file), expected=f"a prompt of version {VERSION}", got=str(about["version"])[:20],
                    fix="Use the cape that wrote it, or make the prompt again.",
                )  # fmt: skip
            return _checked(_assembled(cls, about, tensors))
        except CapeError:
            raise
        except Exception as error:  # safetensors, json and a damaged header raise a dozen types
            raise PromptError(
                str(file),
                expected="a whole .prompt file",
                got=f"{type(error).__name__}: {error}"[:200],
                fix="Make the prompt again.",
            ) from error


def _assembled(kind: type[Prompt], about: dict[str, Any], tensors: dict[str, Tensor]) -> Prompt:
    pairs = {key: tuple((int(a), int(b)) for a, b in about[key]) for key in ("edges", "swap")}
    parts = {str(part): tuple(map(int, members)) for part, members in about["parts"].items()}
    skeleton = Skeleton(tuple(about["names"]), parts=parts, **pairs)
    shots = tuple(
        Shot(
            crop=tensors[f"shots.{number}.crop"],
            points=tensors[f"shots.{number}.points"],
            visible=tensors[f"shots.{number}.visible"],
            picture=str(each["sha256"]),
            name=str(each["name"]),
            box=_numbers(each["box"]) if each.get("box") else None,
        )
        for number, each in enumerate(about["pictures"])
    )
    tokens = Tokens(*(tensors[f"tokens.{key}"] for key in Tokens._fields))
    texts = tuple(map(str, about["texts"]))
    human = Mapped.read(about["human"], texts) if about.get("human") else None
    return kind(skeleton, texts, shots, tokens, str(about["model"]), human)


def _numbers(box: Any) -> tuple[float, ...]:
    """A box in a file's header."""
    return tuple(map(float, as_box(box, "prompt")))


def _checked(prompt: Prompt) -> Prompt:
    """Shapes and values that agree with each other; a damaged file must not fail later, or find nonsense."""
    count, tokens = len(prompt.skeleton), prompt.tokens
    ways = tokens.doubt.shape[-1]
    shapes = [
        (tokens.present.shape[:2] + tokens.present.shape[3:], (1, ways, count)),
        (tokens.tokens.shape[:-1], tokens.present.shape),
        (tokens.appearance.shape[:-1], (1, ways, count)),
        (tokens.shown.shape, (1, ways, count)),
        (tokens.places.shape, (1, ways, count, 2)),
        (tokens.canonical.shape[:-1], (1, count)),
        ((len(prompt.texts),), (count,)),
        *((shot.points.shape, (count, 2)) for shot in prompt.shots),
        *((shot.visible.shape, (count,)) for shot in prompt.shots),
        *((shot.crop.shape[2:], (3,)) for shot in prompt.shots),
    ]
    wrong = [f"{tuple(got)} for {tuple(expected)}" for got, expected in shapes if tuple(got) != tuple(expected)]
    floats = [each for each in (*tokens, *(shot.points for shot in prompt.shots)) if each.is_floating_point()]
    if wrong or not all(bool(each.isfinite().all()) for each in floats):
        raise PromptError(
            "prompt", expected="tensors that fit its names, all finite",
            got=wrong[0] if wrong else "a number that is not", fix="Make the prompt again.",
        )  # fmt: skip
    return prompt


def make_skeleton(
    count: int,
    names: Sequence[Given] | None,
    edges: Sequence[Given] | None,
    swap: Sequence[Given] | None,
    parts: Mapping[str, Sequence[int]] | None = None,
) -> Skeleton:
    """The skeleton of a prompt; swap pairs are inferred from the names where none are given.

    Raises:
        PromptError: Not one name a keypoint, or indices of keypoints that do not exist.
    """
    known = tuple(names) if names is not None else ("",) * count
    if len(known) != count or not all(isinstance(name, str) for name in known):
        raise PromptError(
            "names", expected=f"{count} strings, one for each point", got=f"{len(known)}: {known!s:.80}",
            fix='Give as many names as points, "" where a point has none.',
        )  # fmt: skip
    # A skeleton tells its keypoints apart by name
    unique = _apart(known)
    try:
        pairs = swap_pairs(known) if swap is None else tuple((int(a), int(b)) for a, b in swap)
        groups = {str(part): tuple(map(int, members)) for part, members in (parts or {}).items()}
        return Skeleton(unique, tuple((int(a), int(b)) for a, b in edges or ()), pairs, groups)
    except (CapeError, TypeError, ValueError, AttributeError) as error:
        raise PromptError(
            "edges, swap and parts", expected=f"indices from 0 to {count - 1}: pairs, and lists by name",
            got=f"{error}"[:160],
            fix="Count the points from 0.",
        ) from error  # fmt: skip


def _apart(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names that differ: a number behind those that occur twice or are empty, of their place or the next free one."""
    taken, found = set(names), []
    for place, name in enumerate(names):
        numbered = (f"{name} {number}".strip() for number in itertools.count(place))
        unique = name and names.count(name) == 1
        found.append(name if unique else next(each for each in numbered if each not in taken))
        taken.add(found[-1])
    return tuple(found)


def fingerprint(model: FewShotPose) -> str:
    """16 hex digits that tell a model's weights and options, and how prompts keep tokens, from others'."""
    said = (TOKENS, repr(model), repr(sorted(model.visual.settings.items())))
    found = hashlib.sha256("".join(said).encode())
    prior = {key: value for key, value in vars(model.prior).items() if not key.startswith("_")}
    found.update(repr(sorted(prior.items(), key=str)).encode())
    for name, value in model.state_dict().items():
        found.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def shots_given(images: Any, points: Any, boxes: Any) -> tuple[list[Picture], list[Any], list[Any]]:
    """Pictures with their clicks and boxes, one or several.

    Raises:
        PromptError: Lengths that disagree.
        PictureError: A picture cannot be read.
    """
    if (images is None) != (points is None):
        raise PromptError(
            "prompt", expected="pictures with points", got="points alone" if images is None else "pictures alone",
            fix="Give both, or names alone.",
        )  # fmt: skip
    if images is None:
        return [], [], []
    if is_one(images):
        images, points, boxes = [images], [points], None if boxes is None else [boxes]
    pictures = [picture for image in images for picture in pictures_of(image)]
    boxes = [None] * len(pictures) if boxes is None else list(boxes)
    lengths = {len(pictures), len(points), len(boxes)}
    counts = sorted({len(each) for each in points})
    if len(lengths) > 1 or len(counts) != 1:
        raise PromptError(
            "prompt", expected="as many lists of points as pictures, all equally long, and as many boxes if any",
            got=f"{len(pictures)} pictures, {len(points)} lists of {counts} points, {len(boxes)} boxes",
            fix="Give None for a keypoint that a picture does not show.",
        )  # fmt: skip
    return pictures, list(points), boxes
