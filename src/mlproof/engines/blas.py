"""One BLAS thread while an engine computes, for the whole process, and then as before.

A chunk's sum is one thread's work: its bits then do not depend on how many threads BLAS
would use, and small products do not pay for waking them.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import scipy.linalg  # noqa: F401  (loads SciPy's own OpenBLAS, so that it is limited too)
import threadpoolctl

_lock = threading.Lock()
_users = 0
_controller: threadpoolctl.ThreadpoolController | None = None
_limit: Any = None


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Limit BLAS to one thread until the last of all overlapping users is done.

    The limit is counted because it belongs to the process: of two users who each put
    back what they found, the second would find the first one's limit and leave it.
    """
    global _users, _controller, _limit
    with _lock:
        if _users == 0:
            if _controller is None:  # finding the libraries takes milliseconds
                _controller = threadpoolctl.ThreadpoolController()
            _be_heard()
            _limit = _controller.limit(limits=1, user_api="blas")
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _restore()


def _restore() -> None:
    _be_heard()
    _limit.restore_original_limits()
    _be_heard()  # and whoever is next


def _be_heard() -> None:
    """Have threadpoolctl listen to this thread.

    From 3.8 on it listens to the first that sets a limit for as long as that thread
    lives, and does nothing for any other, who may be the last user here.
    """
    with suppress(AttributeError):  # of an earlier version
        threadpoolctl.OpenBLASController.clear_controlling_thread(force=True)


def _in_child() -> None:
    """Free a forked child of the limit that threads of its parent wanted."""
    global _users
    if _users:
        _restore()
    _users = 0
    _lock.release()


# While a limit is being changed OpenBLAS holds locks that a child would wait for.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_in_child
    )
