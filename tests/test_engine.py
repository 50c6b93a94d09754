"""The engine: facts reach what is built, what does not fit is refused before anything is written, fast equals slow."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import ValLoop

from cape.checkpoints import save_weights
from cape.configuration import load_config
from cape.data.drawn import Drawn
from cape.data.episodes import Episodes, collate_episodes
from cape.data.whole import WholePicture
from cape.engine import load_model, load_start, make_model, make_runner
from cape.errors import AnnotationError, DataError, UsageError
from cape.inference import predict_all, predict_episodes
from cape.loaders import make_episodes
from cape.loops import EpisodeLoop

REPOSITORY = Path(__file__).parents[1]
CONFIG = f"""
_base_ = ["{REPOSITORY}/configs/_base_/mp100.py", "{REPOSITORY}/configs/_base_/runtime.py"]
model = dict(
    type="FewShotPose", width=32, text=None,
    visual=dict(type="VisualEncoder", name="resnet10t", strides=(16,), options=dict(zero_init_last=False)),
    support=dict(type="SupportEncoder"),
    matching=dict(type="Matching", layers=1, heads=4, hidden=32, gate=16),
    decoder=dict(type="KeypointDecoder", layers=2, heads=4, graph=dict(type="GraphFeedForward", hidden=32)),
)
backbone_weights = "random"
drawn = None
train_dataloader = dict(num_workers=0, persistent_workers=False, batch_size=4, dataset=dict(
    source=dict(_delete_=True, type="Drawn", instances=4, categories=["chair", "arrow", "fish"], size=96)))
val_dataloader = dict(num_workers=0, batch_size=7, dataset=dict(
    source=dict(_delete_=True, type="Drawn", seed=9, instances=16, categories=["chair", "quadruped"], size=96),
    pairs=dict(episodes=2)))
train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=1)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-3))
""".replace("drawn = None\n", "")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.py"
    path.write_text(CONFIG)
    return path


# ---- facts


def test_facts_reach_the_data(shared_data: Path) -> None:
    changes = {"data_root": str(shared_data / "mp100_mini"), "split": 3, "shots": 2, "seed": 7, "text_pack": "none"}
    config = load_config("cape_visual", {**changes, "data_fraction": 0.5})
    train, val = (make_episodes(config, subset, size=64) for subset in ("train", "val"))
    assert (train.source.split, train.source.subset, val.source.subset) == (3, "train", "val")
    assert (train.shots, val.shots, train.seed, train.size) == (2, 2, 7, 64)
    assert train.source.pack is None
    whole = [pool for pool in train.source.by_category().values() if len(pool) > 2]
    assert [len(pool) for pool in train.pools] == [max(3, round(0.5 * len(pool))) for pool in whole]
    assert sum(map(len, val.pools)) == sum(len(pool) for pool in val.source.by_category().values() if len(pool) > 2)


def test_what_a_config_says_itself_stays(file: Path) -> None:
    config = load_config(file, {"train_dataloader.dataset.shots": 3})
    assert make_episodes(config, "train", size=16).shots == 3
    assert make_episodes(config, "val", size=16).shots == 1


def test_the_seed_makes_the_weights(file: Path) -> None:
    first, same, other = (make_model(load_config(file, {"seed": seed})) for seed in (0, 0, 1))
    assert torch.equal(first.feature_projection.weight, same.feature_projection.weight)
    assert not torch.equal(first.feature_projection.weight, other.feature_projection.weight)


# ---- refusals


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model.widht": 3}, (UsageError, "FewShotPose", "widht")),
        ({"model.matching.depth": 3}, (UsageError, "depth")),
        ({"model.type": "FewShotPse"}, (UsageError, "FewShotPse")),
        ({"train_dataloader.dataset.source.instancs": 3}, (UsageError, "Drawn", "instancs")),
        ({"train_dataloader.dataset.type": "Episdes"}, (UsageError, "Episdes")),
        ({"train_dataloader.btch_size": 3}, (UsageError, "btch_size")),
        ({"backbone_weights": "auto"}, (UsageError, "resnet10t")),
        ({"features": {"variants": 2}}, (UsageError, "frozen")),
        ({"shots": 9}, (AnnotationError, "10 instances")),
    ],
)
def test_refused_before_training(file: Path, tmp_path: Path, refused, changes: dict, error: tuple) -> None:
    with refused(*error):
        make_runner(load_config(file, changes), work_dir=tmp_path / "run")
    assert not list((tmp_path / "run").glob("checkpoints/*"))


def test_data_is_asked_for(refused) -> None:
    config = load_config("cape_visual")
    config.data_root = None
    with refused(UsageError, "--data"):
        make_episodes(config, "train", size=64)
    with refused(AnnotationError, "data/mp100"):
        make_episodes(load_config("cape_visual"), "train", size=64)


def test_mixed_precision_needs_a_gpu(file: Path, tmp_path: Path, refused) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with refused(UsageError, "--amp"):
        make_runner(load_config(file), work_dir=tmp_path / "run", amp=True)


# ---- checkpoints of a config


def test_a_checkpoint_comes_back(file: Path, tmp_path: Path) -> None:
    config = load_config(file)
    model = make_model(config)
    path = tmp_path / "weights.safetensors"
    save_weights(path, model.state_dict(), about={"epoch": "3"})
    loaded = load_model(load_config(file, {"seed": 5}), path, device="cpu")
    assert not loaded.training
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda state: state.pop("decoder.norm.bias"), ["decoder.norm.bias", "absent"]),
        (lambda state: state.update(extra=torch.zeros(2)), ["extra", "(2,)"]),
        (lambda state: state.update({"decoder.norm.bias": torch.zeros(3)}), ["decoder.norm.bias", "(32,)", "(3,)"]),
    ],
)
def test_another_architecture_is_named_by_its_first_key(file: Path, tmp_path: Path, refused, break_it, words) -> None:
    config = load_config(file)
    state = dict(make_model(config).state_dict())
    break_it(state)
    path = tmp_path / "weights.safetensors"
    save_weights(path, state, about={})
    with refused(DataError, *words):
        load_model(config, path, device="cpu")


def test_damaged_foreign_and_pickled_files(file: Path, tmp_path: Path, refused) -> None:
    config = load_config(file)
    model = make_model(config)
    whole, pickled = tmp_path / "whole.safetensors", tmp_path / "weights.pth"
    save_weights(whole, model.state_dict(), about={})
    torch.save({"state_dict": model.state_dict()}, pickled)
    cut, foreign = tmp_path / "cut.safetensors", tmp_path / "foreign.safetensors"
    cut.write_bytes(whole.read_bytes()[:-100])
    foreign.write_text("not weights")
    for path in (cut, foreign, tmp_path / "absent.safetensors", tmp_path):
        with refused(DataError, str(path)):
            load_model(config, path, device="cpu")
    with refused(DataError, "pickle", "--allow-pickle"):
        load_model(config, pickled, device="cpu")
    load_model(config, pickled, device="cpu", allow_pickle=True)
    pickled.write_bytes(f"cos\nsystem\n(S'touch {tmp_path}/ran'\ntR.".encode())
    with refused(DataError, "pth"):
        load_model(config, pickled, device="cpu", allow_pickle=True)
    assert not (tmp_path / "ran").exists()


def test_backbone_weights_are_said_to_be_missing(refused) -> None:
    config = load_config("cape_visual")
    with torch.device("meta"):
        model = make_model(config)
    with refused(UsageError, "swinv2_small_window16_256", "download"):
        load_start(model, config)


# ---- learning


def test_text_plugs_into_a_frozen_visual_model(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "visual.safetensors"
    config = load_config(file)
    visual = make_model(config)
    save_weights(path, visual.state_dict(), about={})
    frozen = ("visual", "feature_projection", "visual_projection", "matching", "decoder")
    config.model.update(
        text={"type": "TextEncoder", "name": "random", "width": 16}, alignment={"gamma": 0.0, "norm": "none"},
        frozen=frozen,
    )  # fmt: skip
    config.start_from, config.seed = str(path), 3
    plugged = make_model(config)
    load_start(plugged, config)
    source = Drawn(instances=2, categories=("chair", "arrow"), size=96)
    still = {"scale": 0.0, "rotation": 0.0}  # a point that left the crop has a name and no picture
    batch = collate_episodes([Episodes(source=source, size=64, augmentation=still)[item] for item in (0, 2)])
    with torch.no_grad():  # attention has another, equal kernel where nothing learns
        assert torch.equal(plugged.eval()(*batch), visual.eval()(*batch))

    plugged.train()
    assert not plugged.decoder.training and not plugged.visual.training and plugged.alignment.training
    learning = {name: each for name, each in plugged.named_parameters() if each.requires_grad}
    assert {name.split(".")[0] for name in learning} == {"alignment", "text_projection"}
    optimiser = torch.optim.SGD(learning.values(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        sum(plugged(*batch, mode="loss").values()).backward()
        optimiser.step()
    assert plugged.alignment.gamma != 0
    assert all(torch.equal(value, plugged.state_dict()[key]) for key, value in visual.state_dict().items())
    assert not torch.equal(plugged.eval()(*batch), visual(*batch))


def test_a_start_must_have_all_that_is_frozen(file: Path, tmp_path: Path, refused) -> None:
    path = tmp_path / "part.safetensors"
    config = load_config(file)
    state = {key: value for key, value in make_model(config).state_dict().items() if not key.startswith("decoder.")}
    save_weights(path, state, about={})
    config.start_from, config.model["frozen"] = str(path), ("decoder",)
    with refused(DataError, "decoder.", "absent"):
        load_start(make_model(config), config)
    config.model["frozen"] = ("decodr",)
    with refused(UsageError, "decodr", "decoder"):
        make_model(config)


@pytest.mark.parametrize(("seed", "category"), [(4, "person"), (7, "ant"), (8, "arrow")])
def test_one_episode_overfits_below_a_pixel(seed: int, category: str) -> None:
    """The small model, its backbone frozen, without dropout, 300 steps; 12 of 12 seeds and categories did."""
    whole = {"dropout": 0.0, "modality_dropout": (0.0, 0.0), "matching.trust": 1.0}
    config = load_config("cape_lite", {"seed": seed, **{f"model.{key}": value for key, value in whole.items()}})
    model = make_model(config)
    load_start(model, config)
    source = Drawn(seed=seed, instances=3, categories=(category,))
    batch = collate_episodes([Episodes(source=source, seed=seed, augmentation={"scale": 0.0, "rotation": 0.0})[0]])
    support, query = batch.support, batch.query
    batch = batch._replace(
        support=support._replace(image=model.visual(support.image[0])[None]),
        query=query._replace(image=model.visual(query.image)),
    )
    optimiser = torch.optim.Adam([each for each in model.parameters() if each.requires_grad])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=300, pct_start=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        sum(model(*batch, mode="loss").values()).backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        error = 256 * (model.eval()(*batch)[-1] - query.points).norm(dim=-1)
    inside = ((query.points > 0) & (query.points < 1)).all(dim=-1)
    assert error[query.visible & batch.mask & inside].mean() < 1


# ---- evaluation


@pytest.mark.parametrize(("shots", "support"), [(1, "all"), (5, "all"), (5, "shown")])
def test_each_picture_once_gives_what_each_pair_anew_gives(file: Path, shots: int, support: str) -> None:
    changes = {"shots": shots, "model.support.shots": support, "val_dataloader.dataset.source.instances": 20}
    config = load_config(file, changes)
    model = make_model(config).eval()
    for *_, last in model.decoder.offsets:
        torch.nn.init.normal_(last.weight, std=0.1)
    model.visual.size = 64
    episodes = make_episodes(config, "val", size=64)
    found = {pose.pair: pose for _, poses in predict_episodes(model, episodes, batch_size=20) for pose in poses}
    assert sorted(found) == list(range(len(episodes))) == list(range(60))
    asked = torch.stack([episodes.labels(row).mask for row in range(60)]).numpy()
    shown = episodes.table.visible[episodes.pairs.table[:, :-1]]
    assert (asked == (shown.all(axis=1) if support == "all" else shown.any(axis=1))).all()
    assert shots == 1 or (shown.all(axis=1) != shown.any(axis=1)).any(), "no shot hides what another shows"
    with torch.inference_mode():
        for rows in np.split(np.arange(60), 6):
            for pose in model(*collate_episodes([episodes[int(row)] for row in rows]), mode="predict"):
                fast = found[pose.pair]
                width = min(len(pose.mask), len(fast.mask))
                torch.testing.assert_close(fast.points[:width], pose.points[:width], atol=1e-5, rtol=0)
                torch.testing.assert_close(fast.proposals[:width], pose.proposals[:width], atol=1e-5, rtol=0)
    refined, proposals = predict_all(model, episodes)
    assert refined.shape == (60, episodes.keypoints, 2) and np.abs(refined - proposals).max() > 1


def test_whole_pictures_come_back_in_pixels(file: Path) -> None:
    """Without boxes predictions leave the whole picture's frame."""
    model = make_model(load_config(file)).eval()
    model.visual.size = 64
    source = WholePicture(Drawn(instances=16, categories=("chair",), size=96))
    episodes = Episodes(source=source, pairs={"episodes": 1}, size=64)
    refined, _ = predict_all(model, episodes)
    batch = collate_episodes([episodes[row] for row in range(15)])
    with torch.inference_mode():
        points = model(*batch)[-1]
    matrix = batch.query.to_pixels
    assert matrix[0, 0, 0] == pytest.approx(96)
    pixels = points @ matrix[:, :, :2].mT + matrix[:, None, :, 2]
    np.testing.assert_allclose(refined[:, : pixels.shape[1]], pixels, atol=0.01)


def test_validation_is_mmengine_s_own_but_faster(file: Path, tmp_path: Path) -> None:
    config = load_config(file, {"custom_hooks": []})
    runner = make_runner(config, work_dir=tmp_path / "run")
    options = {"runner": runner, "dataloader": runner.val_dataloader, "evaluator": config.val_evaluator}
    fast, slow = EpisodeLoop(**options).run(), ValLoop(**options).run()
    assert fast.keys() == slow.keys() and fast["AUC"] > 0.3
    assert all(fast[figure] == pytest.approx(slow[figure], abs=1e-3) for figure in fast)
