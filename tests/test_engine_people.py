"""The engine with the whole-body page: what does not fit is told before training, and a small model learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from people_files import write_people

from cape.codecs import simcc_points
from cape.configuration import load_config
from cape.data.people import PersonCrops
from cape.engine import load_model, load_start, make_model, make_runner
from cape.errors import AnnotationError, UsageError
from cape.evaluation.wholebody import KeypointAP
from cape.loaders import make_people
from cape.structures import SimCC


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
