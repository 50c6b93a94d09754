"""FLF on a DINOv2 ViT-S/14 at 224 px (a 16 x 16 grid as it is), the backbone of EdgeCape. Any split by `--split`."""

_base_ = ["_base_/mp100.py", "_base_/swinv2_small_gte.py", "_base_/schedule_200.py", "_base_/runtime.py"]
model = dict(
    visual=dict(
        _delete_=True,
        type="VisualEncoder",
        name="vit_small_patch14_dinov2",
        strides=(14,),
        norm=True,
        options=dict(img_size=224),
    )
)
