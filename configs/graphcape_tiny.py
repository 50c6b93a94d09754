"""GraphCape as it was released, on Swin-V2 Tiny; batch 16, as it was trained. Any split by `--split`."""

_base_ = "graphcape.py"
model = dict(visual=dict(name="swinv2_tiny_window16_256", options=dict(drop_path_rate=0.2)))
train_dataloader = dict(batch_size=16)
