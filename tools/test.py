"""Evaluate on the official few-shot protocol: `python tools/test.py --help`."""

import sys

from cape.commands.test import main

if __name__ == "__main__":
    sys.exit(main())
