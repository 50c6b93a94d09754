"""CCNet around mmpose's ViTPose-B at 256 x 192 (Table 2: AP 77.3 to 78.1, recall 80.4)."""

_base_ = ["_base_/ccnet.py"]
model = dict(network=dict(config="td-hm_ViTPose-base_8xb64-210e_coco-256x192"))
