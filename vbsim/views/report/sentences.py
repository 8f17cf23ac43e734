"""The sentences of a report, written from what a run left: question, answer, methods, limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from vbsim.fracture import FRACTURE_KINDS
from vbsim.study.stored import StoredStudy

__all__ = ["Citations", "answer", "Told", "limits_of", "methods", "question"]

_OTHER_TREATMENTS = {
    "settling": "repeated load",
    "balloon": "a balloon",
    "reduction": "postural reduction",
    "traction": "traction",
}
_ORDINALS = ("", "second ", "third ", "fourth ", "fifth ")


class Citations:
    """Numbers the sources in the order in which the text cites them.

    Parameters
    ----------
    constants : sequence of mapping
        Constants of a run with their sources, as in ``provenance.json``.
    """

    def __init__(self, constants: Sequence[Mapping[str, Any]]) -> None:
        self._constants = constants
        self.sources: list[str] = []

    def mark(self, *prefixes: str) -> str:
        """Return ``[1, 2]`` for the sources of all constants that begin so; empty if none."""
        numbers = set()
        for item in self._constants:
            if item["constant"].startswith(prefixes):
                if item["source"] not in self.sources:
                    self.sources.append(item["source"])
                numbers.add(self.sources.index(item["source"]) + 1)
        return f" [{', '.join(map(str, sorted(numbers)))}]" if numbers else ""


# Question and answer ------------------------------------------------------------------------------


def question(study: StoredStudy) -> str:
    """Return the question that a study answers, in one sentence."""
    level = str(study.case.get("vertebra", {}).get("level", "vertebra"))
    article = "an" if level[:1] in "L" else "a"
    steps = study.case.get("steps", ())
    broken = [_fracture(step) for step in steps if step["kind"] in FRACTURE_KINDS]
    treated = [_treatment(study, k) for k, step in enumerate(steps) if step["kind"] == "cement"]
    for kind, words in _OTHER_TREATMENTS.items():
        if any(step["kind"] == kind for step in steps):
            treated.insert(0, words)
    body = f"{article} {level}" + (f" with {_joined(broken)}" if broken else "")
    if treated:
        return f"What does {_joined(treated)} do to the stiffness and height of {body}?"
    if broken:
        return f"What does {_joined(broken)} do to the stiffness and height of {article} {level}?"
    return f"How stiff is {body}?"


def answer(study: StoredStudy) -> str:
    """Return the answer in numbers: stiffness, strength, height, load through the cement."""
    stages = study.stages
    last, first = stages[-1], stages[0]
    broken = next((s for s in reversed(stages[1:-1]) if s.startswith("fractured")), None)
    said = []
    for name, words, factor, unit in (
        ("stiffness", "stiffness", 1e-3, "kN/mm"),
        ("strength", "strength", 1e-3, "kN"),
    ):
        found = study.value(last, name)
        if found is None:
            continue
        parts = [
            f"{100.0 * found / other:.0f} % of {_spoken(stage)} ({factor * other:.2f})"
            for stage in dict.fromkeys((first, broken))
            if stage and stage != last and (other := study.value(stage, name))
        ]
        compared = f": {' and '.join(parts)}" if parts else ""
        said.append(
            f"{_spoken(last).capitalize()} {words} is {factor * found:.2f} {unit}{compared}."
        )
    said += _heights(study, first, broken, last)
    share = study.value(last, "load_share_cement")
    if share:
        said.append(f"Cement carries {100.0 * share:.0f} % of the load at mid-height.")
    return " ".join(said)


def _heights(study: StoredStudy, first: str, broken: str | None, last: str) -> list[str]:
    height = study.value(last, "height_anterior")
    intact = study.value(first, "height_anterior")
    if height is None or intact is None:
        return []
    if last == first:
        return [f"Anterior height is {height:.1f} mm."]
    said = f"Anterior height is {height:.1f} of {intact:.1f} mm"
    before = study.value(broken, "height_anterior") if broken else None
    if before is None:
        return [f"{said}."]
    gained = height - before
    if abs(gained) < 0.05:
        return [f"{said}, as after the fracture: nothing in this case restores it."]
    lost = max(intact - before, 1e-9)
    return [f"{said}, {gained:+.1f} mm ({100.0 * gained / lost:.0f} % of what was lost)."]


# Methods ------------------------------------------------------------------------------------------


def methods(study: Told, citations: Citations) -> list[str]:
    """Return the methods as paragraphs, with marks of the sources they cite."""
    case = study.case
    if not case:
        return []
    found = [
        _geometry(study, citations),
        _material(case, citations),
        _steps(study, citations),
        _loading(case, citations),
        _solving(study),
    ]
    return [paragraph for paragraph in found if paragraph]


def _geometry(study: Told, citations: Citations) -> str:
    vertebra, mesh = study.case["vertebra"], study.case.get("mesh", {})
    level = vertebra["level"]
    if "image" in vertebra:
        cite = citations.mark("images.")
        body = f"The {level} was taken from a computed tomography image with labels{cite}"
    else:
        person = str(vertebra.get("person", "adult")).replace("_", " ")
        cite = citations.mark(f"anatomy.levels.{level}.height", f"anatomy.levels.{level}.endplate")
        body = f"The body of {level} was built from published dimensions ({person}){cite}"
    spacing = mesh.get("spacing_mm")
    if mesh.get("kind", "voxels") != "voxels" or spacing is None:
        return f"{body} and meshed ({mesh.get('kind')})."
    return (
        f"{body} and sampled on a regular grid of {spacing:g} mm cubes, every constituent by its "
        "share of a voxel's volume."
    )


def _material(case: Mapping[str, Any], citations: Citations) -> str:
    bone = case.get("bone", {})
    law = str(bone.get("density_law", ""))
    cite = citations.mark(f"bone.laws.{law}.")
    if "image" in case["vertebra"]:
        density = "Bone density was measured in every voxel"
    else:
        mean = f"{bone.get('vbmd_mg_cm3', 0):g} mg/cm³ (mean of L1 to L3)"
        density = f"Trabecular density was {mean} with trends and a random field"
    text = f"{density}; its axial modulus follows the law {law.replace('_', ' ')}{cite}"
    if bone.get("anisotropy") == "transverse":
        text += f", transversely isotropic{citations.mark('bone.transverse.')}"
    text += f", between {bone.get('floor_mpa', 0):g} and {bone.get('ceiling_mpa', 0):g} MPa."
    if "image" not in case["vertebra"]:
        shell = citations.mark("anatomy.cortex.", "bone.shell.youngs")
        text += (
            f" Shell ({case['vertebra'].get('shell_thickness_mm', 0):g} mm, "
            f"{bone.get('shell_modulus_mpa', 0):g} MPa) and endplates "
            f"({case['vertebra'].get('endplate_thickness_mm', 0):g} mm, "
            f"{bone.get('endplate_modulus_mpa', 0):g} MPa) are layers of their own{shell}."
        )
    return text


def _steps(study: Told, citations: Citations) -> str:
    steps = study.case.get("steps", ())
    lines = [line.partition(": ")[2] for line in study.summary["stages"][-1].get("history", ())][1:]
    said = []
    for k, step in enumerate(steps):
        kind = step["kind"]
        line = lines[k] if k < len(lines) else _plainly(step)
        if kind == "cement":
            cement, law = step.get("cement", {}), step.get("law", {})
            name = str(cement.get("name", "cement"))
            cite = citations.mark(f"cements.{name}.youngs", "bone.composite.")
            elastic = (
                f"E {cement.get('youngs_modulus_mpa', 0):g} MPa, "
                f"Poisson's ratio {cement.get('poisson', 0):g}"
            )
            filled = f"filled bone by the law {_law(law)}"
            said.append(f"Cement: {_capitals(line)} ({elastic}); {filled}{cite}.")
        else:
            cite = citations.mark(f"fracture.{kind}.", "fracture.band.modulus")
            words = line.removeprefix(f"{kind}, ")
            said.append(f"{kind.replace('_', ' ').capitalize()}: {words}{cite}.")
    return " ".join(said)


def _plainly(step: Mapping[str, Any]) -> str:
    """Describe a step by its own parameters, where no run has told of it."""
    kept = [
        f"{key.replace('_', ' ')} {value:g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in step.items()
        if key != "kind" and isinstance(value, int | float | str)
    ]
    return ", ".join(kept)


def _law(law: Mapping[str, Any]) -> str:
    kind = str(law.get("kind", "")).replace("_", " ")
    if kind == "reduced":
        return f"reduced (modulus of the cement × {law.get('reduction', 0):.2f})"
    return kind


def _loading(case: Mapping[str, Any], citations: Citations) -> str:
    caps = case.get("potting", {})
    kind = str(caps.get("kind", ""))
    cite = citations.mark(f"loads.caps.{kind}.")
    said = [
        f"Every stage was potted between {kind.upper() if kind == 'pmma' else kind} caps of "
        f"{caps.get('thickness_mm', 0):g} mm that conform to the endplates{cite}."
    ]
    for test in case.get("tests", ()):
        held = {
            "held": "cap faces held sideways",
            "sliding": "cap faces free to slide",
            "lower_held": "the lower cap face held sideways",
        }.get(str(test.get("lateral")), "")
        size = ", ".join(
            f"{float(test[key]):g} {unit}"
            for key, unit in (("force_n", "N"), ("moment_n_mm", "N mm"))
            if isinstance(test.get(key), int | float)
        )
        platen = str(test.get("platen", "")).replace("_", " ")
        words = [w for w in (size, f"{platen} platen" if platen else "", held) if w]
        name = str(test.get("name") or test["kind"]).replace("_", " ")
        said.append(f"{name.capitalize()}: {', '.join(words)}.")
    return " ".join(said)


def _solving(study: Told) -> str:
    solves = study.provenance.get("solves", {})
    reports = [report for stage in solves.values() for report in stage]
    errors = [
        error
        for stage in study.summary["stages"]
        for error in stage.get("equilibrium_error", {}).values()
    ]
    program = study.provenance.get("program", {})
    said = f"Solved with {program.get('name', 'vbsim')} {program.get('version', '')}"
    if reports:
        largest = max(report["n_dof"] for report in reports)
        residual = max(report["relative_residual"] for report in reports)
        said += (
            f": up to {largest:,} degrees of freedom, conjugate gradients preconditioned by "
            f"geometric multigrid, stopped at a relative residual of "
            f"{_power(study.provenance.get('tolerance', 0.0))} (reached {_power(residual)})"
        )
    if errors:
        said += f"; the platens' forces balance to {_power(max(errors))} of the load"
    return f"{said}."


# Limits -------------------------------------------------------------------------------------------


class Told(Protocol):
    """What methods and limits are written from: a study, or the first case of a sweep."""

    @property
    def case(self) -> Mapping[str, Any]:
        """The resolved case."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Program, machine, constants."""

    @property
    def summary(self) -> Mapping[str, Any]:
        """Stages with their histories, warnings."""

    @property
    def rows(self) -> tuple[Any, ...]:
        """The tidy table; empty where there is none."""


def limits_of(study: Told) -> list[str]:
    """Return what a reader must know before relying on the numbers."""
    found = [str(warning) for warning in study.summary.get("warnings", ())]
    quantities = {row.quantity for row in study.rows}
    if "strength" not in quantities:
        found.append(
            "Linear elasticity: stiffness, load sharing and stress are computed; strength is "
            "estimated by published rules, and height is restored only as far as a posture was "
            "prescribed."
        )
    uncertain = [c for c in study.provenance.get("constants", ()) if c["status"] in ("M", "D")]
    if uncertain:
        total = len(study.provenance["constants"])
        found.append(
            f"{len(uncertain)} of the {total} constants behind this result are from memory or "
            "derived; the table of sources marks each."
        )
    found.append("Not for clinical decisions.")
    return found


def _treatment(study: StoredStudy, index: int) -> str:
    step = study.case["steps"][index]
    cement = _capitals(str(step.get("cement", {}).get("name", "cement")).replace("_", " "))
    volume = step.get("volume_ml")
    if volume is None and step.get("filling_fraction_percent") is not None:
        amount = f"filling {step['filling_fraction_percent']:g} % with {cement}"
    elif volume is None:
        amount = cement
    else:
        amount = f"{volume:g} ml of {cement}"
    shape = step.get("distribution", {}).get("kind")
    return f"{amount} ({str(shape).replace('_', ' ')})" if shape else amount


def _fracture(step: Mapping[str, Any]) -> str:
    kind = str(step["kind"]).replace("_", " ")
    grade = f" of grade {step['grade']}" if step.get("grade") else ""
    if kind in ("wedge", "biconcave", "crush"):
        return f"a {kind} fracture{grade}"
    return f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind}"


def _joined(words: Sequence[str]) -> str:
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def _capitals(words: str) -> str:
    return words.replace("pmma", "PMMA")


def _power(number: float) -> str:
    """Return a small number without the zero that fills its exponent: ``1e-9``."""
    return f"{number:.0e}".replace("e-0", "e-")


def _spoken(stage: str) -> str:
    name, _, number = stage.partition("_")
    if number.isdigit() and 2 <= int(number) <= len(_ORDINALS):
        return f"{_ORDINALS[int(number) - 1]}{name}"
    return stage.replace("_", " ")
