"""A gradient of any loss, compared with its derivative, and what is wrong with it."""

from mlproof.verification.gradient.check import check_gradient as check_gradient
