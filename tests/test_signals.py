"""Ctrl-C is a wish at first and an order the second time. `pytest tests/test_signals.py`"""

import os
import signal

import pytest

from cnnrun.errors import Interrupted
from cnnrun.signals import Signals


def send(signum):
    os.kill(os.getpid(), signum)


@pytest.mark.parametrize(("signum", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_first_signal_is_noted_and_the_second_interrupts(signum, exit_code):
    with Signals() as signals:
        assert not signals()
        send(signum)
        assert signals()
        with pytest.raises(Interrupted) as caught:
            send(signum)
    assert caught.value.exit_code == exit_code


def test_work_without_steps_is_interrupted_at_once():
    with Signals() as signals:
        signals.interrupt_at_once()
        with pytest.raises(Interrupted, match="stopped by SIGTERM"):
            send(signal.SIGTERM)


def test_a_signal_that_came_before_is_not_forgotten():
    with Signals() as signals:
        send(signal.SIGINT)
        with pytest.raises(Interrupted, match="stopped by Ctrl-C"):
            signals.interrupt_at_once()


def test_the_handlers_from_before_are_put_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Signals():
        pass
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_hang_up_that_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            send(signal.SIGHUP)
            assert not signals()
    finally:
        signal.signal(signal.SIGHUP, before)
