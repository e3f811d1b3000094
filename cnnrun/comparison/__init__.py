"""Many runs in one table. Reads folders, trains nothing, and imports no torch.

found       the folders that are meant
reading     what is taken from each
differing   the settings in which they differ
groups      runs that differ in nothing but the seed; which group is the best, and which cannot be told from it
compared    all of it together
pivot       one setting against another
reference   the run table of a publication, in its own column names
sheets      what is shown of it: one table of texts
remarks     what must be known of it, in sentences
formats     that table as text, CSV, Markdown and TeX
figures     its figures
report      a page of it, and of each run, for a browser
wording     spans of time, means with intervals, marks
verdicts    a mean against a published number
"""

from cnnrun.comparison.compared import Comparison, compare
from cnnrun.comparison.found import find, names, several
from cnnrun.comparison.reading import Facts, read

__all__ = ["Comparison", "Facts", "compare", "find", "names", "read", "several"]
