"""`python program.py CONF train -m ...`: the command line with the toy parts and with `ending`, as a program."""

import sys
from dataclasses import replace
from pathlib import Path

from cnnrun import cli
from cnnrun.config import callables, options

if __name__ == "__main__":
    options.packaged = lambda: Path(sys.argv[1])
    for group, names in callables.GROUPS.items():
        callables.GROUPS[group] = f"toy_parts:{names.partition(':')[2]}"
    cli.COMMANDS["train"] = replace(cli.COMMANDS["train"], function="ending:train")
    sys.exit(cli.main(sys.argv[2:]))
