"""Many runs in one table. Reads folders, trains nothing, and imports no torch.

found       the folders that are meant
reading     what is taken from each
differing   the settings in which they differ
groups      runs that differ in nothing but the seed; which group is the best, and which cannot be told from it
compared    all of it together
"""

from cnnrun.comparison.compared import Comparison, compare
from cnnrun.comparison.found import find, several
from cnnrun.comparison.reading import Facts

__all__ = ["Comparison", "Facts", "compare", "find", "several"]
