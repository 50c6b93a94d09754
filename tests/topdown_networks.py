"""Small networks of mmpose, one of each family that calibration reads, and a batch of people for them."""

from pathlib import Path

import torch
from mmengine.dataset import pseudo_collate
from people_files import write_people
from torch import nn

from cape.data.people import People, PersonCrops
from cape.models.calibration import CalibratedPose

SIZE = (64, 96)
PIXELS = {
    "type": "PoseDataPreprocessor",
    "mean": [123.675, 116.28, 103.53],
    "std": [58.395, 57.12, 57.375],
    "bgr_to_rgb": True,
}
RESNET = {"type": "ResNet", "depth": 18, "base_channels": 8, "stem_channels": 8}
HEATMAP = {"input_size": SIZE, "heatmap_size": (16, 24), "sigma": 1.5}


def hrnet() -> dict:
    """The shape of HRNet, with one block where it has several."""
    stage = {"num_modules": 1, "block": "BASIC"}
    extra = {"stage1": {**stage, "block": "BOTTLENECK", "num_branches": 1, "num_blocks": (1,), "num_channels": (8,)}}
    for number in (2, 3, 4):
        channels = tuple(4 * 2**branch for branch in range(number))
        extra[f"stage{number}"] = {
            **stage, "num_branches": number, "num_blocks": (1,) * number, "num_channels": channels,
        }  # fmt: skip
    return {"type": "HRNet", "in_channels": 3, "extra": extra}


def heatmap_head(**options) -> dict:
    return {
        "type": "HeatmapHead", "in_channels": 64, "out_channels": 17, "deconv_out_channels": (8, 8, 8),
        "decoder": {"type": "MSRAHeatmap", **HEATMAP}, **options,
    }  # fmt: skip


def integral_head(kind: str, **options) -> dict:
    return {
        "type": kind, "in_channels": 64, "in_featuremap_size": (2, 3), "num_joints": 17,
        "deconv_out_channels": (8, 8, 8),
        "decoder": {"type": "IntegralRegressionLabel", "input_size": SIZE, "heatmap_size": (16, 24), "sigma": 1.5},
        **options,
    }  # fmt: skip


UDP = {"type": "UDPHeatmap", **HEATMAP}
FAMILIES = {
    "simplebaseline": (RESNET, None, heatmap_head(), "HeatmapReader"),
    "hrnet": (hrnet(), None, heatmap_head(in_channels=4, deconv_out_channels=None), "HeatmapReader"),
    "udp": (RESNET, None, heatmap_head(decoder=UDP), "HeatmapReader"),
    "udp_offsets": (
        RESNET, None, heatmap_head(out_channels=51, decoder={**UDP, "heatmap_type": "combined"}), "HeatmapReader",
    ),
    "rle": (
        RESNET,
        {"type": "GlobalAveragePooling"},
        {
            "type": "RLEHead", "in_channels": 64, "num_joints": 17,
            "decoder": {"type": "RegressionLabel", "input_size": SIZE},
        },
        "RegressionReader",
    ),
    "dsnt": (RESNET, None, integral_head("DSNTHead"), "IntegralReader"),
    "integral": (
        RESNET, None,
        integral_head("IntegralRegressionHead", in_featuremap_size=(2, 3), deconv_out_channels=None, beta=3.0),
        "IntegralReader",
    ),
}  # fmt: skip
"""Backbone, neck, head and reader."""
HEADS = {"RegressionReader": "GapHead"}


def network_of(family: str, *, flip: bool = False, scope: str = "mmpose.") -> dict:
    """A network as mmpose's configs describe it."""
    backbone, neck, head, _ = FAMILIES[family]
    mode = "udp_combined" if family == "udp_offsets" else "heatmap"
    if family == "integral":  # its codec counts the cells that its map has
        head = {**head, "decoder": {**head["decoder"], "heatmap_size": (2, 3)}}
    return {
        "type": f"{scope}TopdownPoseEstimator", "data_preprocessor": PIXELS, "backbone": backbone, "neck": neck,
        "head": head,
        "test_cfg": {"flip_test": flip, "flip_mode": mode, "shift_heatmap": family != "udp", "shift_coords": True},
    }  # fmt: skip


def calibrated(family: str, *, flip: bool = False, head: str | None = None, seed: int = 0, **options) -> CalibratedPose:
    """A network with random weights that answers differently everywhere, and a head for it."""
    torch.manual_seed(seed)
    reader = FAMILIES[family][-1]
    page = CalibratedPose(
        network=network_of(family, flip=flip),
        reader={"type": reader},
        head={"type": head or HEADS.get(reader, "SpatialHead")},
        **{"metric": "oks", "sigmas": 0.08, **options},
    )
    for name, each in page.network.named_parameters():
        if each.dim() > 1 and "linspace" not in name:
            nn.init.normal_(each, std=(2 / each[0].numel()) ** 0.5)
    return page


def people(folder: Path, *, images: int = 3, **options) -> PersonCrops:
    """Crops of a person in each of a few pictures of noise."""
    write_people(folder, whole=False, images=images, **options)
    source = People(kind="coco", root=folder, annotations="people.json", pictures="images")
    return PersonCrops(source=source, size=SIZE, sigma=(2.83, 3.46))


def batch_of(page: CalibratedPose, crops: PersonCrops) -> dict:
    """All people, as the network's own loop would give them to it."""
    packed = pseudo_collate([crops[number] for number in range(len(crops))])
    return page.network.data_preprocessor(packed, False)
