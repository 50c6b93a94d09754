"""FLF on Swin-V2 Tiny, batch 16 as GraphCape trained it. Any split by `--split`."""

_base_ = ["_base_/mp100.py", "_base_/swinv2_small_gte.py", "_base_/schedule_200.py", "_base_/runtime.py"]
model = dict(visual=dict(name="swinv2_tiny_window16_256", options=dict(drop_path_rate=0.2)))
train_dataloader = dict(batch_size=16)
