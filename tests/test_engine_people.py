"""The engine with the whole-body page: what does not fit is told before training, and a small model learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from people_files import write_people
from topdown_networks import FAMILIES, calibrated, network_of

from cape.checkpoints import read_weights, save_weights
from cape.codecs import simcc_points
from cape.configuration import load_config
from cape.data.people import PersonCrops
from cape.engine import load_model, load_start, make_model, make_runner
from cape.errors import AnnotationError, UsageError
from cape.evaluation.wholebody import KeypointAP
from cape.loaders import make_data, make_people
from cape.structures import SimCC

REPOSITORY = Path(__file__).parents[1]
HEADS = {"simplebaseline": "SpatialHead", "rle": "GapHead", "dsnt": "SampledHead"}
"""A family and the head for it."""


def test_data_of_another_size_or_skeleton_is_told(tmp_path: Path) -> None:
    write_people(tmp_path)
    config = load_config("cigpose_lite", {"data_root": str(tmp_path)})
    for subset in ("train", "val"):
        config[f"{subset}_dataloader"].dataset.source.update(annotations="people.json", pictures="images")
    assert isinstance(make_people(config, "train", size=(192, 256)), PersonCrops)
    with pytest.raises(UsageError, match=r"\(96, 128\)"):
        make_people(config, "train", size=(96, 128))
    config.model.skeleton = "coco"
    with pytest.raises(UsageError, match="coco_wholebody"):
        make_people(config, "val", size=(192, 256))


def test_without_data_or_start_nothing_begins(tmp_path: Path) -> None:
    config = load_config("cigpose_lite", {"data_root": str(tmp_path)})
    (tmp_path / "images").mkdir()
    with pytest.raises(AnnotationError, match="no such file"):
        make_runner(config, work_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    config.backbone_weights = "auto"
    with pytest.raises(UsageError, match="backbone_weights"):
        load_start(make_model(config), config)


def calibration(folder: Path, family: str, **changes: object) -> Config:
    """CCNet around a small network of mmpose, on a few people; the network's weights are in net.safetensors."""
    write_people(folder, whole=False, images=6)
    save_weights(folder / "net.safetensors", calibrated(family, flip=True).network.state_dict(), about={})
    path = folder / "ccnet.py"
    reader = FAMILIES[family][-1]
    page = {"network": network_of(family, flip=True), "reader": {"type": reader}, "head": {"type": HEADS[family]}}
    path.write_text(
        f'_base_ = ["{REPOSITORY / "configs" / "_base_" / "ccnet.py"}"]\nmodel = {page!r}\n'
        'source = dict(annotations="people.json", pictures="images")\n'
        "train_dataloader = dict(\n"
        "    batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(size=(64, 96), source=source))\n"
        "val_dataloader = dict(\n"
        "    batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(size=(64, 96), source=source))\n"
        "del source\n"
    )
    return load_config(path, {"data_root": str(folder), "start_from": str(folder / "net.safetensors"), **changes})


@pytest.mark.parametrize("family", HEADS)
def test_a_calibration_trains_its_head_alone(family: str, tmp_path: Path) -> None:
    """From the config to a checkpoint: the network in it is bit for bit what training started from (issue: frozen)."""
    config = calibration(tmp_path, family)
    make_runner(config, work_dir=tmp_path / "run").train()
    best = tmp_path / "run" / "checkpoints" / "best.safetensors"
    state, start = read_weights(best), read_weights(tmp_path / "net.safetensors")
    assert {name for name in state if name.startswith("network.")} == {f"network.{name}" for name in start}
    assert all(torch.equal(state[f"network.{name}"], value) for name, value in start.items())
    page, untrained = load_model(config, best, device="cpu"), make_model(config)
    assert all(torch.equal(value, state[f"head.{name}"]) for name, value in page.head.state_dict().items())
    assert any(
        not torch.equal(value, page.head.state_dict()[name]) for name, value in untrained.head.named_parameters()
    )
    people = make_people(config, "val")
    batch = page.network.data_preprocessor(pseudo_collate([people[item] for item in range(3)]), False)
    reading = page.read(**batch)
    verdict = page.judge(reading.evidence, reading.mirror)
    assert verdict.scores.shape == (3, 17) and verdict.confidence().isfinite().all()


def test_crops_are_of_the_size_that_the_codec_says(tmp_path: Path) -> None:
    """A heatmap network takes any; its points would be wrong, and nobody would know."""
    for family in HEADS:
        folder = tmp_path / family
        folder.mkdir()
        config = calibration(folder, family, **{"train_dataloader.dataset.size": (96, 128)})
        with pytest.raises(UsageError, match=r"\(64, 96\)"):
            make_data(config, make_model(config))


@pytest.mark.soak
@pytest.mark.shared_data
def test_26_people_are_learnt_by_heart(shared_data: Path, tmp_path: Path) -> None:
    """Five minutes on two cores. The codec alone scores about 95; two people have labels outside their crops."""
    config = load_config("cigpose_lite", {"data_root": str(shared_data / "wholebody_mini")})
    make_runner(config, work_dir=tmp_path / "run").train()
    model = load_model(config, tmp_path / "run" / "checkpoints" / "best.safetensors", device="cpu")
    people, labelled = make_people(config, "val"), make_people(config, "train")
    found = KeypointAP(), KeypointAP()
    for metric in found:
        metric.dataset_meta = people.metainfo
    for item in range(len(people)):
        with torch.no_grad():
            (sample,) = model.val_step(pseudo_collate([people[item]]))
        found[0].process([], [sample.to_dict()])
        labels = labelled[item]["data_samples"].gt_instance_labels
        points, scores = simcc_points(SimCC(labels.keypoint_x_labels, labels.keypoint_y_labels))
        centre, scale = (np.asarray(sample.metainfo[f"input_{name}"]) for name in ("center", "scale"))
        sample.pred_instances.keypoints = points.numpy() / model.size * scale + centre - scale / 2
        sample.pred_instances.keypoint_scores = scores.numpy()
        found[1].process([], [sample.to_dict()])
    learnt, codec = (100 * metric.evaluate(len(people))["AP"] for metric in found)
    assert codec > 90 and learnt > codec - 5, f"whole AP {learnt:.1f}, of the codec alone {codec:.1f}"
