"""Where cement can leave the body: veins, cracks, the needle's own track."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from vbsim.augmentation.approach import NeedlePath
from vbsim.augmentation.injection.medium import Tube
from vbsim.checks import Parameters, require
from vbsim.data import value
from vbsim.specimen.specimen import Specimen

__all__ = ["COMPARTMENTS", "Mouth", "Outlet", "Outlets", "OutletsChoice"]

FloatArray = NDArray[np.float64]

OutletKind = Literal[
    "basivertebral", "segmental_vein", "endplate_crack", "cortical_defect", "pedicle_track"
]

COMPARTMENTS = ("canal", "vein", "disc", "paravertebral", "track")
"""Where leaked cement ends."""

_COMPARTMENT = {
    "basivertebral": "canal",
    "segmental_vein": "vein",
    "endplate_crack": "disc",
    "cortical_defect": "paravertebral",
    "pedicle_track": "track",
}


class Mouth(NamedTuple):
    """One way out, laid out in a body.

    Attributes
    ----------
    kind, compartment : str
        What it is and where it leads.
    channel : Tube
        Open channel in the bone, from the wall inwards.
    length_mm : float
        Length of the way outside, of the channel's radius, mm.
    lumen : tuple of Tube
        A vein with walls of its own, from its inner end to the wall, in place of the open channel;
        empty where there is none.
    """

    kind: str
    compartment: str
    channel: Tube
    length_mm: float
    lumen: tuple[Tube, ...] = ()


class Outlet(Parameters):
    """One way out of the body; what is left out is the published value of its kind.

    Examples
    --------
    >>> Outlet(kind="cortical_defect", angle_deg=-90.0).radius_mm is None
    True
    """

    kind: OutletKind = Field(description="What it is: decides where the cement ends.")
    angle_deg: float | None = Field(
        None,
        ge=-180.0,
        le=180.0,
        description="Direction on the wall from the body's axis, deg: 0 left, 90 back, -90 front.",
    )
    height: float = Field(
        0.5, gt=0.0, lt=1.0, description="Height on the wall: 0 lower, 1 upper endplate."
    )
    endplate: Literal["superior", "inferior"] = Field(
        "superior", description="Which endplate a crack is in."
    )
    place_mm: tuple[float, float] | None = Field(
        None, description="(x, y) of a crack in the endplate, body frame, mm."
    )
    radius_mm: float | None = Field(None, gt=0.0, le=6.0, description="Radius, mm.")
    depth_mm: float | None = Field(
        None, gt=0.0, le=20.0, description="Depth of the open channel in the bone, mm."
    )
    length_mm: float | None = Field(
        None, gt=0.0, le=100.0, description="Length of the way outside, mm."
    )

    @model_validator(mode="after")
    def _has_a_place(self) -> Outlet:
        needed = {
            "endplate_crack": "place_mm",
            "cortical_defect": "angle_deg",
            "segmental_vein": "angle_deg",
        }
        name = needed.get(self.kind)
        if self.kind == "pedicle_track":
            raise ValueError("kind = 'pedicle_track': tracks follow the needles (pedicle_tracks)")
        if name is not None and getattr(self, name) is None:
            raise ValueError(f"{name}: must be given for kind = {self.kind!r}")
        return self

    def lay_out(self, specimen: Specimen) -> Mouth:
        """Return where it lies in a body."""
        mouth, inward = self._mouth(specimen)
        numbers = {
            name: getattr(self, name) or float(value(f"injection.outlets.{self.kind}.{name}"))
            for name in ("radius_mm", "depth_mm", "length_mm")
        }
        channel = Tube(mouth, mouth + numbers["depth_mm"] * inward, numbers["radius_mm"])
        compartment = _COMPARTMENT[self.kind]
        if self.kind == "cortical_defect" and _faces_canal(specimen, mouth):
            compartment = "canal"
        return Mouth(self.kind, compartment, channel, numbers["length_mm"])

    def _mouth(self, specimen: Specimen) -> tuple[FloatArray, FloatArray]:
        """Return the point on the surface and the direction into the bone."""
        frame = specimen.anatomy.frame
        if self.kind == "basivertebral":
            return np.array(specimen.anatomy.landmarks.basivertebral_mm), np.array([0.0, -1.0, 0.0])
        if self.kind == "endplate_crack":
            x, y = self.place_mm or (0.0, 0.0)
            is_upper = self.endplate == "superior"
            at = frame.superior_at([x], [y]) if is_upper else frame.inferior_at([x], [y])
            rho = float(frame.normalised_radius([x], [y], at)[0])
            require(rho < 1.0, "place_mm", (x, y), "on the endplate")
            return np.array([x, y, float(at[0])]), np.array([0.0, 0.0, -1.0 if is_upper else 1.0])
        theta = np.radians(self.angle_deg or 0.0)
        radius = float(frame.wall_radius(theta, self.height))
        x, y = radius * np.cos(theta), radius * np.sin(theta)
        lower, upper = frame.inferior_at([x], [y])[0], frame.superior_at([x], [y])[0]
        z = lower + self.height * (upper - lower)
        return np.array([x, y, z]), np.array([-np.cos(theta), -np.sin(theta), 0.0])


def _faces_canal(specimen: Specimen, mouth: FloatArray) -> bool:
    marks = specimen.anatomy.landmarks
    half = 0.5 * marks.canal_width_mm
    return bool(mouth[1] > 0.0 and abs(mouth[0] - marks.canal_centre_mm[0]) <= half)


class Outlets(Parameters):
    """The ways out of a body: what every vertebra has, what a fracture opens, and one's own.

    Examples
    --------
    >>> Outlets(veins=False, pedicle_tracks=False).own
    ()
    """

    veins: bool = Field(True, description="Basivertebral foramen and four segmental veins.")
    network: bool = Field(
        True,
        description="The veins meet behind the middle of the body, as wide as their published "
        "volume; false leaves short channels at the wall.",
    )
    pedicle_tracks: bool = Field(True, description="The gap beside each needle.")
    defects: bool = Field(
        True,
        description="With a seed: endplate cracks and cortical defects, drawn at published rates.",
    )
    own: tuple[Outlet, ...] = Field((), max_length=20, description="Further ways out.")

    def lay_out(
        self,
        specimen: Specimen,
        needles: Sequence[NeedlePath],
        generator: np.random.Generator | None,
    ) -> tuple[Mouth, ...]:
        """Return all ways out of a body.

        Parameters
        ----------
        specimen : Specimen
            Anatomy, fracture and cleft.
        needles : sequence of NeedlePath
            The needles, for their tracks.
        generator : numpy Generator, optional
            Draws sizes, places and defects; published means and no defects without it.
        """
        veins = [vein.lay_out(specimen) for vein in _veins(generator)] if self.veins else []
        if veins and self.network:
            veins = _joined(veins, specimen)
        chosen = list(self.own)
        if self.defects and generator is not None:
            chosen += _defects(specimen, generator)
        mouths = [*(outlet.lay_out(specimen) for outlet in chosen), *veins]
        if self.pedicle_tracks:
            mouths += [_track(specimen, needle, generator) for needle in needles]
        return tuple(mouths)


def _size(kind: str, generator: np.random.Generator | None) -> dict[str, float]:
    if generator is None:
        return {}
    ranges = {key: value(f"injection.outlets.{kind}.{key}_range_mm") for key in ("radius", "depth")}
    return {f"{key}_mm": float(generator.uniform(*span)) for key, span in ranges.items()}


def _veins(generator: np.random.Generator | None) -> list[Outlet]:
    found = [Outlet(kind="basivertebral", **_size("basivertebral", generator))]
    spread = float(value("injection.outlets.segmental_vein.spread_deg"))
    for from_lateral in value("injection.outlets.segmental_vein.angles_deg"):
        for is_left in (True, False):
            angle = from_lateral
            if generator is not None:
                angle += float(generator.uniform(-spread, spread))
            angle = angle if is_left else 180.0 - angle
            angle = angle - 360.0 if angle > 180.0 else angle
            size = _size("segmental_vein", generator)
            found.append(Outlet(kind="segmental_vein", angle_deg=angle, **size))
    return found


def _joined(veins: Sequence[Mouth], specimen: Specimen) -> list[Mouth]:
    """Return the veins of a body as one network about the end of the basivertebral canal.

    Each keeps the width that it has where it leaves the bone: the segmental veins come from the end
    of the canal, the basivertebral vein from the middle of the body. Together they hold about the
    published share of the body's volume (`injection.outlets.network.volume_percent`).
    """
    canal = veins[0].channel.end_mm
    front, back = specimen.anatomy.frame.sagittal_extent_mm()
    middle = np.array([canal[0], 0.5 * (front + back), canal[2]])
    starts = [middle, *(canal for _ in veins[1:])]
    return [
        vein._replace(lumen=(Tube(start, vein.channel.start_mm, vein.channel.radius_mm),))
        for vein, start in zip(veins, starts, strict=True)
    ]


def _defects(specimen: Specimen, generator: np.random.Generator) -> list[Outlet]:
    """Draw an endplate crack and a cortical defect; a body that was never broken has neither.

    Every draw is made whatever comes of it, so that one seed means one set of numbers.
    """
    has_cleft = specimen.void is not None and bool(specimen.void.any())
    suffix = "_with_cleft" if has_cleft else ""
    is_broken = specimen.fracture is not None or specimen.mechanics is not None
    found = []
    frame = specimen.anatomy.frame
    front, back = frame.sagittal_extent_mm()
    kinds: tuple[OutletKind, OutletKind] = ("endplate_crack", "cortical_defect")
    for kind in kinds:
        rate = float(value(f"injection.outlets.{kind}.rate{suffix}"))
        is_there = bool(generator.uniform() < rate) and is_broken
        size = _size(kind, generator)
        first, second = (float(u) for u in generator.uniform(size=2))
        if not is_there:
            continue
        if kind == "endplate_crack":
            # In the front two thirds, near the midline: where the endplate is pressed in.
            place = (
                0.3 * (back - front) * (2.0 * first - 1.0),
                front + (0.15 + 0.5 * second) * (back - front),
            )
            found.append(Outlet(kind=kind, place_mm=place, **size))
        else:
            angle = -170.0 + 160.0 * first  # front and sides
            found.append(Outlet(kind=kind, angle_deg=angle, height=0.3 + 0.5 * second, **size))
    return found


def _track(specimen: Specimen, needle: NeedlePath, generator: np.random.Generator | None) -> Mouth:
    """Return the gap beside a needle, from where it enters the body."""
    kind = "pedicle_track"
    size = {
        key: float(value(f"injection.outlets.{kind}.{key}")) for key in ("radius_mm", "depth_mm")
    }
    size |= _size(kind, generator)
    frame = specimen.anatomy.frame
    tip, entry = np.array(needle.tip_mm), np.array(needle.entry_mm)
    t = np.linspace(0.0, 1.0, 400)[:, None]
    x, y, z = (tip + t * (entry - tip)).T
    height = frame.normalised_height(x, y, z)
    inside = (frame.normalised_radius(x, y, z) < 1.0) & (height > 0.0) & (height < 1.0)
    leaves = int(np.argmin(inside)) or len(t) - 1
    mouth = np.array([x[leaves], y[leaves], z[leaves]])
    depth = min(size["depth_mm"], 0.5 * float(np.linalg.norm(mouth - tip)))
    channel = Tube(mouth, mouth + needle.direction * depth, size["radius_mm"])
    length = float(value(f"injection.outlets.{kind}.length_mm"))
    return Mouth(kind, _COMPARTMENT[kind], channel, length)


def _from_word(given: Any) -> Any:
    words: dict[str, dict[str, Any]] = {
        "anatomical": {},
        "none": {"veins": False, "pedicle_tracks": False, "defects": False},
    }
    if isinstance(given, str):
        if given not in words:
            raise ValueError(f"must be one of {', '.join(words)}, or a table")
        return words[given]
    return given


OutletsChoice = Annotated[Outlets, BeforeValidator(_from_word)]
"""`Outlets`, their table, ``"anatomical"`` or ``"none"``."""
