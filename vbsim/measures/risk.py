"""A risk over repeated cases: a share with its interval."""

from __future__ import annotations

import math

from vbsim.checks import require

__all__ = ["share_with_interval"]

# Two-sided 95 % of the normal distribution.
_Z95 = 1.959963984540054


def share_with_interval(n_with: int, n_all: int) -> tuple[float, float, float]:
    """Return a share and its interval of 95 % (Wilson 1927, doi 10.1080/01621459.1927.10502953).

    Parameters
    ----------
    n_with : int
        Cases with the event.
    n_all : int
        All cases.

    Examples
    --------
    >>> [round(part, 3) for part in share_with_interval(8, 40)]
    [0.2, 0.105, 0.348]
    """
    require(n_all >= 1, "n_all", n_all, "1 or more")
    require(0 <= n_with <= n_all, "n_with", n_with, f"from 0 to {n_all}")
    share = n_with / n_all
    spread = _Z95**2 / n_all
    middle = (share + 0.5 * spread) / (1.0 + spread)
    half = _Z95 / (1.0 + spread) * math.sqrt(share * (1.0 - share) / n_all + spread / (4.0 * n_all))
    return share, max(middle - half, 0.0), min(middle + half, 1.0)
