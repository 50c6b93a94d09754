"""Predict on real pictures and draw the result: `python tools/demo.py --help`."""

import sys

from cape.commands.demo import main

if __name__ == "__main__":
    sys.exit(main())
