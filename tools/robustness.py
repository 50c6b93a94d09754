"""Scores under damaged prompts: `python tools/robustness.py --help`."""

import sys

from cape.commands.robustness import main

if __name__ == "__main__":
    sys.exit(main())
