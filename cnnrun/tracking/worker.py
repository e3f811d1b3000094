"""A thread in which a tracker works, so that a slow one holds up nobody."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

Task = Callable[[], object]


class Worker:
    """Does what it is given, one after the other, until something fails."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        """Of the first task that failed; those after it are left out."""
        self._tasks: SimpleQueue[tuple[Task, bool] | None] = SimpleQueue()
        # A daemon: one that hangs does not keep the program from ending.
        threading.Thread(target=self._work, name="tracker", daemon=True).start()

    def give(self, task: Task) -> None:
        self._tasks.put((task, False))

    def done(self) -> threading.Event:
        """What is set once everything was done that was given so far."""
        done = threading.Event()
        self._tasks.put((done.set, True))
        return done

    def stop(self) -> None:
        """Let the thread end after what it is doing."""
        self._tasks.put(None)

    def _work(self) -> None:
        while (given := self._tasks.get()) is not None:
            task, in_any_case = given
            if self.error is None or in_any_case:
                try:
                    task()
                except BaseException as error:  # some call sys.exit
                    self.error = error
