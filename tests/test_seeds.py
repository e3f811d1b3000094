"""Named random streams. Run: pytest tests/test_seeds.py"""

import torch

from cnnrun.seeds import generator_of, seed_of


def test_a_seed_depends_on_every_part_and_on_their_order() -> None:
    streams = [
        ("order", 0, 1),
        ("order", 1, 0),
        ("mix", 0, 1),
        ("order", 0),
        ("order", "0", 1),
        ("order", 0, 11),
        (),
        (0,),
    ]
    assert len({seed_of(*parts) for parts in streams}) == len(streams)


def test_a_seed_is_the_same_in_every_process() -> None:
    """By hand: the first eight bytes of sha256("('order', 0, 1)"), without the sign bit."""
    assert seed_of("order", 0, 1) == 5235859805464026190


def test_a_seed_fits_the_generators_of_torch() -> None:
    assert all(0 <= seed_of(part) < 2**63 for part in range(1000))


def test_a_generator_draws_what_its_seed_says() -> None:
    expected = torch.rand(5, generator=torch.Generator().manual_seed(seed_of("a", 1)))
    assert torch.equal(torch.rand(5, generator=generator_of("a", 1)), expected)
