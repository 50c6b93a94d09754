"""CIGPose-l on COCO-WholeBody at 256 x 192: what every config of the whole-body model starts from (specification §5).

An input is "height x width" in names, as usual, and (width, height) in options. A config of another input states `size`
for the model and both data sets, and `sigma` of the targets, in bins: the root of an eighth of the side. Released
backbones start it with `backbone_weights=FILE`; `model.intervention.score=random` is the official score, which no loss
ever trains. On several GPUs the official norm is `SyncBN`.
"""

_base_ = ["runtime.py"]
data_root = "data/coco"
seed = 21

model = dict(
    type="WholeBodyPose",
    skeleton="coco_wholebody",
    size=(192, 256),
    split_ratio=2.0,
    backbone=dict(
        type="mmpose.CSPNeXt",
        arch="P5",
        expand_ratio=0.5,
        deepen_factor=1.0,
        widen_factor=1.0,
        out_indices=(4,),
        channel_attention=True,
        norm_cfg=dict(type="BN"),
        act_cfg=dict(type="SiLU"),
    ),
    embedding=dict(type="KeypointEmbedding", channels=1024, width=256, query=128, expansion=2),
    intervention=dict(type="CausalIntervention", train=13, test=1, score="supervised", temperature=1.0),
    graph=dict(type="HierarchicalGraph", layers=1, reduction=4, aggregation="sum"),
    head=dict(type="SimCCHead"),
)

train_dataloader = dict(
    batch_size=64,  # on each of 8 GPUs
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="pseudo_collate"),
    dataset=dict(
        type="PersonCrops",
        size=(192, 256),
        sigma=(4.9, 5.66),
        source=dict(
            type="People",
            kind="coco_wholebody",
            annotations="annotations/coco_wholebody_train_v1.0.json",
            pictures="train2017",
        ),
        stages=[
            dict(epoch=0, shift=0.16, scale=(0.6, 1.4), rotation=80.0, hole=1.0),
            dict(epoch=270, shift=0.0, scale=(0.75, 1.25), rotation=60.0, hole=0.5),
        ],
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="pseudo_collate"),
    dataset=dict(
        type="PersonCrops",
        size=(192, 256),
        sigma=(4.9, 5.66),
        source=dict(
            type="People",
            kind="coco_wholebody",
            annotations="annotations/coco_wholebody_val_v1.0.json",
            pictures="val2017",
            detections="person_detection_results/COCO_val2017_detections_AP_H_56_person.json",
        ),
    ),
)
val_cfg = dict(type="ValLoop")
val_evaluator = dict(type="KeypointAP", kind="coco_wholebody", figures="main")

train_cfg = dict(by_epoch=True, max_epochs=420, val_interval=10)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=2e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0, bypass_duplicate=True),
    clip_grad=dict(max_norm=35, norm_type=2),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-5, by_epoch=False, begin=0, end=1000),
    dict(
        type="CosineAnnealingLR", eta_min=1e-4, begin=135, end=270, T_max=135, by_epoch=True, convert_to_iter_based=True
    ),
    dict(
        type="CosineAnnealingLR", eta_min=2e-6, begin=330, end=420, T_max=90, by_epoch=True, convert_to_iter_based=True
    ),
]
custom_hooks = [
    dict(type="EpisodeEpoch"),  # the stage of the augmentation follows from it
    dict(type="AverageWeights", momentum=2e-4, gamma=2000),
    dict(type="Checkpoints", keep=2, best="AP"),
]
