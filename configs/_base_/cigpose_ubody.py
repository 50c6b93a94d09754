"""CIGPose-l on COCO-WholeBody and UBody: every tenth frame of its 15 kinds of scene (specification §5)."""

_base_ = ["cigpose.py"]
train_dataloader = dict(
    dataset=dict(
        source=dict(
            _delete_=True,
            type="JoinedPeople",
            sources=[
                dict(
                    type="People",
                    kind="coco_wholebody",
                    annotations="annotations/coco_wholebody_train_v1.0.json",
                    pictures="train2017",
                ),
                dict(
                    type="People",
                    kind="ubody",
                    root="data/UBody",
                    annotations="annotations/*/train_annotations.json",
                    pictures="images",
                    every=10,
                ),
            ],
        )
    )
)
