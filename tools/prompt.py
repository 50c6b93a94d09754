"""Compile clicks and names into a prompt: `python tools/prompt.py --help`."""

import sys

from cape.commands.prompt import main

if __name__ == "__main__":
    sys.exit(main())
