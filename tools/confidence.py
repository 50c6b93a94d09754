"""Are confidences what they claim, on categories never seen? `python tools/confidence.py --help`."""

import sys

from cape.commands.confidence import main

if __name__ == "__main__":
    sys.exit(main())
