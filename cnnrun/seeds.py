"""One rule for seeds: every random stream has a name and numbers, and nothing else decides what it draws."""

import hashlib

import torch


def seed_of(*parts: int | str) -> int:
    """63 bits that depend on every part and on their order: `seed_of("order", seed, epoch)`.

    Near parts give unrelated seeds, so streams of neighbouring epochs or ranks share nothing.
    """
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_of(*parts: int | str) -> torch.Generator:
    """A CPU generator for the stream that the parts name; the same numbers on every machine and device."""
    return torch.Generator().manual_seed(seed_of(*parts))
