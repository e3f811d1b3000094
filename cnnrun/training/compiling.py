"""A network compiled by torch, or a sentence where the machine cannot."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cnnrun.errors import ConfigError


def compiled(forward: nn.Module) -> Callable[[Tensor], Tensor]:
    """The forward, compiled at its first call.

    Raises:
        ConfigError: then, if this machine cannot compile.
    """
    # The compiler gives up on a function that it has compiled often, in other jobs of this process too.
    torch.compiler.reset()
    # A graph for each size of batch, of which there are two: the order in which they come changes neither.
    fast = torch.compile(forward, dynamic=False)

    def call(inputs: Tensor) -> Tensor:
        try:
            return fast(inputs)
        except RuntimeError as error:
            if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise
            reason = str(error).strip().splitlines()[0]
            raise ConfigError(f"compile=true does not work here ({reason}); use compile=false") from error

    return call
