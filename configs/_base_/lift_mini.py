"""CMU motion as `pose3d_mini` has it: subjects 01, 02 and 05 teach, 03 and 07 test; every camera.

For minutes on one core (`results/lifting.md` has figures): the camera is turned towards the person, whose size is taken
out of the keypoints, and the lifter answers in units of `unit` metres, so that it need not forget a start of several
metres first.
"""

_base_ = ["lifting.py"]
data_root = "data/pose3d_mini"
model = dict(
    lifter=dict(
        _delete_=True, type="Recentred", focal=2.24, unit=0.03,
        lifter=dict(type="SimpleBaseline", root=None, width=256, dropout=0.0),
    ),
    critic=dict(energy=dict(type="GraphEnergy", width=64, heads=4, layers=2)),
)  # fmt: skip
train_dataloader = dict(
    batch_size=128,
    dataset=dict(type="LiftingData", mirror=0.5, source=dict(type="CmuMotion", path="cmu17_train.npz")),
)
val_dataloader = dict(dataset=dict(type="LiftingData", source=dict(type="CmuMotion", path="cmu17_test.npz")))
optim_wrapper = dict(lifter=dict(optimizer=dict(lr=1e-2)))
train_cfg = dict(max_epochs=2, val_interval=2)
decayed = [dict(type="CosineAnnealingLR", by_epoch=True, convert_to_iter_based=True)]
param_scheduler = dict(lifter=decayed, critic=[])
del decayed
