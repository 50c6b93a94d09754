"""CCNet around a network of people: what every such config starts from (specification §3.6).

    cape train ccnet_hrnet_w32 --start-from NETWORK.safetensors --data coco

The network stands in the config by the name of its own, one of mmpose or of cape, with what is changed of it beside the
name; `cape convert` writes its weights. It is not changed, and looks at everybody once: what the head reads is kept in
memory, in half precision. The network has seen the people of its training, and is better at those than at others, so a
head learns that it is better than it is: fit it to people whom the network was not taught, where there are some
(`train_dataloader.dataset.source`), or add the hook `Recalibrate` with others than those of the evaluation.
"""

_base_ = ["runtime.py"]
data_root = "data/coco"

model = dict(
    type="CalibratedPose",
    reader=dict(type="HeatmapReader"),
    head=dict(type="SpatialHead"),
    metric="oks",
    sigmas="coco",
    loss="squared",
    presence_weight=0.02,
    aggregation="soft",
)
train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
    dataset=dict(
        type="PersonCrops",
        size=(192, 256),
        source=dict(
            type="People", kind="coco", annotations="annotations/person_keypoints_train2017.json", pictures="train2017"
        ),
    ),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="default_collate"),
    dataset=dict(
        type="PersonCrops",
        size=(192, 256),
        source=dict(
            type="People", kind="coco", annotations="annotations/person_keypoints_val2017.json", pictures="val2017"
        ),
    ),
)
val_cfg = dict(type="ValLoop")
val_evaluator = dict(type="Calibration")
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=2)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-3))
param_scheduler = [dict(type="MultiStepLR", by_epoch=True, milestones=[1], gamma=0.1)]
custom_hooks = [dict(type="EpisodeEpoch"), dict(type="Checkpoints", keep=2, best="skill")]
