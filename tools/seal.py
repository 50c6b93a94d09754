"""Structural losses of lifters, compared: `python tools/seal.py --help`."""

import sys

from cape.commands.seal import main

if __name__ == "__main__":
    sys.exit(main())
