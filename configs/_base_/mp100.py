"""MP-100, the official episodes: what every few-shot config starts from. `--data`, `--split`, `--shots` change it."""

split = 1
shots = 1
data_root = "data/mp100"

train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="collate_episodes"),
    dataset=dict(type="Episodes", source=dict(type="MP100", subset="train")),
)
val_dataloader = dict(
    batch_size=16,  # pictures encoded at once
    num_workers=4,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="collate_episodes"),
    dataset=dict(type="Episodes", source=dict(type="MP100", subset="val"), pairs=dict(episodes=100)),
)
val_cfg = dict(type="EpisodeLoop")
val_evaluator = dict(type="FewShotPCK")
