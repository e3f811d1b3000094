"""From words on the command line to plain values, and from plain values to code.

    options      what the conf folders offer, from file names and text alone
    overrides    the key=value words, before Hydra reads them
    compose      Hydra: one config, or those of a sweep, as plain values
    complaints   what Hydra found wrong, in one sentence
    schema       check plain values against the signatures they go to; build what they name
    stored       the settings of a run, which an older version may have stored
    callables    the callable that a name stands for
    foreign      a class of the user's own, and where it fails
    reasons      what pydantic found wrong, in one clause

Hydra and its DictConfig stay in here and in `cnnrun.sweeps`; importing this package imports neither Hydra nor pydantic.
"""

from cnnrun.config.callables import find
from cnnrun.config.foreign import blamed
from cnnrun.config.invocation import Invocation, Request, Watch
from cnnrun.config.schema import bind, build, check
from cnnrun.config.stored import check_stored, config_of

__all__ = ["Invocation", "Request", "Watch", "bind", "blamed", "build", "check", "check_stored", "config_of", "find"]
