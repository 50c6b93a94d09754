"""Train, test and tabulate: `python tools/table.py --help`."""

import sys

from cape.commands.table import main

if __name__ == "__main__":
    sys.exit(main())
