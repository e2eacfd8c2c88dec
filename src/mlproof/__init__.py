"""mlproof: neural-network classifiers whose every gradient is derived by hand."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlproof.version import __version__ as __version__

if TYPE_CHECKING:
    from mlproof.classifier import MLPClassifier as MLPClassifier
    from mlproof.classifier import load as load
    from mlproof.verification.asserting import assert_backward as assert_backward
    from mlproof.verification.asserting import assert_gradient as assert_gradient
    from mlproof.verification.backward import check_backward as check_backward
    from mlproof.verification.document.check import verify_document as verify_document
    from mlproof.verification.gradient import check_gradient as check_gradient

# Imported when first asked for, so that the command line answers before scikit-learn
# has been loaded (PEP 562).
_HOME = {
    "MLPClassifier": "mlproof.classifier",
    "load": "mlproof.classifier",
    "assert_backward": "mlproof.verification.asserting",
    "assert_gradient": "mlproof.verification.asserting",
    "check_backward": "mlproof.verification.backward",
    "check_gradient": "mlproof.verification.gradient",
    "verify_document": "mlproof.verification.document.check",
}
__all__ = [
    "MLPClassifier",
    "assert_backward",
    "assert_gradient",
    "check_backward",
    "check_gradient",
    "load",
    "verify_document",
]


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mlproof' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
