"""FLF for a CPU: support picture and names, frozen EfficientNet-Lite0 and MiniLM. Trains in minutes. Any split."""

_base_ = ["_base_/lite.py"]
