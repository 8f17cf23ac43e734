"""A fracture carried out: every field of a specimen taken through a map of heights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vbsim import data
from vbsim.anatomy.frame import BodyFrame
from vbsim.checks import InvalidInput
from vbsim.fracture.band import Band, BandColumns
from vbsim.fracture.carry import carried, mineral_mg, void_ml
from vbsim.fracture.record import FractureRecord
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.specimen import Specimen

__all__ = ["compacted", "require_bare"]

FloatArray = NDArray[np.float64]

define(
    "bone_mineral_conserved",
    "1",
    "Mineral of the bone (trabecular, shell, endplates, arch) after the step / before it.",
)
define(
    "height_lost_worst",
    "%",
    "Largest height lost at the anterior, middle or posterior station / height before the step.",
)
define(
    "band_thickness",
    "mm",
    "Greatest thickness of the compaction band before the fracture.",
)
define(
    "wall_folded",
    "ml",
    "Volume of cortical shell and endplate crushed with the band: the wall keeps its thickness, "
    "its fragments lie in the bone beside it as mineral and carry nothing as a wall.",
)
define("cleft_volume", "ml", "Volume of the intravertebral cleft.")


def compacted(specimen: Specimen, band: Band, *, kind: str, modulus_factor: float) -> Specimen:
    """Return the specimen after its body has been compacted in a band.

    Heights follow the band's map. Mineral is conserved, so bone in the band grows denser. The
    modulus does not profit from that: it is the modulus of the intact density times an integrity
    that falls with the local compaction e as ``1 - (1 - factor) (1 - exp(-rate e))``, on
    trabecular bone and shell alike; bone that is not compacted keeps its modulus, and so do the
    endplates, below which the band begins.

    Parameters
    ----------
    specimen : Specimen
        Neither cemented nor potted, on a grid aligned with its body frame.
    band : Band
        Place of the band, losses and cleft on the specimen's frame.
    kind : str
        Shape's name, for the record.
    modulus_factor : float
        Modulus of fully crushed bone / modulus of the same bone intact.
    """
    require_bare(specimen, kind)
    band.check()
    x, y, _ = specimen.body_axes()
    columns = band.at(x, y[:, None])
    moving = (columns.loss_mm > 0.0) | (columns.opening_mm > 0.0)
    fields = carried(
        specimen,
        columns.picked(moving).map(specimen.body_faces()[2]),
        where=moving,
        weights=_integrity(columns, modulus_factor)[:, moving],
    )
    sunk = band.losses.moved()
    after = replace(
        specimen,
        anatomy=specimen.anatomy.with_frame(sunk),
        tissue=fields.tissue,
        vbmd_mg_cm3=fields.vbmd_mg_cm3,
        vbmd_intact_mg_cm3=fields.vbmd_intact_mg_cm3,
        integrity=fields.integrity,
        void=fields.void,
        fracture=_record(kind, band, columns),
    )
    report = _report(specimen, after, columns)
    line = _line(kind, sunk, band, modulus_factor)
    return replace(after, report=report).with_stage_name("fractured", line)


def require_bare(specimen: Specimen, step: str) -> None:
    """Refuse a specimen that is potted, cemented or sampled across its own axes."""
    if not specimen.is_aligned:
        raise InvalidInput(
            f"{step}: the grid is turned against the body, and a fracture moves bone along the "
            "body's axis: set [vertebra] align = true (VoxelGrid.around builds such a grid)"
        )
    if specimen.ends is not None or specimen.tissue.cap.any():
        raise InvalidInput(f"{step}: the specimen is potted; put the step before the potting")
    if specimen.fillings:
        raise InvalidInput(
            f"{step}: the specimen holds cement, which does not give way like bone; "
            "put the step before the cement"
        )


def _integrity(columns: BandColumns, modulus_factor: float) -> FloatArray:
    """Return the factor on the modulus of each piece of the band's map."""
    rate = float(data.value("fracture.band.damage_rate"))
    crushed = 1.0 - np.exp(-rate * columns.compaction)
    left = 1.0 - (1.0 - modulus_factor) * crushed
    return np.stack([left, np.ones_like(left), left])


def _record(kind: str, band: Band, columns: BandColumns) -> FractureRecord:
    return FractureRecord(
        kind=kind,
        band=band,
        loss_mm=columns.loss_mm,
        lower_mm=columns.lower_mm,
        floor_mm=columns.floor_mm,
        opening_mm=columns.opening_mm,
        upper_mm=columns.lower_mm + columns.thickness_mm - columns.loss_mm,
    )


def _line(kind: str, sunk: BodyFrame, band: Band, modulus_factor: float) -> str:
    heights = " / ".join(f"{height:.1f}" for height in sunk.heights())
    cleft = f", cleft of {band.cleft.thickness_mm:g} mm" if band.cleft else ""
    return f"{kind}, heights {heights} mm, {band.place} band, modulus x {modulus_factor:g}{cleft}"


def _report(before: Specimen, after: Specimen, columns: BandColumns) -> tuple[Quantity, ...]:
    old, new = (np.array(s.anatomy.frame.heights()) for s in (before, after))
    walls = [float((s.tissue.shell + s.tissue.endplate).sum()) for s in (before, after)]
    folded_ml = (walls[0] - walls[1]) * before.domain.cell_volume_mm3 / 1000.0
    return (
        quantity("bone_mineral_conserved", mineral_mg(after) / mineral_mg(before)),
        quantity("height_lost_worst", 100.0 * float(np.max(1.0 - new / old))),
        quantity("band_thickness", float(columns.thickness_mm[columns.loss_mm > 0].max())),
        quantity("wall_folded", folded_ml),
        quantity("cleft_volume", void_ml(after)),
    )
