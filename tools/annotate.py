"""Annotate pictures in the browser: `python tools/annotate.py --help`."""

import sys

from cape.commands.annotate import main

if __name__ == "__main__":
    sys.exit(main())
