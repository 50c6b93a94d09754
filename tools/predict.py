"""Find a prompt's keypoints on pictures: `python tools/predict.py --help`."""

import sys

from cape.commands.predict import main

if __name__ == "__main__":
    sys.exit(main())
