"""What decoders say of odd and damaged files without being asked: a broken picture is told of in our own words."""

import ctypes
import re
import warnings
from functools import cache

from PIL import Image

PILLOWS = re.compile(r"PIL\.")
"""Modules that warn."""


def quieten_decoders() -> None:
    """Let Pillow's remarks on odd metadata pass, and libtiff's on damaged pixels; to be called before each picture.

    Pillow's by a filter of the process: `warnings.catch_warnings` in several threads can leave any of their states
    behind.
    """
    if not warnings.filters or warnings.filters[0][3] != PILLOWS:
        warnings.filterwarnings("ignore", module=PILLOWS.pattern)
    _quieten_libtiff()


@cache
def _quieten_libtiff() -> None:
    """Let libtiff's remarks on damaged pixels pass, which it writes to file descriptor 2, with no file's name.

    Pillow has no switch for it. The handler belongs to the library that Pillow is linked with; None is its documented
    way to be silent (libtiff, TIFFSetErrorHandler).
    """
    try:
        set_handler = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
    except (AttributeError, OSError):
        return  # linked in another way, or not at all
    set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
    set_handler(None)
