"""Threads that run one kernel together."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from mlproof.engines.compiled.barrier import break_
from mlproof.functions import Array


class Team:
    """The calling thread and n_threads - 1 others, kept from one run to the next."""

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        self._pool: ThreadPoolExecutor | None = None
        self._owner = 0

    def run(self, kernel: Callable[[int], None], barrier: Array) -> None:
        """Call kernel(0) here and kernel(1), kernel(2) .. at the same time elsewhere.

        An error, or Ctrl-C, breaks the barrier, so that nobody waits for a thread that
        will not come; all have ended when this returns or raises.
        """

        def work(thread: int) -> None:
            try:
                kernel(thread)
            except BaseException:
                break_(barrier)
                raise

        if self.n_threads == 1:
            return kernel(0)
        try:
            others = [self._threads().submit(work, i) for i in range(1, self.n_threads)]
            kernel(0)
            for other in others:
                other.result()
        except BaseException:
            break_(barrier)
            self.close()
            raise
        return None

    def close(self) -> None:
        """End the threads; the next run starts new ones."""
        if self._pool is not None and self._owner == os.getpid():
            self._pool.shutdown()
        self._pool = None

    def _threads(self) -> ThreadPoolExecutor:
        # A forked child has the pool but not its threads.
        if self._pool is None or self._owner != os.getpid():
            self._pool = ThreadPoolExecutor(self.n_threads - 1, "mlproof")
            self._owner = os.getpid()
        return self._pool
