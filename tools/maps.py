"""See where a model looks: `python tools/maps.py --help`."""

import sys

from cape.commands.maps import main

if __name__ == "__main__":
    sys.exit(main())
