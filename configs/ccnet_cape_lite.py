"""CCNet for cape-lite: how likely each of its keypoints is within 0.2 of the box's longest side.

    cape train ccnet_cape_lite --start-from cape/weights/cape-lite.safetensors --data mp100_mini

The network is not changed. It is observed on drawn categories that it was not taught by, since it is better at those
that it was; one prompt in two without names, then with half of the clicks, then with names alone. No cue of the head is
a token: those mean what the training categories made them mean.
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
features = None
observations = dict(
    damages=[dict(kind="empty", rate=0.5), dict(kind="unclicked", rate=0.5), dict(kind="unclicked", rate=1.0)],
    folder="~/.cache/cape/observations",
)
train_dataloader = dict(
    batch_size=128,
    dataset=dict(
        _delete_=True,
        type="Episodes",
        source=dict(type="Drawn", categories=[], bred=(9100, 9200), instances=16, size=256, rich=True),
        pairs=dict(episodes=1),
    ),
)
val_dataloader = dict(batch_size=256, dataset=dict(source=dict(bred=(9200, 9300)), pairs=dict(episodes=1, queries=7)))
train_cfg = dict(max_epochs=8, val_interval=8)
val_cfg = dict(_delete_=True, type="ValLoop")
val_evaluator = dict(_delete_=True, type="Calibration")
optim_wrapper = dict(optimizer=dict(lr=3e-3, weight_decay=0.01))
param_scheduler = [dict(type="OneCycleLR", eta_max=3e-3, pct_start=0.1, by_epoch=True, convert_to_iter_based=True)]
custom_hooks = [dict(type="EpisodeEpoch"), dict(type="Recalibrate"), dict(type="Checkpoints", keep=2, best="skill")]
