"""Threads that run one kernel together."""

from collections.abc import Callable

from mlproof.engines.compiled.barrier import break_
from mlproof.engines.pool import Pool
from mlproof.functions import Array


class Team:
    """The calling thread and n_threads - 1 others, kept from one run to the next."""

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        self._pool = Pool(n_threads - 1)

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
            others = [self._pool.submit(work, i) for i in range(1, self.n_threads)]
            kernel(0)
            for other in others:
                other.result()
        except BaseException:
            break_(barrier)
            self._pool.close()
            raise
        return None
