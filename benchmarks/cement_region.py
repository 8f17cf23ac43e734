"""Fit the modulus of cemented bone to the rows that are set aside for it, C8 and C9.

The factor of the law `reduced` (modulus of filled bone / modulus of the cement) whose worst misfit
is least. There are three, each in half widths of its band: stiffness gained by a connected and by a
partial fill of a section (C8), from the published value or, where only a limit was published, from
the middle of the band; and the factor itself, from its published value (C9). Nothing else is looked
at. Prints what the rows become over a range of factors, the best one, and that of least squares.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import minimize_scalar

from vbsim.augmentation import CementFill
from vbsim.materials import BoneCementLaw
from vbsim.study.validation.bench import Bench
from vbsim.study.validation.steps import Section
from vbsim.study.validation.table import Row, entries

FACTORS = (0.2, 0.3, 0.4, 0.5, 0.61, 0.8)
SHAPES = {"connected": "column", "partial": "central"}


def gains(bench: Bench, factor: float) -> dict[str, float]:
    """Return the gain of stiffness by each fill of C8, percent."""
    entry = entries()["C8"]
    bare = bench.stiffness(entry.setup, Section())
    found = {}
    for key, shape in SHAPES.items():
        fill = CementFill(
            filling_fraction_percent=entry.given["fill_percent"],
            distribution=shape,
            law=BoneCementLaw(reduction=factor),
        )
        found[key] = 100.0 * (bench.stiffness(entry.setup, Section(), fill) / bare - 1.0)
    return found


def misfit(row: Row, computed: float) -> float:
    """Return computed less published, in half widths of the band."""
    low, high = row.band
    aim = row.published if isinstance(row.published, float) else 0.5 * (low + high)
    return (computed - aim) / (0.5 * (high - low))


def main() -> None:
    """Print the rows over the factor, and the factor that fits best."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spacing", type=float, default=1.0, help="edge of the voxels, mm")
    bench = Bench(spacing_mm=parser.parse_args().spacing)
    c8, c9 = entries()["C8"].rows, entries()["C9"].rows["ratio"]
    found = [gains(bench, factor) for factor in FACTORS]
    print("factor  connected  partial  misfits")
    curves = {key: PchipInterpolator(FACTORS, [f[key] for f in found]) for key in SHAPES}

    def misfits(factor: float) -> np.ndarray:
        own = [misfit(c8[key], float(curves[key](factor))) for key in SHAPES]
        return np.array([*own, misfit(c9, factor)])

    for factor, gained in zip(FACTORS, found, strict=True):
        words = " ".join(f"{part:+.2f}" for part in misfits(factor))
        print(f"{factor:6.2f} {gained['connected']:+9.1f} {gained['partial']:+9.1f}  {words}")
    for name, norm in (("least worst misfit", np.inf), ("least squares", 2)):
        best = minimize_scalar(
            lambda f, norm=norm: float(np.linalg.norm(misfits(f), norm)),
            bounds=(FACTORS[0], FACTORS[-1]),
            method="bounded",
        )
        connected, partial = (float(curves[key](best.x)) for key in SHAPES)
        print(
            f"{name}: {best.x:.3f}, connected {connected:+.1f} %, partial {partial:+.1f} %, "
            f"misfits {np.round(misfits(best.x), 2)}"
        )


if __name__ == "__main__":
    main()
