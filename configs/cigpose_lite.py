"""A small CIGPose for two cores and a few people: learns `wholebody_mini` by heart, to see that everything learns.

The backbone is a quarter as wide and a third as deep as CIGPose-l's. Trained and evaluated on the same people, with the
annotated boxes and without augmentation, mirrored pictures included; another data set wants `stages` as in the other
configs, and the flip test.
"""

_base_ = ["_base_/cigpose.py"]
data_root = "data/wholebody_mini"
backbone_weights = "random"
model = dict(
    flip_test=False,
    backbone=dict(deepen_factor=0.33, widen_factor=0.25),
    embedding=dict(channels=256, width=128, query=64),
)
people = dict(
    _delete_=True,
    type="People",
    kind="coco_wholebody",
    annotations="annotations/coco_wholebody_mini.json",
    pictures="images",
)
still = dict(flip=0.0, half_body=0.0, shift=0.0, scale=(1.0, 1.0), rotation=0.0, jitter=(0, 0, 0), blur=0.0, hole=0.0)
train_dataloader = dict(
    batch_size=8, num_workers=0, persistent_workers=False, dataset=dict(source=people, stages=[still])
)
val_dataloader = dict(batch_size=8, num_workers=0, persistent_workers=False, dataset=dict(source=people))
del people, still
train_cfg = dict(max_epochs=200, val_interval=50)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=30),
    dict(
        type="CosineAnnealingLR", eta_min=1e-4, begin=100, end=200, T_max=100, by_epoch=True, convert_to_iter_based=True
    ),
]
custom_hooks = [dict(type="EpisodeEpoch"), dict(type="Checkpoints", keep=2, best="AP")]
