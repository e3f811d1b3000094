"""The program: `cnnrun`, and `python -m cnnrun`, as torchrun starts it."""

import atexit
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

from cnnrun.cli import main


def run() -> NoReturn:
    """Run the command line of this process, and end it.

    It ends as Python ends, but for the search among all that torch has made for what could be freed, which takes half
    a second, and which threads of gloo do not survive where several processes train together.
    """
    code = main()
    if "torch" not in sys.modules:
        sys.exit(code)
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as trackers have
        atexit._run_exitfuncs()
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
