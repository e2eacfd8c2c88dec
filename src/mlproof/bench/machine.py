"""Where and by what was measured."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

from mlproof.engines.threads import available

PACKAGES = ("numpy", "scipy", "scikit-learn", "numba", "torch", "mlproof")


def machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": available(),
    }


def work_of_others() -> float | None:
    """Seconds that processors have worked since they were started, but not for us.

    None where the system does not tell.  Children count as us once they have ended.
    """
    try:
        total = Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, irq, softirq, steal = map(int, total)
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


def versions() -> dict[str, Any]:
    """The version of Python, of each package there is, and of each OpenBLAS loaded."""
    found: dict[str, Any] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    found["blas"] = sorted(
        {
            f"{library['internal_api']} {library['version']} "
            f"{library.get('architecture', '')}".strip()
            for library in threadpool_info()
            if library["user_api"] == "blas"
        }
    )
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
