"""The small model: frozen EfficientNet-Lite0 features, encoded once and kept, under a narrow head; MiniLM for text.

With a support picture it starts as nearest-neighbour matching of backbone features and learns what to change. Against learning the few
layouts of a small data set by heart: random turns, random parts of the keypoints in random order, points between
others, modality dropout, and refinement that is bounded.
"""

_base_ = ["mp100.py", "runtime.py"]
model = dict(
    type="FewShotPose",
    width=64,
    heatmap="cells",
    heatmap_weight=0.3,
    dropout=0.1,
    modality_dropout=(0.1, 0.3),
    unit_inputs=True,
    visual=dict(type="VisualEncoder", name="efficientnet_lite0", strides=(16, 32), unit_length=True, frozen=True),
    support=dict(type="SupportEncoder"),
    text=dict(type="TextEncoder", name="minilm", width=384),
    alignment=dict(type="CMAA"),
    matching=dict(type="Matching", heads=4, layers=1, hidden=128, gate=64, dropout=0.0, prior=12.0, trust=0.5),
    decoder=dict(
        type="KeypointDecoder",
        heads=4,
        layers=1,
        dropout=0.0,
        reach=0.1,
        graph=dict(type="GraphFeedForward", hidden=128, dropout=0.0),
    ),
)
features = dict(variants=8, folder="~/.cache/cape/features")
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    dataset=dict(
        augmentation=dict(scale=0.25, rotation=20.0, rotation_probability=0.5, turn=0.4, flip=0.5, colour=0.3),
        variation=dict(limit=20, subset=0.5, shuffle=True, bare=0.1, between=4),
        same=0.1,
        balance="root",
    ),
)
# One query an episode, so that categories with few instances are validated on, too.
val_dataloader = dict(num_workers=0, dataset=dict(pairs=dict(episodes=200, queries=1)))
train_cfg = dict(by_epoch=True, max_epochs=6, val_interval=1)
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.05), clip_grad=dict(max_norm=1.0)
)
param_scheduler = [
    # the engine fills in total_steps: the number of epochs
    dict(type="OneCycleLR", eta_max=1e-3, pct_start=0.1, by_epoch=True, convert_to_iter_based=True)
]
