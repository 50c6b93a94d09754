"""Train a config: `python tools/train.py --help`."""

import sys

from cape.commands.train import main

if __name__ == "__main__":
    sys.exit(main())
