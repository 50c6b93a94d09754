"""CCNet around mmpose's HRNet-W32 at 256 x 192 (Table 2: AP 76.0 to 77.0, recall 79.3)."""

_base_ = ["_base_/ccnet.py"]
model = dict(network=dict(config="td-hm_hrnet-w32_8xb64-210e_coco-256x192"))
