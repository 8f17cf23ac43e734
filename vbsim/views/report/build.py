"""A case's report: what was asked, what came out, how it looks, how it was done."""

from __future__ import annotations

import base64
import io
import logging
import struct
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from vbsim.checks import InvalidInput
from vbsim.study.stored import StoredStudy
from vbsim.study.wording import sheets
from vbsim.views.browser.page import asset, embedded_scene, viewer_scripts
from vbsim.views.browser.scene import scene_bytes
from vbsim.views.curves import history_figure, is_loading, read_history
from vbsim.views.report.sentences import Citations, answer, limits_of, methods, question
from vbsim.views.style import DPI, styled

__all__ = ["Picture", "case_report", "origin", "picture", "render"]

log = logging.getLogger("vbsim.views")

# Reading order of the figures, and what each shows.
CAPTIONS = {
    "stages.png": "Stiffness and heights by stage.",
    "endplates.png": "The body in the mid-sagittal plane and its height along the depth.",
    "radiographs.png": "Simulated radiographs: parallel rays, one effective energy, no scatter; "
    "dense is bright, and cement may be brighter than the scale.",
    "sections_cement.png": "Cement in the mid-sagittal and mid-coronal section; dotted: its "
    "outline seen through the body.",
    "sections_density.png": "Bone mineral density.",
    "sections_stress.png": "Von Mises stress at one load, one scale for all stages.",
    "sections_compression.png": "Largest compressive principal stress at one load.",
    "sections_energy.png": "Strain energy density at one load: bright is where deformation "
    "concentrates.",
    "load_sharing.png": "Who carries the axial force along the height.",
}
_MOST_PANES = 3


class Picture(NamedTuple):
    """A figure of a report.

    Attributes
    ----------
    data : str
        PNG, base64.
    caption : str
        What it shows.
    width_in : float
        Width on paper, inches.
    """

    data: str
    caption: str
    width_in: float


def case_report(study: StoredStudy) -> str:
    """Return the report of a case as one HTML page without any outside reference.

    Figures are those that the run drew; load histories are drawn here. Where fields were not kept,
    the interactive view is left out and the page says so.

    Parameters
    ----------
    study : StoredStudy
        A result folder.
    """
    citations = Citations(study.provenance.get("constants", ()))
    paragraphs = methods(study, citations)
    scene, missing = _scene(study)
    return render(
        "case.html",
        title=study.name,
        question=question(study),
        answer=answer(study),
        warnings=list(study.summary.get("warnings", ())),
        sheets=sheets(study.rows),
        pictures=[*_pictures(study), *_curves(study)],
        scene=scene,
        missing=missing,
        scripts=viewer_scripts() if scene else "",
        methods=paragraphs,
        sources=citations.sources,
        limits=limits_of(study),
        definitions=study.summary.get("definitions", {}),
        rows=study.rows,
        constants=_by_source(study),
        provenance=origin(
            study.provenance, f"{study.folder.name}, digest {study.summary.get('digest', '')}"
        ),
        stages=[(stage["name"], stage["history"][-1]) for stage in study.summary["stages"]],
        snippets=_snippets(study),
    )


def render(template: str, **content: Any) -> str:
    """Return a page from one of the templates; everything put in is escaped unless marked safe."""
    from jinja2 import DictLoader, Environment, StrictUndefined

    folder = files("vbsim.views.report").joinpath("assets")
    names = ("base.html", "case.html", "sweep.html")
    templates = {name: folder.joinpath(name).read_text(encoding="utf-8") for name in names}
    environment = Environment(
        loader=DictLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = folder.joinpath("report.css").read_text(encoding="utf-8")
    page = environment.get_template(template)
    if template == "sweep.html":
        program = folder.joinpath("sweep.js").read_text(encoding="utf-8")
        content["scripts"] = f"<script>{program}</script>"
    return str(page.render(style=f"{style}\n{asset('viewer.css')}", **content))


def _scene(study: StoredStudy) -> tuple[str, str]:
    """Return the interactive view, or why there is none."""
    try:
        block = scene_bytes(study)
    except (InvalidInput, KeyError) as error:
        log.warning("no interactive view: %s", error)
        return "", "The fields of this result were not kept, so that there is no interactive view."
    chosen = range(len(study.stages))[-_MOST_PANES:]
    return embedded_scene([block], [(0, k) for k in chosen]), ""


def _pictures(study: StoredStudy) -> list[Picture]:
    known = {path.name: path for path in study.figures}
    order = [name for name in CAPTIONS if name in known]
    order += sorted(set(known) - set(order))
    found = []
    for name in order:
        data = known[name].read_bytes()
        caption = CAPTIONS.get(name, name.removesuffix(".png").replace("_", " ").capitalize() + ".")
        found.append(picture(data, caption))
    return found


def _curves(study: StoredStudy) -> list[Picture]:
    """Return load against displacement of every test that left a history."""
    histories = []
    for path in study.histories:
        try:
            histories.append(read_history(path))
        except InvalidInput as error:
            log.warning("history left out: %s", error)
    order = {stage: k for k, stage in enumerate(study.stages)}
    histories.sort(key=lambda h: (h.test, order.get(h.stage, len(order))))
    found = []
    for test, group in groupby(histories, key=lambda h: h.test):
        try:
            members = list(group)
            figure = history_figure(members)
        except InvalidInput as error:
            log.warning("history left out: %s", error)
            continue
        stream = io.BytesIO()
        with styled():
            figure.savefig(stream, dpi=DPI, metadata={"Software": None})
        words = test.replace("_", " ")
        if all(is_loading(history) for history in members):
            caption = f"Load against displacement, {words}; dot: peak."
        else:
            caption = f"History of {words}."
        found.append(picture(stream.getvalue(), caption))
    return found


def picture(data: bytes, caption: str) -> Picture:
    """Return a PNG with its caption; its width on paper follows from its pixels."""
    (width,) = struct.unpack(">I", data[16:20])
    return Picture(base64.b64encode(data).decode("ascii"), caption, width / DPI)


def _by_source(study: StoredStudy) -> list[tuple[str, list[dict[str, Any]]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for item in study.provenance.get("constants", ()):
        found.setdefault(item["source"], []).append(item)
    return list(found.items())


def origin(kept: Mapping[str, Any], result: str) -> list[tuple[str, str]]:
    """Return name and text of what tells where a result comes from.

    Parameters
    ----------
    kept : mapping
        Content of ``provenance.json``.
    result : str
        Names the result.
    """
    program, machine = kept.get("program", {}), kept.get("machine", {})
    packages = ", ".join(f"{k} {v}" for k, v in kept.get("packages", {}).items() if v)
    pairs = [
        ("Result", result),
        ("Written", str(kept.get("written", ""))),
        ("Program", f"{program.get('name', '')} {program.get('version', '')}"),
        ("Commit", str(program.get("commit") or "not known")),
        ("Packages", f"Python {kept.get('python', '')}, {packages}"),
        ("Machine", f"{machine.get('cpu', '')}, {machine.get('system', '')}"),
        ("Seeds", ", ".join(f"{k} = {v}" for k, v in kept.get("seeds", {}).items()) or "none"),
    ]
    for place, item in kept.get("inputs", {}).items():
        pairs.append((place, f"{Path(item['path']).name}, sha256 {item['sha256']}"))
    return pairs


def _snippets(study: StoredStudy) -> Sequence[tuple[str, str]]:
    """Return code that opens the fields in PyVista and in ParaView."""
    if not (study.folder / "fields").is_dir():
        return ()
    stage = study.stages[-1]
    pyvista = (
        "import pyvista as pv\n"
        f'stage = pv.read("fields/{stage}.vti")\n'
        'bone = stage.threshold(0.5, scalars="body_fraction")\n'
        'bone.clip("x").plot(scalars="von_mises_mpa", log_scale=True, cmap="magma")\n'
    )
    paraview = (
        "from paraview.simple import *\n"
        f'stage = XMLImageDataReader(FileName=["fields/{stage}.vti"])\n'
        'bone = Threshold(Input=stage, Scalars=["CELLS", "body_fraction"], LowerThreshold=0.5,\n'
        "                 UpperThreshold=1.0)\n"
        'cut = Clip(Input=bone, ClipType="Plane")\n'
        f'ends = XMLPolyDataReader(FileName=["geometry/{stage}.vtp"])\n'
        "shown = Show(cut)\n"
        'ColorBy(shown, ("CELLS", "von_mises_mpa"))\n'
        "Show(ends).Opacity = 0.3\n"
        "Render()\n"
    )
    return (("PyVista", pyvista), ("ParaView (Tools, Python Shell, Run Script)", paraview))
