"""One stage of a study as the figures take it."""

from __future__ import annotations

from typing import NamedTuple

from vbsim.fem.response import Response
from vbsim.quantities import Quantity
from vbsim.specimen.specimen import Specimen

__all__ = ["StageView"]


class StageView(NamedTuple):
    """One stage: what it is, how it answered a compression, what was measured.

    Attributes
    ----------
    name : str
        ``intact``, ``fractured``, ``reduced``, ``augmented``; numbered when repeated.
    specimen : Specimen
        The specimen, potted where there is a response.
    response : Response or None
        Converged response to compression.
    measures : tuple of Quantity
        Measures of the stage: its geometry and its compression test.
    """

    name: str
    specimen: Specimen
    response: Response | None = None
    measures: tuple[Quantity, ...] = ()

    @property
    def title(self) -> str:
        """Name as a heading."""
        return self.name.replace("_", " ").capitalize()

    @property
    def filling(self) -> str:
        """Volume and name of the cement, empty without one: ``5.0 ml PMMA``."""
        cell_ml = self.specimen.domain.cell_volume_mm3 * 1e-3
        parts = [
            f"{filling.fraction.sum() * cell_ml:.1f} ml {_readable(filling.cement.name)}"
            for filling in self.specimen.cements
        ]
        return " + ".join(parts)

    def values(self) -> dict[str, float]:
        """Return the measured numbers by name."""
        return {row.name: row.value for row in self.measures}


def _readable(name: str) -> str:
    return name.replace("_", " ").replace("pmma", "PMMA")
