"""Parameters and MACs of a model, part by part: `python tools/describe.py --help`."""

import sys

from cape.commands.describe import main

if __name__ == "__main__":
    sys.exit(main())
