"""What an evaluation scores: trained models and training-free baselines, behind one `predict`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from mmengine.config import Config

from cape.checkpoints import read_header
from cape.configuration import load_config, parse_options
from cape.data.corruption import CLEAN, Corruption
from cape.data.episodes import EPISODES, Episodes, Pairs, Source, pose_table
from cape.data.mp100 import GROUPS, MP100, PATTERN, is_own, split_table
from cape.data.prompts import Style
from cape.engine import load_model
from cape.errors import UsageError
from cape.evaluation.protocol import Protocol, familiarity, verdict
from cape.features import Progress, encode_pairs, encode_turned, load_encoder
from cape.inference import predict_all, predict_pairs
from cape.models.baselines import BASELINES, Turned
from cape.models.encoders.visual import VisualEncoder
from cape.models.fewshot import FewShotPose
from cape.shipped import is_weights, load, weights_of


class Facts(NamedTuple):
    """What a trained model's config says about its test."""

    split: int | None = None
    held_out: str | None = None
    shots: int = 1
    pattern: str | None = None
    text_pack: str | None = "mp100"
    text_style: Style = "framed"

    @classmethod
    def of(cls, settings: Config) -> "Facts":
        """Those of a config."""
        return cls(*(settings[each] for each in cls._fields))

    def source(self, root: Path, *, split: int, pattern: str | None = None, **options: Any) -> MP100:
        """What the model is tested on: its categories, and names as it was taught to read them.

        Args:
            root: Folder with the annotations.
            split: 1 to 5.
            pattern: Of the files' names, in place of the config's.
            options: Of `MP100`, for example its subset, test by default.

        Raises:
            CapeError: As `MP100`.
        """
        fixed = {"text_pack": self.text_pack, "text_style": self.text_style, "held_out": self.held_out}
        pattern = pattern or self.pattern or PATTERN
        return MP100(root=root, split=split, pattern=pattern, **fixed, **{"subset": "test", **options})


def official_episodes(data: MP100) -> int:
    """How many a category has in the official evaluation of what was read."""
    return GROUPS[data.held_out].episodes if data.held_out and data.subset == "test" else EPISODES[data.subset]


def same_pairs(drawn: Sequence[tuple[str, Pairs]]) -> Pairs:
    """The pairs that models share, by the models' names.

    Raises:
        UsageError: They differ.
    """
    (first, pairs), *others = drawn
    for name, each in others:
        if not np.array_equal(each.table, pairs.table):
            raise UsageError(
                name, expected=f"the pairs of {first}: {pairs.digest()}", got=each.digest(),
                fix="Set models of equal shots and equal test data side by side.",
            )  # fmt: skip
    return pairs


Prediction = tuple[str, np.ndarray]
"""A method's name, and its points for all pairs in pixels."""


class Baselines(NamedTuple):
    """Training-free methods, which share one set of features."""

    methods: list[str]
    encoder: VisualEncoder | None

    @property
    def looks(self) -> bool:
        """Whether pictures are needed."""
        return self.encoder is not None

    def size(self, method: str) -> int | None:
        """Side of the pictures that a method is shown, None if it is shown none."""
        return self.encoder.size if self.encoder is not None and BASELINES[method].needs_pictures else None

    def predict(
        self, source: Source, pairs: Pairs, workers: int, progress: Progress, corruption: Corruption = CLEAN
    ) -> Iterator[Prediction]:
        """Each method's points; none reads names."""
        features = shown = None
        if self.encoder is not None:
            features = encode_pairs(source, pairs, self.encoder, workers=workers, progress=progress)
            if corruption.occludes:
                shown = encode_pairs(
                    source, pairs, self.encoder, workers=workers, progress=progress, corruption=corruption
                )
        table = corruption.clicks(source.instances, pose_table(source.instances))
        options = {"features": features, "shown": shown, "progress": progress}
        for name in self.methods:
            method = BASELINES[name]()
            turned = None
            if isinstance(method, Turned) and self.encoder is not None:
                used = np.unique(pairs.table[:, :-1]).tolist()
                turned = encode_turned(
                    source, used, table, self.encoder,
                    rotations=method.rotations, workers=workers, progress=progress, corruption=corruption,
                )  # fmt: skip
            yield name, predict_pairs(method, table, pairs.table, turned=turned, **options)


class Trained(NamedTuple):
    """A trained model: what its decoder started from, and where it ended."""

    name: str
    model: FewShotPose
    facts: Facts
    looks: bool = True

    def size(self, method: str) -> int:
        """Side of the pictures that the model is shown."""
        del method
        return self.model.visual.size

    def episodes(self, source: Source, pairs: Pairs) -> Episodes:
        """As the model is shown them: its own size of views, and all keypoints that it can be asked for."""
        union = self.model.support is not None and self.model.support.shots == "shown"
        return Episodes(source=source, pairs=pairs, size=self.model.visual.size, asked="any" if union else "all")

    def predict(
        self, source: Source, pairs: Pairs, workers: int, progress: Progress, corruption: Corruption = CLEAN
    ) -> Iterator[Prediction]:
        """Proposals, then refined points."""
        episodes = self.episodes(source, pairs)
        refined, proposals = predict_all(
            self.model, episodes, workers=workers, progress=progress, corruption=corruption
        )
        yield f"{self.name} (proposals)", proposals
        yield self.name, refined


Contender = Baselines | Trained


def load_baselines(names: list[str], *, backbone: str, weights: Path | None, download: bool, device: str) -> Baselines:
    """Baselines by name, or all of them, with the network of those that look at pictures.

    Raises:
        UsageError: No such baseline, no weights for the network, or no such device.
    """
    methods = list(BASELINES) if "all" in names else list(dict.fromkeys(names))
    unknown = [method for method in methods if method not in BASELINES]
    if unknown:
        raise UsageError(
            "--baseline", expected=f"{', '.join(BASELINES)} or all", got=unknown[0], fix="Choose one of them."
        )
    looks = any(BASELINES[method].needs_pictures for method in methods)
    return Baselines(
        methods, load_encoder(backbone, weights=weights, download=download, device=device) if looks else None
    )


def load_trained(
    config: str, checkpoint: Path | None, options: list[str], *, allow_pickle: bool, download: bool, device: str
) -> Trained:
    """A trained model by its config and weights, or by weights that say what model they are of.

    Raises:
        CapeError: As `load_config` and `load_model`, or no weights are given.
    """
    if is_weights(config):
        if checkpoint is not None:
            raise UsageError(
                "CHECKPOINT", expected=f"none beside {Path(config).name}, which says what model it is of",
                got=str(checkpoint), fix="Leave one of them out, or name a config first.",
            )  # fmt: skip
        return _described(config, parse_options(options), device=device)
    if checkpoint is None:
        raise UsageError(
            "CHECKPOINT", expected="the weights of the config's model", got="none",
            fix="Give a .safetensors file, for example checkpoints/best.safetensors of a run's folder.",
        )  # fmt: skip
    changes = parse_options(options)
    settings = load_config(config, changes)
    if settings.split is None:  # the weights know what they were kept from
        settings.split = json.loads(read_header(checkpoint).get("run", "{}")).get("split")
    model = load_model(
        settings, checkpoint, allow_pickle=allow_pickle, download=download, device=device, changed=changes
    )
    return Trained(Path(config).stem, model, Facts.of(settings))


def _described(name: str, changes: Mapping[str, Any], *, device: str) -> Trained:
    """A file that says what it is, as `cape.load` takes it; only the names that it reads can be changed."""
    if changes.keys() - {"text_pack"}:
        raise UsageError(
            "--cfg-options", expected="a config, whose options they change", got=name,
            fix="Give CONFIG CHECKPOINT, or leave the flag out.",
        )  # fmt: skip
    model = load(name, device=device).model
    run = json.loads(read_header(weights_of(name)).get("run", "{}"))
    facts = {each: run[each] for each in Facts._fields if each in run}
    return Trained(Path(name).stem, model, Facts(**{**facts, **changes}))


def notes_on(
    data: MP100, pairs: Pairs, damage: Corruption, *, box: Literal["truth", "none"], size: int | None
) -> list[str]:
    """What the figures of an evaluation may be compared with, and which categories asked for are not unseen.

    Args:
        data: What was read.
        pairs: The pairs.
        damage: What was done to the prompts.
        box: Whether crops were cut around the boxes.
        size: Side of the pictures that the method is shown, see `Protocol`.
    """
    names = {
        number: data.categories[number].name for number in {data.instances[row].category for row in pairs.table[:, -1]}
    }
    own = all(is_own(number, name) for number, name in names.items())
    notes = verdict(
        Protocol(
            split=data.split,
            shots=pairs.table.shape[1] - 1,
            digest=pairs.digest(),
            complete=own and set(names) == set(split_table()[data.split]["test"]),
            size=size,
            box=box,
            subset=data.subset,
            held_out=data.held_out,
            damaged=damage.rate > 0,
        )
    )
    if damage.rate > 0:
        notes.append(f"Prompts are damaged: {damage.kind}, rate {damage.rate:g}, seed {damage.seed}.")
    if box == "none":
        notes.append(
            "Each view is the square around the whole picture; errors are still divided by the true box's side."
        )
    if data.asked:
        notes += [
            familiarity(data.home[number], category=f"{name} [id {number}]", split=data.split)
            for number, name in names.items()
        ]
    return notes
