"""Data of a training run: data sets and loaders of a config, for a page of any kind."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.registry import FUNCTIONS
from torch.utils.data import DataLoader

from cape.configuration import built, told, unknown_key
from cape.data.corruption import CLEAN, Corruption
from cape.data.episodes import Episodes
from cape.data.lifting import LiftingData
from cape.data.people import PersonCrops
from cape.data.skeletons import read_skeleton
from cape.errors import UsageError
from cape.features import Progress, find_device, make_bank
from cape.models.calibration import CalibratedPose
from cape.models.fewshot import FewShotPose
from cape.models.lifting import Lifting
from cape.models.wholebody import WholeBodyPose
from cape.observations import Observations, identity_of, observe_episodes, observe_people
from cape.registry import DATASETS
from cape.runs import identity
from cape.structures import Lift

Page = FewShotPose | WholeBodyPose | Lifting | CalibratedPose
PATHS = ("path", "poses", "keypoints", "cameras", "metadata")
"""Options of readers of motion that are files."""


def make_data(config: Config, model: Page) -> dict[str, Any]:
    """What a model trains on and what it is chosen by, "train" and "val".

    Raises:
        CapeError: Something about the data or the keys is wrong.
    """
    if isinstance(model, Lifting):
        return {subset: make_lifting(config, subset) for subset in ("train", "val")}
    network = model.network if isinstance(model, CalibratedPose) else model
    if isinstance(network, FewShotPose):
        return {subset: make_episodes(config, subset, size=network.visual.size) for subset in ("train", "val")}
    return {subset: make_people(config, subset, size=_input_size(network)) for subset in ("train", "val")}


def _input_size(network: Any) -> tuple[int, int] | None:
    """Width and height that a network of people wants; one of mmpose says it in its codec."""
    decoder = getattr(getattr(network, "head", None), "decoder", None)
    size = getattr(network, "size", None) or getattr(getattr(decoder, "keypoint_codec", decoder), "input_size", None)
    return None if size is None else (int(size[0]), int(size[1]))


def make_people(config: Config, subset: str, *, size: tuple[int, int] | None = None) -> PersonCrops:
    """The people of "train" or "val", in crops.

    Args:
        config: See `load_config`.
        subset: Which.
        size: Width and height that the model wants; None: whatever the config says.

    Raises:
        CapeError: Something about the data or the keys is wrong.
    """
    options = dict(config[f"{subset}_dataloader"].dataset)
    options["source"] = _source(options["source"], {"root": config.data_root})
    facts: dict[str, Any] = {"seed": config.seed}
    if subset == "train":
        facts["fraction"] = config.data_fraction
    crops = built(DATASETS, _with_facts(DATASETS, options, facts), where=f"{subset}_dataloader.dataset")
    network = config.model.get("network", config.model)
    wanted = (tuple(size or crops.size), network.get("skeleton", crops.source.skeleton))
    if (tuple(crops.size), crops.source.skeleton) != wanted:
        raise UsageError(
            f"{subset}_dataloader.dataset", expected=f"crops of {wanted[0]} with the keypoints of {wanted[1]}",
            got=f"{tuple(crops.size)} with those of {crops.source.skeleton}", fix="Make data and model agree.",
        )  # fmt: skip
    return crops


def make_lifting(config: Config, subset: str) -> LiftingData:
    """The windows of "train" or "val". Paths of files are relative to `data_root`.

    Raises:
        CapeError: Something about the data or the keys is wrong, or its joints are not the model's.
    """
    options = dict(config[f"{subset}_dataloader"].dataset)
    source = dict(options["source"])
    for key in PATHS:
        if isinstance(source.get(key), str) and config.data_root is not None:
            source[key] = str(Path(config.data_root).expanduser() / source[key])
    options["source"] = built(DATASETS, source, where=f"{subset}_dataloader.dataset.source")
    data = built(DATASETS, options, where=f"{subset}_dataloader.dataset")
    wanted = read_skeleton(config.model.get("skeleton", "coco"))
    if data.skeleton.names != wanted.names:
        raise UsageError(
            f"{subset}_dataloader.dataset", expected=f"the {len(wanted)} joints of {config.model.skeleton}",
            got=f"{len(data.skeleton)}, {', '.join(data.skeleton.names[:3])}, ...", fix="Make data and model agree.",
        )  # fmt: skip
    return data


def make_episodes(config: Config, subset: str, *, size: int) -> Episodes:
    """The episodes of "train" or "val", in pictures of `size` pixels a side.

    Raises:
        CapeError: Something about the data or the keys is wrong.
    """
    options = dict(config[f"{subset}_dataloader"].dataset)
    facts = {
        "split": config.split,
        "held_out": config.held_out,
        "root": config.data_root,
        "pictures": config.pictures,
        "strict": config.strict,
        "text_pack": config.text_pack,
        "text_style": config.text_style,
    }
    if config.pattern is not None:
        facts["pattern"] = config.pattern
    source = _source(options["source"], facts)
    options["source"] = built(DATASETS, source, where=f"{subset}_dataloader.dataset.source")
    support = config.model.get("network", config.model).get("support") or {}
    facts = {"shots": config.shots, "seed": config.seed, "size": size}
    facts["asked"] = "any" if support.get("shots") == "shown" else "all"
    if subset == "train":
        facts["fraction"] = config.data_fraction
    return built(DATASETS, _with_facts(DATASETS, options, facts), where=f"{subset}_dataloader.dataset")


def _source(options: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a data set with the facts that it knows, and those of all that it joins."""
    found = _with_facts(DATASETS, options, facts)
    if "root" in found and found["root"] is None:
        raise UsageError(
            "data", expected="a folder with annotations/ and images/", got="none", fix="Give --data, or set data_root."
        )
    if "sources" in found:
        found["sources"] = [_source(each, facts) for each in found["sources"]]
    return found


def _with_facts(registry: Any, options: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Options with the facts that their type knows; what the options say themselves stays."""
    kind = registry.get(options["type"])
    known = set() if kind is None else set(inspect.signature(kind).parameters)
    return {**{key: value for key, value in facts.items() if key in known}, **options}


def _as_it_is(batch: Lift) -> Lift:
    return batch


def make_loader(
    data: Episodes | PersonCrops | LiftingData | Observations, options: Mapping[str, Any], *, seed: int
) -> DataLoader:
    """A loader whose order depends on seed and epoch alone, and which leaves torch's global generator as it was."""
    rest = {key: value for key, value in options.items() if key not in ("dataset", "sampler", "collate_fn")}
    if not rest.get("num_workers"):
        rest["persistent_workers"] = False
    with told("dataloader"):
        kind = "default_collate" if isinstance(data, Observations) else options["collate_fn"]["type"]
        collate: Any = FUNCTIONS.get(kind)
        if isinstance(data, LiftingData):  # which gives whole batches
            collate = _as_it_is
        sampler = {key: value for key, value in dict(options["sampler"]).items() if key != "type"}
        return DataLoader(
            data,
            sampler=DefaultSampler(data, seed=seed, **sampler),
            collate_fn=collate,
            generator=torch.Generator(),
            **rest,
        )


def make_loaders(config: Config, model: Page, data: Mapping[str, Any], progress: Progress) -> dict[str, DataLoader]:
    """Loaders of both; pictures that a frozen encoder or network looks at are looked at now, once."""
    if isinstance(model, CalibratedPose):
        data = {subset: _observed(config, model, part, subset, progress) for subset, part in data.items()}
        model.start_at(data["train"].all)
    for subset, part in data.items():
        if isinstance(model, FewShotPose):
            if model.text is not None:  # now, so that missing weights are told before the work begins
                model.text.embed([text for each in part.source.categories.values() for text in each.texts])
            if config.features:
                part.bank = _bank(config, model, part, subset, progress)
    return {
        subset: make_loader(part, config[f"{subset}_dataloader"], seed=config.seed) for subset, part in data.items()
    }


def _observed(config: Config, page: CalibratedPose, data: Any, subset: str, progress: Progress) -> Observations:
    """What the frozen network does on the data of a subset; in training also with damaged prompts."""
    options = dict(config.observations or {})
    damages, folder = options.pop("damages", []), options.pop("folder", None)
    if options:
        raise unknown_key(next(iter(options)), ["damages", "folder"], where="observations")
    kinds = [Corruption(**each) for each in damages] if subset == "train" and damages else [CLEAN]
    path = None
    if folder is not None:  # the file's name says what it depends on
        stated = {key: value for key, value in identity(config).items() if key.startswith("model.network.")}
        path = Path(folder).expanduser() / f"{identity_of(page, data, kinds, options=stated)}.safetensors"
        if found := Observations.load(path):
            return found
    workers = config[f"{subset}_dataloader"].get("num_workers", 0)
    page.to(find_device("auto"))
    if isinstance(data, PersonCrops):
        seen = Observations(observe_people(page, data, workers=workers, progress=progress))
    else:
        seen = Observations(observe_episodes(page, data, damages=kinds, workers=workers, progress=progress))
    if path is not None:
        seen.save(path)
    return seen


def _bank(config: Config, model: FewShotPose, episodes: Episodes, subset: str, progress: Progress) -> Any:
    if not model.visual.frozen:
        raise UsageError("features", expected="a frozen visual encoder", got="one that trains", fix="Set frozen=True.")
    options = dict(config.features)
    variants, folder = options.pop("variants", 4), options.pop("folder", None)
    if options:
        raise unknown_key(next(iter(options)), ["variants", "folder"], where="features")
    return make_bank(
        episodes,
        model.visual.to(find_device("auto")),
        variants=variants if subset == "train" else 1,
        seed=config.seed,
        folder=None if folder is None else Path(folder).expanduser(),
        workers=config[f"{subset}_dataloader"].get("num_workers", 0),
        progress=progress,
    )


def account(model: Page, data: Mapping[str, Any]) -> list[str]:
    """What a run learns from or is chosen by, line by line."""
    if isinstance(model, Lifting):
        return [_account_lifting(subset, part) for subset, part in data.items()]
    if isinstance(data["train"], PersonCrops):
        return [f"{subset}: {len(part)} people, {part.source.skeleton}" for subset, part in data.items()]
    lines = [_account(subset, part) for subset, part in data.items()]
    for subset, part in data.items():
        licences = getattr(part.source, "licences", {}).items()
        lines += [f"{subset}: {count} pictures of {what}" for what, count in licences]
    if isinstance(model, FewShotPose) and model.decision_share:
        lines.append(f"of the training categories these teach the decision alone: {_held(model, data['train'])}")
    return lines


def _account_lifting(subset: str, data: LiftingData) -> str:
    subjects = ", ".join(dict.fromkeys(clip.subject for clip in data.clips))
    frames = sum(int(clip.counted.sum()) for clip in data.clips)
    return f"{subset}: {len(data)} windows of {data.window}, {frames} frames in {len(data.clips)} clips of {subjects}"


def _held(model: FewShotPose, episodes: Episodes) -> str:
    names = {number: each.name for number, each in episodes.source.categories.items()}
    held = [name for number, name in names.items() if model.teaches_decision_alone(torch.tensor(number))]
    return ", ".join(held) or "none, so it stays as it starts"


def _account(subset: str, episodes: Episodes) -> str:
    """What a run learns from or is chosen by, and what is too small for an episode."""
    names = {number: category.name for number, category in episodes.source.categories.items()}
    used = ", ".join(name for number, name in names.items() if number not in episodes.skipped)
    skipped = ", ".join(f"{names[number]} ({count})" for number, count in episodes.skipped.items())
    left_out = f"; too few instances: {skipped}" if skipped else ""
    return f"{subset}: {len(episodes)} episodes of {len(names) - len(episodes.skipped)} categories: {used}{left_out}"
