"""The registries of cape: mmengine registries of scope "cape", so that a config says `type="MP100"`.

A registry imports its location at the first build; nothing needs `from cape.data import *`. Constructors take no
`**kwargs`, so a misspelt key in a config is an error that names it.
"""

from mmengine.registry import Registry

DATASETS = Registry("dataset", scope="cape", locations=["cape.data"])
MODELS = Registry("model", scope="cape", locations=["cape.models"])
