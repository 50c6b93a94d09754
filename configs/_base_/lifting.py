"""What every lifting config starts from: a lifter, its critic, and how they learn in turn.

`model.critic=None` is the baseline. The last epoch counts in tables; the best one on validation data is kept as well.
"""

_base_ = ["runtime.py"]
model = dict(
    type="Lifting",
    skeleton="cmu17",
    lifter=dict(type="SimpleBaseline", root=None),
    critic=dict(type="Critic", energy=dict(type="GraphEnergy")),
    alpha=1e-3,
)
loading = dict(num_workers=0, persistent_workers=False, collate_fn=dict(type="default_collate"))
train_dataloader = dict(batch_size=1024, sampler=dict(type="DefaultSampler", shuffle=True), **loading)
val_dataloader = dict(batch_size=1024, sampler=dict(type="DefaultSampler", shuffle=False, round_up=False), **loading)
del loading
val_cfg = dict(type="ValLoop")
val_evaluator = dict(type="LiftingErrors")
train_cfg = dict(by_epoch=True, max_epochs=50, val_interval=5)
optim_wrapper = dict(
    lifter=dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-3)),
    critic=dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=5e-4)),
)
custom_hooks = [dict(type="Checkpoints", keep=2, best="MPJPE", least=True)]
