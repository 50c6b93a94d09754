"""A small CIGPose for drawn people with CrowdPose's 14 keypoints: `benchmarks/confounders.py` draws them and trains it."""

_base_ = ["_base_/cigpose_crowdpose.py"]
data_root = "data/drawn_people"
backbone_weights = "random"
model = dict(
    size=(96, 128),
    backbone=dict(deepen_factor=0.33, widen_factor=0.25),
    embedding=dict(channels=256, width=128, query=64),
    intervention=dict(train=2),
    graph=dict(layers=1),
)
people = dict(_delete_=True, type="People", kind="crowdpose", pictures="images")
crops = dict(size=(96, 128), sigma=(3.46, 4.0))
train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(**crops, source=dict(**people, annotations="train.json"), stages=[dict(epoch=0, hole=0.5)]),
)
val_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(**crops, source=dict(**people, annotations="test.json"))
)
del people, crops
train_cfg = dict(max_epochs=12, val_interval=4)
optim_wrapper = dict(optimizer=dict(lr=2e-3), clip_grad=dict(_delete_=True, max_norm=35))
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", eta_min=1e-5, begin=2, end=12, T_max=10, by_epoch=True, convert_to_iter_based=True),
]
custom_hooks = [dict(type="EpisodeEpoch"), dict(type="Checkpoints", keep=2, best="AP")]
