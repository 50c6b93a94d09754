"""CIGPose-l on CrowdPose's 14 keypoints: two graph layers, a small learning rate, no clipping (specification §5)."""

_base_ = ["cigpose.py"]
data_root = "data/crowdpose"
model = dict(skeleton="crowdpose", intervention=dict(train=1), graph=dict(layers=2))
train_dataloader = dict(
    dataset=dict(
        source=dict(kind="crowdpose", annotations="annotations/mmpose_crowdpose_trainval.json", pictures="images"),
        stages=[
            dict(epoch=0, shift=0.16, scale=(0.6, 1.4), rotation=80.0, hole=1.0),
            dict(epoch=180, shift=0.0, scale=(0.75, 1.25), rotation=60.0, hole=0.5),
        ],
    ),
)
val_dataloader = dict(
    dataset=dict(
        source=dict(
            kind="crowdpose",
            annotations="annotations/mmpose_crowdpose_test.json",
            pictures="images",
            detections="annotations/det_for_crowd_test_0.1_0.5.json",
        )
    )
)
val_evaluator = dict(kind="crowdpose")
train_cfg = dict(max_epochs=210)
optim_wrapper = dict(optimizer=dict(lr=4e-5), clip_grad=None)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-5, by_epoch=False, begin=0, end=1000),
    dict(
        type="CosineAnnealingLR", eta_min=2e-6, begin=105, end=210, T_max=105, by_epoch=True, convert_to_iter_based=True
    ),
]
