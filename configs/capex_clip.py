"""CapeX as it was released, with the text half of CLIP ViT-B/32 in place of GTE. Any split by `--split`."""

_base_ = "capex.py"
model = dict(text=dict(name="clip", width=512))
