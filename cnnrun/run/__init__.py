"""A run directory; the only place that spells the file names inside one.

layout      the names of its files
stored      what it holds
taking      whether a folder can become one
directory   make one, lock it, write it
"""

from cnnrun.run.directory import Run
from cnnrun.run.layout import CONFIG, CONSOLE, DONE, RECORD
from cnnrun.run.stored import StoredRun, is_run, run_of, runs_near

__all__ = ["CONFIG", "CONSOLE", "DONE", "RECORD", "Run", "StoredRun", "is_run", "run_of", "runs_near"]
