"""The program: `cnnrun`, and `python -m cnnrun`, as torchrun starts it."""

import gc
import os
import sys
from typing import NoReturn

from cnnrun.cli import main


def run() -> NoReturn:
    """Run the command line of this process, and end it."""
    code = main()
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        # Threads of gloo may still free tensors while Python ends, which now and then aborts a process that did well.
        os._exit(code)
    # Otherwise Python looks for cycles among all that torch has made, again and again, as it ends: half a second.
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    run()
