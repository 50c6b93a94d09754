"""Does a score for each part of the body rank its predictions better? `python tools/parts.py --help`."""

import sys

from cape.commands.parts import main

if __name__ == "__main__":
    sys.exit(main())
