"""The test bench: makes each specimen of a comparison once and loads it once."""

from __future__ import annotations

import logging
from functools import lru_cache

from vbsim import measures
from vbsim.fem import Compression, Response, respond, solve_modes
from vbsim.fem.loads import Strength
from vbsim.mesh import VoxelGrid
from vbsim.specimen import Specimen
from vbsim.specimen.failure import FailureResponse, load_to_failure
from vbsim.study.validation.steps import Step
from vbsim.study.validation.table import Setup

__all__ = ["Bench"]

log = logging.getLogger("vbsim.study")

# Specimens kept at a time: those of one comparison (17 MB each at 1 mm). Stiffnesses are all kept.
_KEPT = 6


class Bench:
    """Specimens and stiffnesses by what made them, so that comparisons share what they share.

    Parameters
    ----------
    spacing_mm : float
        Edge of the voxels, mm.
    """

    def __init__(self, *, spacing_mm: float = 1.0) -> None:
        self.spacing_mm = spacing_mm
        self.n_solves = 0
        self._stiffness: dict[tuple[Setup, tuple[Step, ...]], float] = {}
        self._strength: dict[tuple[Setup, tuple[Step, ...]], float] = {}
        self._coarser: dict[float, Bench] = {}
        self._specimen = lru_cache(maxsize=_KEPT)(self._made)

    def coarser(self, spacing_mm: float) -> Bench:
        """Return the bench of a spacing, or this one if its voxels are no finer."""
        if self.spacing_mm >= spacing_mm:
            return self
        return self._coarser.setdefault(spacing_mm, Bench(spacing_mm=spacing_mm))

    def specimen(self, setup: Setup, *steps: Step) -> Specimen:
        """Return the vertebra of a set-up after some steps, without caps."""
        return self._specimen(setup, steps)

    def potted(self, setup: Setup, *steps: Step) -> Specimen:
        """Return the same with caps; a section is ready as it is."""
        specimen = self.specimen(setup, *steps)
        return specimen if specimen.ends is not None else setup.potting.apply(specimen)

    def stiffness(self, setup: Setup, *steps: Step) -> float:
        """Return the stiffness under a guided platen, caps included, kN/mm."""
        key = (setup, steps)
        if key not in self._stiffness:
            specimen = self.potted(setup, *steps)
            found = measures.stiffness(specimen, self._pressed(specimen, setup))
            self._stiffness[key] = found.value / 1000.0  # N/mm to kN/mm
        return self._stiffness[key]

    def strength(self, setup: Setup, *steps: Step, until_strain: float = 0.05) -> float:
        """Return the strength under a guided platen, kN: the peak, else the force at 1.9 %.

        NaN where a test gives neither.
        """
        key = (setup, steps)
        if key not in self._strength:
            told = measures.failure(*self.failure(setup, *steps, until_strain=until_strain))
            found = {q.name: q.value for q in told}
            self._strength[key] = found.get("strength", float("nan")) / 1000.0  # N to kN
        return self._strength[key]

    def failure(
        self, setup: Setup, *steps: Step, until_strain: float = 0.05
    ) -> tuple[Specimen, FailureResponse]:
        """Return the potted specimen and its response to a strength test."""
        specimen = self.potted(setup, *steps)
        test = Strength(platen="guided", lateral=setup.lateral, until_strain=until_strain)
        response = load_to_failure(specimen, test)
        log.info(
            "  %s: %.2f kN in %d steps",
            specimen.history[-1],
            response.force_n.max() / 1000.0,
            len(response.steps),
        )
        return specimen, response

    def response(self, setup: Setup, *steps: Step) -> tuple[Specimen, Response]:
        """Return the potted specimen and its response to a guided platen."""
        specimen = self.potted(setup, *steps)
        return specimen, self._pressed(specimen, setup)

    def _pressed(self, specimen: Specimen, setup: Setup) -> Response:
        load = Compression(platen="guided", lateral=setup.lateral)
        # A guided platen does not tilt: one motion of three is enough.
        modes = solve_modes(specimen, lateral=setup.lateral, motions=1)
        self.n_solves += 1
        log.info(
            "  %s: %.2f kN/mm, %d unknowns, %d iterations, %.1f s",
            specimen.history[-1],
            modes.stiffness[0, 0] / 1000.0,
            modes.report.n_dof,
            modes.report.iterations[0],
            modes.report.seconds,
        )
        return respond(modes, load)

    def _made(self, setup: Setup, steps: tuple[Step, ...]) -> Specimen:
        if steps:
            return steps[-1].apply(self.specimen(setup, *steps[:-1]))
        grid = VoxelGrid.around(setup.vertebra, spacing_mm=self.spacing_mm)
        return Specimen.from_bone(setup.vertebra, grid, setup.bone)
