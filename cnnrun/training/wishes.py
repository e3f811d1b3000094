"""What a process wants after a step, and what all of them do together."""

from enum import IntEnum

import torch

from cnnrun.training import distributed


class Wish(IntEnum):
    """What a process wants after a step; of several processes all do what the most urgent one wants."""

    GO_ON = 0
    END_EPOCH = 1
    """The time is used up."""
    STOP = 2
    """The training was asked to stop."""
    GIVE_UP = 3
    """The loss is no number."""


class Agreement:
    """Remembers the most urgent wish of this process until all are asked."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._wanted = Wish.GO_ON

    def on(self, wish: Wish, updates: int) -> Wish:
        """What to do after this step: with several processes the same in all of them, and now and then only.

        Args:
            updates: optimizer steps so far, the same in all processes.
        """
        if distributed.world_size() == 1:
            return wish
        self._wanted = max(self._wanted, wish)
        if updates % distributed.AGREE_EVERY:
            return Wish.GO_ON
        wish, self._wanted = self._wanted, Wish.GO_ON
        return Wish(distributed.most_urgent(wish, self._device))
