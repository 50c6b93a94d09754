"""What a whole-body model's interventions hit: `python tools/interventions.py --help`."""

import sys

from cape.commands.interventions import main

if __name__ == "__main__":
    sys.exit(main())
