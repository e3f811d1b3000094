"""A run directory; the only place that spells the file names inside one.

layout      the names of its files
stored      what it holds
taking      whether a folder can become one
directory   make one, lock it, write it
"""

from cnnrun.run.directory import Run
from cnnrun.run.layout import RECORD
from cnnrun.run.stored import is_run, run_of

__all__ = ["RECORD", "Run", "is_run", "run_of"]
