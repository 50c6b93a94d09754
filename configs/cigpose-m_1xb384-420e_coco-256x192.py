"""CIGPose-m on COCO at 256 x 192, 1 x 384 people a step (specification §5 and §7)."""

_base_ = ["_base_/cigpose_coco.py"]
model = dict(
    backbone=dict(deepen_factor=0.67, widen_factor=0.75),
    embedding=dict(channels=768),
)
train_dataloader = dict(batch_size=384)
