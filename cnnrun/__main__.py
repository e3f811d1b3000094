"""`python -m cnnrun`, as torchrun starts it."""

import os
import sys

from cnnrun.cli import main

if __name__ == "__main__":
    code = main()
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        # Threads of gloo may still free tensors while Python ends, which now and then aborts a process that did well.
        os._exit(code)
    sys.exit(code)
