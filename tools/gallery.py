"""What two whole-body models find of the same people: `python tools/gallery.py --help`."""

import sys

from cape.commands.gallery import main

if __name__ == "__main__":
    sys.exit(main())
