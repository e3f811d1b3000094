"""A model of a user for the tests of launchers: it ends its process as `end` says, until there is a file `cured`."""

import os
import signal
import time
from pathlib import Path

import torch
from torch import Tensor, nn

STEPS = 30
"""Before it does what `end` says."""


class Fatal(nn.Module):
    """(N, ...) -> (N, num_outputs)."""

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, *, end: str) -> None:
        super().__init__()
        self.end = end
        self.steps = 0
        self.features = nn.Sequential(nn.Flatten(), nn.LazyLinear(16), nn.ReLU())
        self.features(torch.zeros(1, *input_shape))
        self.head = nn.Linear(16, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.steps == 0 and self.end == "tell":
            gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
            word = os.environ.get("CNNRUN_WORD")
            print(f"threads={torch.get_num_threads()} gpus={gpus!r} word={word} here={os.getcwd()}", flush=True)
        self.steps += self.training
        if self.training and not Path("cured").exists():
            if self.end == "killed" and self.steps > STEPS:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.end.startswith("slow"):
                time.sleep(0.05)
        return self.head(self.features(x))
