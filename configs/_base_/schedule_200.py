"""The paper's schedule: 200 epochs, Adam at 1e-5 after 1,000 warm-up iterations, a tenth at 160 and 180 (§3.10)."""

train_cfg = dict(by_epoch=True, max_epochs=200, val_interval=10)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-5))
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=1000),
    dict(type="MultiStepLR", by_epoch=True, milestones=[160, 180], gamma=0.1),
]
