"""Two real pictures under free licences that scikit-image ships, with our own keypoints: the demo's data."""

from importlib import resources, util
from pathlib import Path

from cape.data.coco import CocoKeypoints
from cape.errors import DependencyError


def sample_pictures() -> CocoKeypoints:
    """A cat (CC0) and an astronaut (public domain, NASA), 8 and 9 keypoints.

    Raises:
        DependencyError: scikit-image is not installed.
    """
    found = util.find_spec("skimage")
    if found is None or found.origin is None:
        raise DependencyError(
            "sample pictures", expected="the package scikit-image", got="none", fix="pip install 'cape-pose[demo]'"
        )
    annotations = resources.files("cape.annotations") / "samples" / "scikit_image.json"
    with resources.as_file(annotations) as path:
        return CocoKeypoints(annotations=path, pictures=Path(found.origin).parent / "data")
