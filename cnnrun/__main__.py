"""`python -m cnnrun` (what torchrun starts) is the same as `cnnrun`."""

import sys

from cnnrun.cli import main

if __name__ == "__main__":
    sys.exit(main())
