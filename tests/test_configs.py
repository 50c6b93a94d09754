"""Every config in configs/: short, complete, buildable; one real, narrow step for each distinct model."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.optim.scheduler import CosineAnnealingLR, LinearLR
from people_files import write_people

from cape.configuration import load_config
from cape.data.drawn import Drawn
from cape.data.episodes import Episodes, collate_episodes
from cape.data.people import SKELETONS, JoinedPeople, People, PersonCrops
from cape.data.skeletons import read_skeleton
from cape.data.topdown import Stage
from cape.engine import make_model
from cape.features import silent
from cape.loaders import make_data, make_loaders
from cape.registry import DATASETS, HOOKS, LOOPS, METRICS, MODELS

ALL = sorted(path for path in (Path(__file__).parents[1] / "configs").glob("*.py") if path.name[0] != "_")
PEOPLE = [path for path in ALL if path.name.startswith(("cigpose", "rtmpose"))]
CALIBRATED = [path for path in ALL if path.name.startswith("ccnet")]
LIFTS = [path for path in ALL if path.name.startswith(("lift", "seal"))]
CONFIGS = [path for path in ALL if path not in (*PEOPLE, *LIFTS, *CALIBRATED)]
SPLITS = {kind: [path for path in CONFIGS if path.name.startswith(f"cape_{kind}_split")] for kind in ("flf", "dlf")}
DISTINCT = [
    path
    for path in CONFIGS
    if path.name not in {f"cape_{kind}_split{split}.py" for kind in ("flf", "dlf") for split in range(2, 6)}
]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_leaf_is_short_and_described(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 40
    assert text.startswith('"""') and len(text.splitlines()[0]) > 30


@pytest.mark.parametrize("kind", SPLITS)
def test_the_leaves_of_the_splits_differ_in_the_split_alone(kind: str) -> None:
    first = load_config(SPLITS[kind][0]).to_dict()
    assert len(SPLITS[kind]) == 5
    for number, path in enumerate(SPLITS[kind], start=1):
        config = load_config(path).to_dict()
        assert config["split"] == number
        assert {**config, "split": 1} == first


@pytest.mark.parametrize("path", [*CONFIGS, *CALIBRATED], ids=lambda path: path.stem)
def test_builds_on_the_meta_device(path: Path) -> None:
    config = load_config(path)
    with torch.device("meta"):
        model = make_model(config)
    assert any(parameter.requires_grad for parameter in model.parameters())
    metrics = config.val_evaluator if isinstance(config.val_evaluator, list) else [config.val_evaluator]
    for registry, parts in ((HOOKS, config.custom_hooks), (METRICS, metrics), (LOOPS, [config.val_cfg])):
        for part in parts:
            known = set(inspect.signature(registry.get(part["type"])).parameters)
            assert set(part) - {"type"} <= known, part
    schedule = [each for each in config.get("param_scheduler", []) if each.get("by_epoch")]
    assert all(max(each.get("milestones", [0])) < config.train_cfg.max_epochs for each in schedule)


NARROW = {"swinv2_small_window16_256": "swinv2_tiny_window8_256", "swinv2_tiny_window16_256": "swinv2_tiny_window8_256"}


@pytest.mark.parametrize("path", DISTINCT, ids=lambda path: path.stem)
def test_one_narrow_step(path: Path) -> None:
    """The model of the config with a narrow head and, for Swin-V2 Small, a lighter sister of its backbone."""
    config = load_config(path, {"model.width": 32})
    config.model.matching.update(heads=4, hidden=32, gate=8, layers=1)
    config.model.decoder.update(heads=4, layers=1)
    if config.model.decoder.graph.type == "GraphFeedForward":
        config.model.decoder.graph.update(hidden=32)
    config.model.visual.name = NARROW.get(config.model.visual.name, config.model.visual.name)
    if config.model.text is not None:
        config.model.text = {"type": "TextEncoder", "name": "random", "width": 64}
    model = make_model(config).train()
    episodes = Episodes(source=Drawn(instances=2, categories=("chair", "arrow"), size=96), size=model.visual.size)
    batch = collate_episodes([episodes[0], episodes[2]])
    loss = sum(model(*batch, mode="loss").values())
    loss.backward()
    assert loss.isfinite()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert sum(parameter.grad is not None for parameter in learning) == len(learning)


SMALL = ("cigpose_lite", "cigpose_drawn")
OFFICIAL = [path for path in PEOPLE if path.stem not in SMALL]
NETS = {"m": (0.67, 0.75, 768), "l": (1.0, 1.0, 1024), "x": (1.33, 1.25, 1280)}
# Specification §5: interventions in training, graph layers, learning rate, clipping, first epoch of the second stage.
RECIPES = {
    "coco-wholebody": (13, 1, 2e-3, 35, 270),
    "coco-ubody-wholebody": (13, 1, 2e-3, 35, 270),
    "coco": (1, 1, 1e-3, 35, 390),
    "crowdpose": (1, 2, 4e-5, None, 180),
}


def test_there_is_a_config_for_every_row_and_a_baseline_for_each():
    cigpose = [path.stem.removeprefix("cigpose-") for path in OFFICIAL if path.stem.startswith("cigpose-")]
    rtmpose = [path.stem.removeprefix("rtmpose-") for path in OFFICIAL if path.stem.startswith("rtmpose-")]
    assert len(cigpose) == 14 and cigpose == rtmpose
    assert "l_8xb32-420e_coco-wholebody-384x288" in cigpose  # the one that the official README names


@pytest.mark.parametrize("path", OFFICIAL, ids=lambda path: path.stem)
def test_people_configs_are_what_their_names_say(path: Path) -> None:
    pattern = r"(cig|rtm)pose-([mlx])_(\d)xb(\d+)-(\d+)e_(.+)-(\d+)x(\d+)"
    method, net, _, batch, epochs, data, height, width = re.fullmatch(pattern, path.stem).groups()
    config = load_config(path)
    model = config.model
    interventions, layers, rate, clip, second = RECIPES[data]
    assert config.train_dataloader.batch_size == int(batch) and config.train_cfg.max_epochs == int(epochs)
    assert tuple(model.size) == (int(width), int(height))
    backbone = model.backbone
    assert (backbone.deepen_factor, backbone.widen_factor, model.embedding.channels) == NETS[net]
    wide = method == "cig" and "wholebody" in data and height == "384"
    assert (model.embedding.width, model.embedding.query) == ((512, 256) if wide else (256, 128))
    if method == "cig":
        assert (model.intervention.train, model.intervention.test, model.graph.layers) == (interventions, 1, layers)
        assert model.intervention.get("weight", 0.1) == 0.1
    else:
        assert model.intervention is None and model.graph is None
        assert not model.head.bias
    assert config.optim_wrapper.optimizer.lr == rate and (config.optim_wrapper.clip_grad or {}).get("max_norm") == clip
    first, after = (Stage.of(each) for each in config.train_dataloader.dataset.stages)
    assert (first.shift, first.hole, after.shift, after.hole, after.epoch) == (0.16, 1.0, 0.0, 0.5, second)
    if net == "x":
        assert first.scale == after.scale == (0.5, 1.5) and first.rotation == after.rotation == 90
    else:
        assert (first.scale, first.rotation, after.scale, after.rotation) == ((0.6, 1.4), 80, (0.75, 1.25), 60)


def sources_of(options: dict) -> list[dict]:
    """The data sets that are joined, or the one."""
    return options["sources"] if options["type"] == "JoinedPeople" else [options]


@pytest.mark.parametrize("path", PEOPLE, ids=lambda path: path.stem)
def test_people_configs_agree_with_themselves(path: Path) -> None:
    config = load_config(path)
    skeleton = config.model.skeleton
    for subset in ("train", "val"):
        crops = config[f"{subset}_dataloader"].dataset
        assert set(crops) - {"type"} <= set(inspect.signature(PersonCrops).parameters)
        assert tuple(crops.size) == tuple(config.model.size)
        # 4.9 and 5.66 at 192 x 256, 6 and 6.93 at 288 x 384
        assert all(abs(sigma - (side / 8) ** 0.5) < 0.01 for sigma, side in zip(crops.sigma, crops.size, strict=True))
        for source in sources_of(crops.source):
            assert set(source) - {"type"} <= set(inspect.signature(People).parameters)
            assert SKELETONS[source["kind"]] == skeleton
    assert set(config.train_dataloader.dataset.source) - {"type"} <= {
        *inspect.signature(JoinedPeople).parameters,
        *inspect.signature(People).parameters,
    }
    starts = [Stage.of(each).epoch for each in config.train_dataloader.dataset.stages]
    assert starts[0] == 0 and max(starts) < config.train_cfg.max_epochs
    assert "stages" not in config.val_dataloader.dataset
    detected = "detections" in config.val_dataloader.dataset.source
    assert detected == (skeleton != "coco" and path.stem not in SMALL)
    assert config.val_evaluator.kind == skeleton
    interventions = (config.model.intervention or {}).get("train", 0)
    assert interventions <= len(read_skeleton(skeleton))
    assert config.train_cfg.max_epochs % config.train_cfg.val_interval == 0
    known = set(inspect.signature(METRICS.get(config.val_evaluator.type)).parameters)
    assert set(config.val_evaluator) - {"type"} <= known
    assert LOOPS.get(config.val_cfg.type) is not None


@pytest.mark.parametrize("path", PEOPLE, ids=lambda path: path.stem)
def test_people_models_build_on_the_meta_device(path: Path) -> None:
    config = load_config(path)
    with torch.device("meta"):
        model = MODELS.build(config.model.to_dict())
    assert len(model.skeleton) == len(read_skeleton(config.model.skeleton))
    assert any(parameter.requires_grad for parameter in model.parameters())


def test_the_small_people_config_learns_a_step_and_predicts(tmp_path: Path) -> None:
    """Data, model, losses and metric of one config meet: a batch of crops in, losses with gradients and AP out."""
    write_people(tmp_path)
    config = load_config("cigpose_lite")
    crops = {}
    for subset in ("train", "val"):
        options = config[f"{subset}_dataloader"].dataset.to_dict()
        options |= {"size": (64, 96), "sigma": (2.83, 3.46)}
        options["source"] |= {"root": tmp_path, "annotations": "people.json", "pictures": "images"}
        crops[subset] = DATASETS.build(options)
    model = MODELS.build({**config.model.to_dict(), "size": (64, 96)}).train()
    batch = model.data_preprocessor(pseudo_collate([crops["train"][index] for index in range(3)]), True)
    losses = model(**batch, mode="loss")
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert all(each.grad is not None for each in model.parameters() if each.requires_grad)
    metric = METRICS.build(config.val_evaluator.to_dict())
    metric.dataset_meta = crops["val"].metainfo
    with torch.no_grad():
        found = model.eval().val_step(pseudo_collate([crops["val"][index] for index in range(3)]))
    metric.process([], [each.to_dict() for each in found])
    assert 0 <= metric.evaluate(3)["AP"] < 0.5


# Learning rate, relative to the base, at the start of epochs (specification §5).
RATES = {
    "coco-wholebody": {100: 1, 135: 1, 270: 0.05, 300: 0.05, 330: 0.05, 420: 0.001},
    "coco": {100: 1, 210: 1, 420: 0.05},
    "crowdpose": {50: 1, 105: 1, 210: 0.05},
}


@pytest.mark.parametrize("data", RATES)
def test_the_learning_rate_follows_the_table(data: str) -> None:
    batch, epochs = {"coco-wholebody": ("8xb64", 420), "coco": ("1xb256", 420), "crowdpose": ("1xb64", 210)}[data]
    config = load_config(f"cigpose-l_{batch}-{epochs}e_{data}-256x192")
    base, steps = config.optim_wrapper.optimizer.lr, 25
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    kinds = {"LinearLR": LinearLR, "CosineAnnealingLR": CosineAnnealingLR}
    schedulers = []
    for options in config.param_scheduler:
        rest = {key: value for key, value in options.items() if key not in ("type", "convert_to_iter_based")}
        if options.get("convert_to_iter_based"):
            schedulers.append(kinds[options.type].build_iter_from_epoch(optimizer, **rest, epoch_length=steps))
        else:
            schedulers.append(kinds[options.type](optimizer, **rest))
    rates = []
    for _ in range(epochs * steps + 1):
        rates.append(optimizer.param_groups[0]["lr"] / base)
        optimizer.step()
        for each in schedulers:
            each.step()
    assert rates[0] == pytest.approx(1e-5)
    for epoch, expected in RATES[data].items():
        assert rates[epoch * steps] == pytest.approx(expected, rel=0.02), epoch


LIGHT = {
    "ccnet_simplebaseline_r50": {"backbone.depth": 18, "head.in_channels": 512},
    "ccnet_rle_r50": {"backbone.depth": 18, "head.in_channels": 512},
    "ccnet_ipr_r50": {"backbone.depth": 18, "head.in_channels": 512},
    "ccnet_vitpose_b": {
        "head.in_channels": 32,
        "backbone.arch": {
            "_delete_": True, "embed_dims": 32, "num_layers": 1, "num_heads": 2, "feedforward_channels": 32,
        },
    },
    "ccnet_rtmpose_m": {"backbone.widen_factor": 0.125, "backbone.deepen_factor": 0.01, "embedding.channels": 128},
    "ccnet_cigpose_l": {"backbone.widen_factor": 0.125, "backbone.deepen_factor": 0.01, "embedding.channels": 128},
}  # fmt: skip
"""Lighter networks of the same kind."""
PEOPLE_CALIBRATED = [path for path in CALIBRATED if path.stem != "ccnet_cape_lite"]


@pytest.mark.parametrize("path", PEOPLE_CALIBRATED, ids=lambda path: path.stem)
def test_a_calibration_of_people_observes_and_learns(path: Path, tmp_path: Path) -> None:
    """Data, network, reader, head and metric of the config meet, through the engine's own loaders."""
    write_people(tmp_path, whole=False)
    changes = {f"model.network.{key}": value for key, value in LIGHT.get(path.stem, {}).items()}
    config = load_config(path, {**changes, "data_root": str(tmp_path)})
    for subset in ("train", "val"):
        config[f"{subset}_dataloader"].num_workers = 0
        config[f"{subset}_dataloader"].dataset.source.update(annotations="people.json", pictures="images")
    model = make_model(config)
    wide, high = config.train_dataloader.dataset.size
    data = make_data(config, model)
    assert {tuple(each.size) for each in data.values()} == {(wide, high)} == {tuple(config.val_dataloader.dataset.size)}
    decoder = config.model.network.get("head", {}).get("decoder", {})
    assert tuple(decoder.get("input_size", (wide, high))) == (wide, high), "crops are of the network's size"

    loaders = make_loaders(config, model, data, silent)
    assert len(loaders["train"].dataset) == 3 and loaders["train"].batch_size == 128
    batch = next(iter(loaders["train"]))
    losses = model.train()(*batch, mode="loss")
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    learning = [each for each in model.parameters() if each.requires_grad]
    assert learning and all(each.grad is not None for each in learning)
    assert len(learning) == len(list(model.head.parameters()))
    rows = model.eval()(*next(iter(loaders["val"])), mode="predict")
    metric = METRICS.build(config.val_evaluator.to_dict())
    metric.process([], rows)
    found = metric.evaluate(3)  # correlations with the errors of a network that knows nothing may not exist
    assert all(np.isfinite(found[name]) for name in ("skill", "Brier", "ECE", "presence/Brier"))


@pytest.mark.parametrize("path", PEOPLE_CALIBRATED, ids=lambda path: path.stem)
def test_a_calibration_is_trained_by_the_recipe(path: Path) -> None:
    """Specification §3.6: Adam, 1e-3, a tenth of it after the first of two epochs, batches of 128."""
    config = load_config(path)
    assert config.train_cfg.max_epochs == 2 and config.train_dataloader.batch_size == 128
    assert config.optim_wrapper.optimizer == {"type": "Adam", "lr": 1e-3}
    assert config.param_scheduler == [{"type": "MultiStepLR", "by_epoch": True, "milestones": [1], "gamma": 0.1}]
    assert (config.model.metric, config.model.sigmas) == ("oks", "coco") and config.model.presence_weight == 0.02
    for subset in ("train", "val"):
        assert "stages" not in config[f"{subset}_dataloader"].dataset


# Parameters of lifter and loss-net (specification §3, §5); rates of both and α (§6, where it has them)
SEAL = {
    "simple-baseline_human36m": (4_288_557, 2_451_720, 4_282_369, 1e-3, 5e-4, 1e-3),
    "semgcn_human36m": (267_343, 2_451_720, 4_282_369, 1e-3, 5e-4, 1e-3),
    "videopose_human36m": (8_485_933, 2_451_720, 4_282_369, 1e-3, 5e-4, 1e-3),
    "mixste_human36m": (33_783_811, 2_185_512, 4_287_489, 4e-5, 1e-4, 1e-5),
    "simple-baseline_mpi3dhp": (25_382_963, 2_451_752, 4_287_489, 2e-4, 5e-4, 1e-3),
    "semgcn_mpi3dhp": (267_373, 2_451_752, 4_287_489, 1e-2, 1e-3, 1e-4),
    "videopose_mpi3dhp": (8_494_131, 2_451_752, 4_287_489, 1e-4, 1e-4, 5e-3),
    "simple-baseline_h3wb": (4_891_023, 2_455_464, 4_881_409, 1e-3, 5e-4, 1e-3),
    "videopose_h3wb": (9_088_399, 2_455_464, 4_881_409, 1e-3, 5e-4, 1e-3),
}


def test_there_is_a_config_for_every_row_of_lifters() -> None:
    names = {path.stem for path in LIFTS if path.name.startswith("seal")}
    assert names == {f"seal-{energy}_{row}" for row in SEAL for energy in ("graph", "mlp", "none")}


@pytest.mark.parametrize("path", LIFTS, ids=lambda path: path.stem)
def test_lifting_configs_build_and_agree_with_themselves(path: Path) -> None:
    config = load_config(path)
    with torch.device("meta"):
        model = make_model(config)
    energy, _, row = path.stem.partition("_")
    if row in SEAL:
        lifter, graph, mlp, rate, critic_rate, alpha = SEAL[row]
        expected = {"seal-graph": graph, "seal-mlp": mlp, "seal-none": 0}[energy]
        counts = [
            sum(each.numel() for each in part.parameters()) if part else 0 for part in (model.lifter, model.critic)
        ]
        assert counts == [lifter, expected]
        rates = [config.optim_wrapper[name].optimizer.lr for name in ("lifter", "critic")]
        assert [*rates, config.model.alpha] == [rate, critic_rate, alpha]
    for subset in ("train", "val"):
        data = config[f"{subset}_dataloader"].dataset
        for options in (data, data.source):
            assert set(options) - {"type"} <= set(inspect.signature(DATASETS.get(options.type)).parameters)
    assert (config.model.critic or {}).get("pair", "none") == "none" or config.train_dataloader.dataset.window > 3
    assert config.train_cfg.max_epochs % config.train_cfg.val_interval == 0
    assert LOOPS.get(config.val_cfg.type) is not None and METRICS.get(config.val_evaluator.type) is not None
