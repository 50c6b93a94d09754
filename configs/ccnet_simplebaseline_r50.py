"""CCNet around mmpose's SimpleBaseline with ResNet-50 at 256 x 192 (Table 2: AP 72.4 to 73.3, recall 75.6)."""

_base_ = ["_base_/ccnet.py"]
model = dict(network=dict(config="td-hm_res50_8xb64-210e_coco-256x192"))
