"""The fields of a specimen carried through a map of heights, mineral conserved."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import uniform_filter

from vbsim import data
from vbsim.fracture.columns import ColumnMap
from vbsim.specimen.specimen import Specimen
from vbsim.specimen.tissue import Tissue

__all__ = ["Carried", "carried", "mineral_mg", "void_ml"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Shares of volume below this are round-off of the carried sums, not tissue.
_ROUND_OFF = 1e-9


class Carried(NamedTuple):
    """Fields of a specimen after a map of heights, each (n_z, n_y, n_x) as in `Specimen`."""

    tissue: Tissue
    vbmd_mg_cm3: FloatArray
    vbmd_intact_mg_cm3: FloatArray
    integrity: FloatArray
    void: FloatArray | None


def carried(
    specimen: Specimen, columns: ColumnMap, *, where: Mask, weights: ArrayLike = 1.0
) -> Carried:
    """Return the specimen's fields after a map of heights in some of its columns.

    Shares of volume follow the map. The mineral of trabecular bone and arch stays in its column;
    the mineral of wall that is folded away goes to the bone beside it. Intact density and
    integrity are means over the bone that comes to lie in a voxel, the endplates left out.

    Parameters
    ----------
    specimen : Specimen
        Before.
    columns : ColumnMap
        Map of the columns picked by `where`, in C order.
    where : (n_y, n_x) bool
        Columns that move; the others stay as they are.
    weights : float or (n_pieces, n_columns) float
        Factor on the integrity of what comes from each piece of the map, above 0.
    """
    old = Tissue(*(part[:, where] for part in specimen.tissue))
    new = Tissue(*(_clean(columns.share(part)) if part.any() else part for part in old))
    loose, new_loose = old.trabecular + old.arch, new.trabecular + new.arch
    vbmd, intact = specimen.vbmd_mg_cm3[:, where], specimen.vbmd_intact_mg_cm3[:, where]
    mineral = columns.amount(vbmd * loose) + _folded_mineral(specimen, columns, where, new)
    # Intact and crushed layers of a voxel lie one over the other and carry the same axial load:
    # compliances add, so the mean is harmonic. (An arithmetic mean stiffens the band by a voxel.)
    # The endplates move as plates outside the band: integrity is that of the other bone.
    worn = old.bone - old.endplate
    compliance = columns.share(worn / specimen.integrity[:, where], 1.0 / np.asarray(weights))
    void = columns.opened()
    if specimen.void is not None:
        void += columns.share(specimen.void[:, where])
    parts = zip(specimen.tissue, new, strict=True)
    none = np.zeros(specimen.domain.shape)
    return Carried(
        tissue=Tissue(*(_replaced(whole, where, part) for whole, part in parts)),
        vbmd_mg_cm3=_replaced(specimen.vbmd_mg_cm3, where, _per(mineral, new_loose, empty=0.0)),
        vbmd_intact_mg_cm3=_replaced(
            specimen.vbmd_intact_mg_cm3,
            where,
            _per(columns.share(intact * loose), new_loose, empty=0.0),
        ),
        integrity=_replaced(
            specimen.integrity,
            where,
            np.minimum(_per(new.bone - new.endplate, compliance, empty=1.0), 1.0),
        ),
        void=_or_none(
            _replaced(none if specimen.void is None else specimen.void, where, _clean(void))
        ),
    )


def mineral_mg(specimen: Specimen) -> float:
    """Return the mineral of trabecular bone, shell, endplates and arch, mg."""
    tissue = specimen.tissue
    loose = float(np.vdot(specimen.vbmd_mg_cm3, tissue.trabecular + tissue.arch))
    wall = _wall_mineral_mg_cm3() * float((tissue.shell + tissue.endplate).sum())
    return (loose + wall) * specimen.domain.cell_volume_mm3 / 1000.0


def void_ml(specimen: Specimen) -> float:
    """Return the volume of clefts and cavities, ml."""
    if specimen.void is None:
        return 0.0
    return float(specimen.void.sum()) * specimen.domain.cell_volume_mm3 / 1000.0


def _folded_mineral(specimen: Specimen, columns: ColumnMap, where: Mask, new: Tissue) -> FloatArray:
    """Return the mineral / voxel volume that the trabecular bone takes over from crushed wall.

    The wall keeps its thickness and loses height, so part of it is left over; it is spread over
    the trabecular bone of a few millimetres around. A wall drawn out again takes it back.
    """
    wall = specimen.tissue.shell[:, where] + specimen.tissue.endplate[:, where]
    folded, host = np.zeros((2, *specimen.domain.shape))
    folded[:, where] = columns.amount(wall) - columns.share(wall)
    host[:, where] = new.trabecular
    reach_mm = float(data.value("fracture.band.fragment_reach_mm"))
    size = [2 * int(np.ceil(0.5 * reach_mm / h)) + 1 for h in specimen.domain.spacing_mm[::-1]]
    room = uniform_filter(host, size, mode="constant")
    given = np.divide(folded, room, out=np.zeros_like(folded), where=room > _ROUND_OFF)
    taken = host * uniform_filter(given, size, mode="constant")
    result: FloatArray = _wall_mineral_mg_cm3() * taken[:, where]
    return result


def _wall_mineral_mg_cm3() -> float:
    return float(data.value("bone.shell.mineral_mg_cm3"))


def _replaced(whole: FloatArray, where: Mask, columns: FloatArray) -> FloatArray:
    result = whole.copy()
    result[:, where] = columns
    return result


def _per(amount: FloatArray, volume: FloatArray, *, empty: float) -> FloatArray:
    filled = volume > _ROUND_OFF
    return np.divide(amount, volume, out=np.full_like(volume, empty), where=filled)


def _clean(share: FloatArray) -> FloatArray:
    return np.where(share > _ROUND_OFF, np.minimum(share, 1.0), 0.0)


def _or_none(void: FloatArray) -> FloatArray | None:
    return void if void.any() else None
