"""CMU motion as `pose3d_mini` has it: subjects 01, 02 and 05 teach, 03 and 07 test; every camera."""

_base_ = ["lifting.py"]
data_root = "data/pose3d_mini"
model = dict(critic=dict(energy=dict(type="GraphEnergy", width=64, heads=4, layers=2)))
train_dataloader = dict(
    batch_size=512,
    dataset=dict(type="LiftingData", mirror=0.5, source=dict(type="CmuMotion", path="cmu17_train.npz")),
)
val_dataloader = dict(dataset=dict(type="LiftingData", source=dict(type="CmuMotion", path="cmu17_test.npz")))
train_cfg = dict(max_epochs=30, val_interval=5)
decayed = [dict(type="ExponentialLR", gamma=0.9, by_epoch=True)]
param_scheduler = dict(lifter=decayed, critic=[])
del decayed
