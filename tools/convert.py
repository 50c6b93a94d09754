"""Make safetensors of a published checkpoint: `python tools/convert.py --help`."""

import sys

from cape.commands.convert import main

if __name__ == "__main__":
    sys.exit(main())
