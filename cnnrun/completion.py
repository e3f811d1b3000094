"""Complete cnnrun's words in a shell, from the conf folders: no Hydra, so that the shell does not wait.

`cnnrun completion bash` prints a script; the script asks `cnnrun __complete LINE`, the line up to the cursor.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from cnnrun.config import options
from cnnrun.config.overrides import STUDY
from cnnrun.errors import ConfigError, near_miss

SCRIPTS = {
    "bash": r"""# eval "$(cnnrun completion bash)", for example in ~/.bashrc
_cnnrun() {
    local line=${COMP_LINE:0:COMP_POINT} current=${COMP_WORDS[COMP_CWORD]} word before IFS=$'\n'
    [[ $current == [=:] ]] && current=
    word=${line##* }
    before=${word%"$current"}  # bash has split the word at = and : and replaces only the last piece
    COMPREPLY=($(cnnrun __complete "$line" 2>/dev/null))
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
    [[ ${COMPREPLY[0]} == *[=.] ]] && compopt -o nospace 2>/dev/null
}
complete -o default -F _cnnrun cnnrun
""",
    "zsh": r"""# eval "$(cnnrun completion zsh)", for example in ~/.zshrc after compinit
_cnnrun() {
    local -a found
    found=(${(f)"$(cnnrun __complete "$LBUFFER" 2>/dev/null)"})
    if (( $#found )); then
        compadd -S '' -- $found
    else
        compset -P '*='
        _files
    fi
}
compdef _cnnrun cnnrun
""",
    "fish": r"""# cnnrun completion fish | source, for example in ~/.config/fish/config.fish
complete -c cnnrun -a '(cnnrun __complete (commandline -cp) 2>/dev/null)'
""",
}
CHOICES = re.compile(r"^[\w.:]+(?: \| [\w.:]+)+")
"""How a comment in a YAML lists what a setting can be."""


def script(words: Sequence[str]) -> str:
    """The script of a shell.

    Raises:
        ConfigError: if the shell is not one of three.
    """
    shells = " or ".join([", ".join(list(SCRIPTS)[:-1]), list(SCRIPTS)[-1]])
    if len(words) != 1:
        raise ConfigError(f"say for which shell: cnnrun completion {shells}")
    if words[0] not in SCRIPTS:
        raise ConfigError(f"no completion for '{words[0]}'{near_miss(words[0], SCRIPTS)}: one of {shells}")
    return SCRIPTS[words[0]]


def candidates(line: str, commands: Iterable[str], flags: Iterable[str]) -> list[str]:
    """What the last word of a line, which is up to the cursor, may become."""
    words = line.split()[1:] + ([""] if line.endswith(" ") else [])
    if not words:
        return []
    last, before = words[-1], words[:-1]
    if not before:
        found: Iterable[str] = [*commands, "completion", "--help", "--version"]
    elif before[0] == "completion":
        found = SCRIPTS
    elif before[0] not in commands:
        found = []
    elif last.startswith("-"):
        found = flags
    else:
        found = _settings(before[0], before[1:], last)
    return [candidate for candidate in found if candidate.startswith(last)]


def _settings(command: str, words: Sequence[str], last: str) -> list[str]:
    """Completions of a key, or of a value behind `key=`."""
    places = options.folders()
    groups = options.groups(command, places)
    chosen = groups | {key: value for key, _, value in (word.partition("=") for word in words) if key in groups}
    key, equals, value = last.partition("=")
    if not equals:
        group, dot, _ = key.partition(".")
        if dot:
            inside = options.settings(f"{group}/{chosen.get(group, '')}", places) if group in groups else []
            return [f"{group}.{setting.key}=" for setting in inside]
        own = [f"{setting.key}=" for setting in options.settings(command, places)]
        return [*(f"{group}{end}" for group in groups for end in "=."), *own]
    done = value.rpartition(",")[0] + "," if "," in value else ""
    return [f"{key}={done}{choice}" for choice in _choices(command, key, chosen, places)]


def _choices(command: str, key: str, chosen: dict[str, str], places: list[Path]) -> list[str]:
    """What a key can be, as far as names of files, defaults and comments tell."""
    if key in chosen:
        return options.offered(command, places)[key]
    if key == STUDY and STUDY in options.names(command, places):
        return options.options(STUDY, places)
    group, dot, name = key.partition(".")
    source = f"{group}/{chosen.get(group, '')}" if dot else command
    for setting in options.settings(source, places):
        if setting.key == (name or key):
            listed = CHOICES.match(setting.comment)
            if listed:
                return listed[0].rstrip(":").split(" | ")
            return ["true", "false"] if setting.value in ("true", "false") else []
    return []
