"""See how much the support picture matters: `python tools/variance.py --help`."""

import sys

from cape.commands.variance import main

if __name__ == "__main__":
    sys.exit(main())
