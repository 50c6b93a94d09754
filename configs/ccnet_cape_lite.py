"""CCNet for cape-lite: how likely each of its keypoints is within 0.2 of the box's longest side.

    cape train ccnet_cape_lite --start-from cape/weights/cape-lite.safetensors --data mp100_mini

The network is not changed. Its answers are observed once, on the permitted pictures and on drawn categories that it was
not taught by, each also without names.
"""

_base_ = ["cape_lite_release.py"]
model = dict(
    _delete_=True,
    type="CalibratedPose",
    network={{_base_.model}},
    reader=dict(type="FewShotReader"),
    head=dict(type="TokenHead", width=0, hidden=32, context=True),
    metric="pck",
    loss="entropy",
)
