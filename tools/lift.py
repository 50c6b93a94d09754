"""Keypoints of people to poses in space: `python tools/lift.py --help`."""

import sys

from cape.commands.lift import main

if __name__ == "__main__":
    sys.exit(main())
