"""Reduction by posture: part of a fracture's deformation undone, as prescribed."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vbsim import data
from vbsim.checks import InvalidInput, Parameters, PhysicsWarning
from vbsim.fracture.carry import carried, mineral_mg, void_ml
from vbsim.fracture.cleft import Cleft
from vbsim.fracture.columns import ColumnMap
from vbsim.fracture.compaction import require_bare
from vbsim.fracture.record import FractureRecord
from vbsim.quantities import define, quantity
from vbsim.specimen.specimen import Specimen

__all__ = ["Reduction", "mobile_share"]

FloatArray = NDArray[np.float64]

define(
    "height_restored_prescribed",
    "%",
    "Share of the lost height given back by a reduction, at every station alike: prescribed by the "
    "posture, not computed by mechanics.",
)


class Reduction(Parameters):
    """Postural reduction of a fracture that a cleft keeps mobile.

    The upper part of the body is lifted by a prescribed share of the distance it had sunk. Over
    the cleft the gap opens; around it the band's bone is drawn out again, its mineral with it.
    Crushed bone does not heal: its integrity stays.

    Examples
    --------
    >>> Reduction(fraction=0.3).kind
    'reduction'
    """

    kind: Literal["reduction"] = "reduction"
    fraction: float = Field(
        ge=0.0, le=1.0, description="Share of the fracture's loss of height that posture undoes."
    )

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the reduced specimen.

        Warns where the cleft leaves less mobile than is asked for, and gives that. Refuses a
        specimen without a fracture, and a fracture without a cleft: fixed fractures have none.
        """
        record = specimen.fracture
        if not isinstance(record, FractureRecord):
            raise InvalidInput("reduction: the specimen has no fracture to reduce")
        require_bare(specimen, "reduction")
        share = _allowed(self.fraction, record)
        return _lifted(specimen, record, share)


def mobile_share(record: FractureRecord) -> float:
    """Return the share of a fracture's loss of height that posture can undo.

    Fractures are mobile if and only if they have a cleft (McKiernan 2003); those regained on
    average the published share of what they had lost. A cleft smaller in plan than the default
    one leaves proportionally less.
    """
    cleft = record.band.cleft
    if cleft is None:
        return 0.0
    usual = Cleft().lay_out(record.band.frame)
    share = float(data.value("fracture.mobility.share"))
    return share * min(1.0, cleft.area_mm2 / usual.area_mm2)


def _allowed(fraction: float, record: FractureRecord) -> float:
    mobile = mobile_share(record)
    if mobile == 0.0:
        raise InvalidInput(
            f"reduction: the {record.kind} has no cleft and is fixed; posture moves only "
            "fractures with a cleft (give the fracture step a cleft, or leave the reduction out)"
        )
    left = max(mobile - record.recovered, 0.0)
    if fraction > left + 1e-9:
        warnings.warn(
            f"reduction: {fraction:.0%} of the fracture's deformation asked for, the cleft "
            f"leaves {left:.0%} mobile; reduced by that",
            PhysicsWarning,
            stacklevel=4,
        )
    return min(fraction, left)


def _lifted(specimen: Specimen, record: FractureRecord, share: float) -> Specimen:
    frame, losses = specimen.anatomy.frame, record.band.losses
    x, y = np.meshgrid(frame.x_mm, frame.y_mm)
    raised = frame.with_endplates(frame.superior_mm + share * losses(x, y), frame.inferior_mm)
    after = _record_after(specimen, record, share)
    reduced = replace(specimen, anatomy=specimen.anatomy.with_frame(raised), fracture=after)
    moving = after.upper_mm > record.upper_mm
    if moving.any():
        columns = _map(specimen.body_faces()[2], record, after, moving)
        fields = carried(specimen, columns, where=moving)
        reduced = replace(
            reduced,
            tissue=fields.tissue,
            vbmd_mg_cm3=fields.vbmd_mg_cm3,
            vbmd_intact_mg_cm3=fields.vbmd_intact_mg_cm3,
            integrity=fields.integrity,
            void=fields.void,
        )
    report = (
        quantity("height_restored_prescribed", 100.0 * share),
        quantity("bone_mineral_conserved", mineral_mg(reduced) / mineral_mg(specimen)),
        quantity("cleft_volume", void_ml(reduced)),
    )
    line = f"{share:.1%} of the {record.kind} undone by posture (prescribed)"
    return replace(reduced, report=report).with_stage_name("reduced", line)


def _record_after(specimen: Specimen, record: FractureRecord, share: float) -> FractureRecord:
    x, y, _ = specimen.body_axes()
    cleft = record.band.cleft
    lens = np.zeros(record.loss_mm.shape) if cleft is None else cleft.lens(x, y[:, None])
    lift = share * record.loss_mm
    gap = lens * lift
    stretch = (record.bone_mm + lift - gap) / record.bone_mm
    return replace(
        record,
        floor_mm=record.lower_mm + (record.floor_mm - record.lower_mm) * stretch,
        opening_mm=record.opening_mm + gap,
        upper_mm=record.upper_mm + lift,
        recovered=record.recovered + share,
    )


def _map(
    faces_mm: FloatArray, before: FractureRecord, after: FractureRecord, where: NDArray[np.bool_]
) -> ColumnMap:
    """Return the lift as a map: bone below, lower half of the old cleft, gap, and so on upwards.

    It opens in the middle of the old cleft, where voxels hold the least bone.
    """
    half = 0.5 * before.opening_mm

    def knots(state: FractureRecord, gap: FloatArray) -> FloatArray:
        split = state.floor_mm + half
        roof = split + gap + half
        # The roof of a cleft at the very top of the band may pass it by round-off.
        upper = np.maximum(state.upper_mm, roof)
        stack = [state.lower_mm, state.floor_mm, split, split + gap, roof, upper]
        return np.stack(stack)[:, where]

    none, gap = np.zeros_like(half), after.opening_mm - before.opening_mm
    return ColumnMap(faces_mm, knots(before, none), knots(after, gap))
