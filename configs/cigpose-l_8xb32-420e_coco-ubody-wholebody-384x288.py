"""CIGPose-l on COCO-WholeBody and UBody at 384 x 288, 8 x 32 people a step; embeddings of twice RTMPose's width (specification §5 and §7)."""

_base_ = ["_base_/cigpose_ubody.py"]
model = dict(
    size=(288, 384),
    embedding=dict(width=512, query=256),
)
train_dataloader = dict(batch_size=32, dataset=dict(size=(288, 384), sigma=(6.0, 6.93)))
val_dataloader = dict(dataset=dict(size=(288, 384), sigma=(6.0, 6.93)))
