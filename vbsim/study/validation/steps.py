"""Steps that only a comparison needs: no surgeon takes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Protocol

import numpy as np
from pydantic import Field

from vbsim.checks import Parameters
from vbsim.fracture import Crush
from vbsim.specimen import Ends, Specimen, Tissue
from vbsim.specimen.potting import surface_points

__all__ = ["Step", "CrushBy", "WithoutShell", "Section"]


class Step(Protocol):
    """A map from specimen to specimen with hashable parameters."""

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the next stage."""

    def __hash__(self) -> int: ...


class CrushBy(Parameters):
    """Crush all of the body by one share of its height."""

    kind: Literal["crush_by"] = "crush_by"
    height_loss: float = Field(gt=0, lt=1, description="Height lost / height, at every station.")

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the fractured specimen."""
        heights = specimen.anatomy.frame.heights()
        anterior, middle, posterior = ((1.0 - self.height_loss) * height for height in heights)
        step = Crush(
            height_anterior_mm=anterior, height_middle_mm=middle, height_posterior_mm=posterior
        )
        return step.apply(specimen)


class WithoutShell(Parameters):
    """Take the wall between the endplates out; the endplates stay."""

    kind: Literal["without_shell"] = "without_shell"

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the specimen without its shell."""
        tissue = specimen.tissue
        bare = tissue._replace(shell=np.zeros_like(tissue.shell))
        line = f"{specimen.name}: shell removed"
        return replace(specimen, tissue=bare, history=(*specimen.history, line))


class Section(Parameters):
    """Cut the body flat at both ends and glue rigid plates to the cut faces.

    Keeps the layers of voxels between the two endplates that hold no part of them. Body frame and
    landmarks stay those of the whole body.
    """

    kind: Literal["section"] = "section"

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the section, ready to be loaded; cement may still be put into it."""
        tissue = specimen.tissue
        has_endplate = tissue.endplate.any(axis=(1, 2))
        is_bone = tissue.body.any(axis=(1, 2))
        layers = np.flatnonzero(is_bone & ~has_endplate)
        first, last = int(layers[0]), int(layers[-1])
        keep = np.zeros(specimen.domain.shape[0], dtype=bool)
        keep[first : last + 1] = True
        cut = Tissue(*(np.where(keep[:, None, None], part, 0.0) for part in tissue))

        z = specimen.body_faces()[2]
        lowest, topmost = (np.zeros(cut.body.shape, dtype=bool) for _ in range(2))
        lowest[first], topmost[last] = cut.body[first] > 0.0, cut.body[last] > 0.0
        ends = Ends(
            surface_points(lowest, "lower"),
            surface_points(topmost, "upper"),
            specimen.domain.to_local(specimen.anatomy.frame.to_world([0.0, 0.0, z[last + 1]])),
        )
        line = f"{specimen.name}: section from z = {z[first]:.2f} to {z[last + 1]:.2f} mm"
        return replace(specimen, tissue=cut, ends=ends, history=(*specimen.history, line))
