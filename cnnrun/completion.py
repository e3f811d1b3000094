"""Complete cnnrun's words in a shell."""


def script(words: list[str]) -> str:
    raise NotImplementedError


def candidates(words: list[str], commands: list[str]) -> str:
    raise NotImplementedError
