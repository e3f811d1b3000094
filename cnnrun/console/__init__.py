"""What a person sees while a command works: progress and warnings on stderr, tables of results on stdout.

On a terminal rich draws it; in a pipe or a log file it is plain lines, never wrapped, without escape codes. Work does
not end because nobody reads it any more: what cannot be written is left out.

    streams    sentences on stderr, and whether a person watches
    bar        the bar at the foot of a terminal
    display    the progress of training
    jobs       the progress of a sweep
    progress   the progress of downloads, and of files that are read
    grid       rows under the names of their columns
    summary    the table that ends a run
    numbers    how a number, an interval and a span of time are written
"""

from cnnrun.console.display import Display
from cnnrun.console.grid import table, tell_table
from cnnrun.console.jobs import JobLine, JobsDisplay
from cnnrun.console.progress import downloads, files
from cnnrun.console.streams import note, output, tell, tell_all, warn
from cnnrun.console.summary import results

__all__ = [
    "Display",
    "JobLine",
    "JobsDisplay",
    "downloads",
    "files",
    "note",
    "output",
    "results",
    "table",
    "tell",
    "tell_all",
    "tell_table",
    "warn",
]
