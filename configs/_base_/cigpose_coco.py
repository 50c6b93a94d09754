"""CIGPose-l on COCO's 17 keypoints: one intervention, 30 epochs of gentle augmentation (specification §5).

The official configs evaluate on the annotated boxes, as this one does: their figures are not like for like with those
of detections. `val_dataloader.dataset.source.detections=FILE` evaluates on these.
"""

_base_ = ["cigpose.py"]
model = dict(skeleton="coco", intervention=dict(train=1))
train_dataloader = dict(
    batch_size=256,  # on one GPU
    dataset=dict(
        source=dict(kind="coco", annotations="annotations/person_keypoints_train2017.json"),
        stages=[
            dict(epoch=0, shift=0.16, scale=(0.6, 1.4), rotation=80.0, hole=1.0),
            dict(epoch=390, shift=0.0, scale=(0.75, 1.25), rotation=60.0, hole=0.5),
        ],
    ),
)
val_dataloader = dict(
    dataset=dict(
        source=dict(
            _delete_=True,
            type="People",
            kind="coco",
            annotations="annotations/person_keypoints_val2017.json",
            pictures="val2017",
        )
    )
)
val_evaluator = dict(kind="coco")
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-5, by_epoch=False, begin=0, end=1000),
    dict(
        type="CosineAnnealingLR", eta_min=5e-5, begin=210, end=420, T_max=210, by_epoch=True, convert_to_iter_based=True
    ),
]
