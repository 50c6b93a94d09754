"""How a run reports and saves."""

default_scope = "cape"
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    checkpoint=None,
)
custom_hooks = [
    dict(type="EpisodeEpoch"),
    dict(type="ConsistencyRamp", share=0.1),  # of decision-level fusion; else it does nothing
    dict(type="Checkpoints", keep=2, best="PCK@0.20"),
]
visualizer = dict(type="Visualizer", vis_backends=[dict(type="LocalVisBackend"), dict(type="TensorboardVisBackend")])
log_processor = dict(window_size=50, by_epoch=True)
