"""See predictions side by side: `python tools/compare.py --help`."""

import sys

from cape.commands.compare import main

if __name__ == "__main__":
    sys.exit(main())
