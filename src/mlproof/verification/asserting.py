"""The checks as assertions, for a test suite: they fail with the whole report."""

from collections.abc import Callable, Mapping
from typing import Any

from mlproof.verification.backward import check_backward
from mlproof.verification.gradient import check_gradient
from mlproof.verification.report import GradientReport


def assert_gradient(
    loss: Callable[..., Any] | Mapping[str, Callable[..., Any]],
    gradient: Callable[..., Any],
    parameters: Any,
    *args: Any,
    **options: Any,
) -> None:
    """Fail unless ``gradient(parameters, *args)`` is the derivative of the loss.

    Parameters
    ----------
    loss, gradient, parameters, *args, **options
        As ``mlproof.check_gradient`` takes them.

    Raises
    ------
    AssertionError
        With the report: which block is wrong, where, and by which mistake.

    Examples
    --------
    >>> import numpy as np
    >>> from mlproof import assert_gradient
    >>> def test_the_gradient_of_the_squared_norm():
    ...     x = np.array([1.0, 2.0, 3.0])
    ...     assert_gradient(lambda x: np.sum(x**2), lambda x: 2 * x, x)
    >>> test_the_gradient_of_the_squared_norm()
    """
    __tracebackhide__ = True  # pytest then shows the line of the test
    _assert(check_gradient(loss, gradient, parameters, *args, **options))


def assert_backward(backward: Callable[..., Any], **options: Any) -> None:
    """Fail unless this backward pass of the network with one hidden layer is right.

    Parameters
    ----------
    backward, **options
        As ``mlproof.check_backward`` takes them.

    Raises
    ------
    AssertionError
        With the report, as in ``assert_gradient``.
    """
    __tracebackhide__ = True
    _assert(check_backward(backward, **options))


def _assert(report: GradientReport) -> None:
    __tracebackhide__ = True
    if not report.ok:
        raise AssertionError(f"the gradient is wrong\n{report}")
