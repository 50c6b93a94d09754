"""CIGPose-x on COCO-WholeBody and UBody at 384 x 288, 8 x 32 people a step; embeddings of twice RTMPose's width (specification §5 and §7)."""

_base_ = ["_base_/cigpose_ubody.py"]
model = dict(
    size=(288, 384),
    backbone=dict(deepen_factor=1.33, widen_factor=1.25),
    embedding=dict(channels=1280, width=512, query=256),
)
train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        size=(288, 384),
        sigma=(6.0, 6.93),
        stages=[
            dict(epoch=0, shift=0.16, scale=(0.5, 1.5), rotation=90.0, hole=1.0),
            dict(epoch=270, shift=0.0, scale=(0.5, 1.5), rotation=90.0, hole=0.5),
        ],
    ),
)
val_dataloader = dict(dataset=dict(size=(288, 384), sigma=(6.0, 6.93)))
