"""Designs: points in the unit cube, one row a case, reproducible from a seed."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import MissingExtra, require

__all__ = ["Method", "points", "block_size", "problem", "salib"]

FloatArray = NDArray[np.float64]

Method = Literal["latin_hypercube", "sobol", "random", "sobol_indices", "morris"]

MORRIS_LEVELS = 4
MORRIS_EDGE = 0.01
"""Quantile that stands for the end of a range in a Morris design."""


def points(method: Method, n: int, n_parameters: int, seed: int) -> FloatArray:
    """Return a design, ``(n_cases, n_parameters)``, every number in the open interval (0, 1).

    ``latin_hypercube``, ``sobol`` and ``random`` have `n` cases. ``sobol_indices`` has
    ``n (n_parameters + 2)`` and ``morris`` ``n (n_parameters + 1)``: `n` blocks, each of which can
    be left out without harm to the others (see `block_size`).
    """
    require(n > 0, "n", n, "1 or more")
    if method == "sobol_indices":
        return _inside(_saltelli(n, n_parameters, seed))
    if method == "morris":
        # Its outer levels are the ends of the range: infinite for a distribution without bounds.
        return np.clip(_trajectories(n, n_parameters, seed), MORRIS_EDGE, 1.0 - MORRIS_EDGE)
    draw = np.random.default_rng(seed)
    if method == "latin_hypercube":
        cells = np.stack([draw.permutation(n) for _ in range(n_parameters)], axis=1)
        return _inside((cells + draw.random((n, n_parameters))) / n)
    if method == "sobol":
        return _inside(_sobol(n, n_parameters, draw))
    return _inside(draw.random((n, n_parameters)))


def block_size(method: Method, n_parameters: int) -> int:
    """Return how many rows belong together: a failed case takes its block with it."""
    return {"sobol_indices": n_parameters + 2, "morris": n_parameters + 1}.get(method, 1)


def problem(n_parameters: int, names: list[str] | None = None) -> dict[str, Any]:
    """Return what SALib calls a problem: parameters by name, each in the unit interval."""
    names = names or [f"x{k}" for k in range(n_parameters)]
    return {"num_vars": n_parameters, "names": names, "bounds": [[0.0, 1.0]] * n_parameters}


def salib(module: str) -> Any:
    """Return a module of SALib, such as ``sample.morris``."""
    import importlib

    try:
        return importlib.import_module(f"SALib.{module}")
    except ImportError:
        raise MissingExtra(
            "sensitivity indices need SALib: pip install 'vbsim[sensitivity]'"
        ) from None


def _inside(found: FloatArray) -> FloatArray:
    """Keep off 0 and 1, where quantiles of unbounded distributions are infinite."""
    edge = 2.0**-20
    return np.clip(found, edge, 1.0 - edge)


def _sobol(n: int, n_parameters: int, draw: np.random.Generator) -> FloatArray:
    from scipy.stats import qmc

    # Drawn to the next power of two, where the sequence is balanced, and cut.
    engine = qmc.Sobol(n_parameters, scramble=True, seed=draw)
    return np.asarray(engine.random_base2(max(0, (n - 1).bit_length()))[:n])


def _saltelli(n: int, n_parameters: int, seed: int) -> FloatArray:
    require(n & (n - 1) == 0, "n", n, "a power of two for sobol_indices")
    sample = salib("sample.sobol").sample
    return np.asarray(sample(problem(n_parameters), n, calc_second_order=False, seed=seed))


def _trajectories(n: int, n_parameters: int, seed: int) -> FloatArray:
    sample = salib("sample.morris").sample
    return np.asarray(sample(problem(n_parameters), n, num_levels=MORRIS_LEVELS, seed=seed))
