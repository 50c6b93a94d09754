"""CapeX as it was released, on Swin-V2 Tiny and CLIP ViT-B/32; batch 16, as it was trained. Any split."""

_base_ = "capex_tiny.py"
model = dict(text=dict(name="clip", width=512))
