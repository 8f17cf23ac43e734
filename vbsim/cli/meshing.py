"""Commands around meshes: write, look at, export, refine."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from vbsim.cli.commands import AsJson, CasePath, Quiet, app

__all__: list[str] = []

Out = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="File to write.")]
StageName = Annotated[
    str | None, typer.Option("--stage", metavar="NAME", help="Stage; the last by default.")
]


def _refuse_existing(path: Path) -> None:
    from vbsim.checks import InvalidInput

    if path.exists():
        raise InvalidInput(f"{path} exists and is left as it is; name another file")


@app.command()
def mesh(case: CasePath, out: Out, stage: StageName = None, quiet: Quiet = False) -> None:
    """Write the mesh of a stage with tissue, density and modulus: .vtu, .inp or .msh."""
    from vbsim.cli import screen
    from vbsim.mesh.io.files import write_mesh
    from vbsim.study import load_case
    from vbsim.study.exporting import check_suffix, stage_mesh

    loaded = load_case(case)
    _refuse_existing(out)
    check_suffix(out)
    with screen.progress(quiet=quiet):
        found = stage_mesh(loaded, stage)
    write_mesh(out, found)
    typer.echo(f"wrote {out}: {found.n_cells:,} cells, {found.n_points:,} points")


@app.command()
def export(
    case: CasePath,
    out: Out,
    to: Annotated[str, typer.Option("--to", help="calculix, febio or vtu.")] = "calculix",
    stage: StageName = None,
    test: Annotated[
        str | None, typer.Option("--test", metavar="NAME", help="Test; the first by default.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Solve a stage and write it for another code: same cells, materials and platens."""
    from vbsim.cli import screen
    from vbsim.study import load_case
    from vbsim.study.exporting import export_stage

    loaded = load_case(case)
    _refuse_existing(out)
    with screen.progress(quiet=quiet) as progress:
        model = export_stage(loaded, out, to, stage=stage, test=test, progress=progress)
    typer.echo(
        f"wrote {out}: {model.mesh.n_cells:,} cells of type {model.element.abaqus}; reaction of "
        f"the upper platen along z {model.expected_n:.6g} N"
    )


@app.command()
def quality(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Mesh: .vtu, .inp or .msh.")],
    as_json: AsJson = False,
) -> None:
    """Show the quality of a mesh: scaled Jacobian, aspect ratio and volume of its cells."""
    import json

    from vbsim.cli import screen
    from vbsim.mesh.io.files import read_mesh
    from vbsim.mesh.quality import cell_quality, summary

    found = read_mesh(file)
    told = summary(found, cell_quality(found))
    if as_json:
        typer.echo(json.dumps(told, indent=1))
        return
    console = screen.out()
    for line in quality_lines(told):
        console.print(line)


def quality_lines(told: dict[str, object]) -> list[str]:
    """Return the table and the histogram of a mesh's quality, line by line."""
    lines = [f"{told['n_cells']:,} cells ({told['kind']}), {told['n_points']:,} points", ""]
    lines.append(f"{'':<18}{'least':>11}{'5 %':>11}{'median':>11}{'95 %':>11}{'most':>11}")
    for name, label in (
        ("scaled_jacobian", "scaled Jacobian"),
        ("aspect", "aspect ratio"),
        ("volume_mm3", "volume, mm3"),
    ):
        values = told[name]
        assert isinstance(values, list)
        lines.append(f"{label:<18}" + "".join(f"{value:>11.4g}" for value in values))
    lines += ["", "scaled Jacobian"]
    counts = told["histogram"]
    assert isinstance(counts, list)
    most = max(counts) or 1
    for k, count in enumerate(counts):
        edge = f"{-0.0 if k == 0 else k / 10:.1f}" if k else "< 0.1"
        label = edge if k == 0 else f"{k / 10:.1f} .. {(k + 1) / 10:.1f}"
        lines.append(f"  {label:<12}{'#' * round(40 * count / most):<41}{count:>10,}")
    return lines


@app.command()
def meshes(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder of ready-made meshes.")
    ] = Path("meshes"),
    remake: Annotated[
        bool, typer.Option("--remake", help="Make them again, in place of those there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the ready-made vertebrae of a folder, checked against their digests."""
    import json

    from vbsim.checks import VbsimError
    from vbsim.study import readymade

    if remake:
        readymade.remake(folder, told=lambda entry: typer.echo(f"wrote {entry['file']}", err=True))
    entries = readymade.listed(folder)
    whole = [readymade.is_as_listed(entry, folder) for entry in entries]
    if as_json:
        told = [{**entry, "as_listed": ok} for entry, ok in zip(entries, whole, strict=True)]
        typer.echo(json.dumps(told, indent=1))
    else:
        for line in mesh_lines(entries, whole):
            typer.echo(line)
    if not all(whole):
        raise VbsimError(f"{folder}: files are missing or are not those of its manifest")


def mesh_lines(entries: list[dict[str, Any]], whole: list[bool]) -> list[str]:
    """Return the table of ready-made meshes, line by line."""
    head = f"{'file':<30}{'stage':<11}{'cells':>9}{'least scaled Jacobian':>23}{'kB':>7}"
    lines = [head]
    for entry, ok in zip(entries, whole, strict=True):
        cells = entry["cells"]
        count = cells if isinstance(cells, int) else math.prod(cells)
        quality = entry.get("least_scaled_jacobian")
        line = f"{entry['file']:<30}{entry['stage']:<11}{count:>9,}"
        line += f"{'1' if quality is None else format(quality, '.3f'):>23}"
        lines.append(line + f"{entry['bytes'] / 1000:>7.0f}" + ("" if ok else "  changed"))
    return lines


@app.command()
def convergence(
    case: CasePath,
    sizes: Annotated[
        list[float] | None,
        typer.Option("--size", metavar="MM", help="Edge of the cells; three or more, falling."),
    ] = None,
    kind: Annotated[
        str, typer.Option(help="voxels, hexa, tetra, or both: voxels and hexa.")
    ] = "both",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Stiffness against cell size: Richardson value, observed order, error bar; several meshes."""
    import json

    from vbsim.checks import require
    from vbsim.cli import screen
    from vbsim.study import load_case
    from vbsim.study.convergence import converge

    loaded = load_case(case)
    allowed = ("both", "voxels", "hexa", "tetra")
    require(kind in allowed, "kind", kind, "voxels, hexa, tetra or both")
    kinds = ("voxels", "hexa") if kind == "both" else (kind,)
    with screen.progress(quiet=quiet) as progress:
        found = converge(loaded, sizes or [2.8284, 2.0, 1.4142], kinds=kinds, progress=progress)
    if as_json:
        plain = [{**s._asdict(), "solved": [v._asdict() for v in s.solved]} for s in found]
        typer.echo(json.dumps(plain, indent=1))
        return
    console = screen.out()
    for series in found:
        console.print(f"\n{series.stage}, {series.kind}")
        console.print(f"{'size, mm':>10}{'unknowns':>12}{'stiffness, kN/mm':>19}")
        for value in series.solved:
            stiffness = value.stiffness_n_per_mm / 1000.0
            console.print(f"{value.size_mm:>10.3g}{value.n_dof:>12,}{stiffness:>19.3f}")
        if series.order == series.order:
            limit = series.limit_n_per_mm / 1000.0
            console.print(
                f"{'limit':>10}{'':>12}{limit:>19.3f}   order {series.order:.1f}, finest "
                f"within {series.error_percent:.1f} %"
            )
        else:
            console.print(f"  does not settle; last change x 3: {series.error_percent:.1f} %")


@app.command()
def tetra(
    surface: Annotated[
        Path,
        typer.Argument(
            metavar="SURFACE",
            help="Closed surface (.stl, .obj, .ply, .vtp) or label map (.nii.gz, .nrrd, .mha).",
        ),
    ],
    out: Out,
    size: Annotated[float, typer.Option("--size", metavar="MM", help="Wanted edge, mm.")] = 2.0,
    unit: Annotated[str, typer.Option(help="Unit of the surface: mm, cm or m.")] = "mm",
    label: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Label of a label map that is inside; may be repeated."),
    ] = None,
    second_order: Annotated[
        bool, typer.Option("--second-order", help="Put a node in the middle of every edge.")
    ] = False,
) -> None:
    """Fill a closed surface or a label with tetrahedra (extra 'tet'); .vtu, .inp or .msh."""
    from vbsim.mesh.io.files import write_mesh
    from vbsim.mesh.quality import scaled_jacobian
    from vbsim.mesh.surface import check_surface, read_surface
    from vbsim.mesh.tetra import tetrahedralize
    from vbsim.study.exporting import check_suffix

    _refuse_existing(out)
    check_suffix(out)
    if label:
        from vbsim.views.surfaces import label_surface

        found = check_surface(label_surface(surface, label), str(surface))
    else:
        found = check_surface(read_surface(surface, unit=unit), str(surface))
    made = tetrahedralize(found, size, order=2 if second_order else 1)
    write_mesh(out, made)
    typer.echo(
        f"wrote {out}: {made.n_cells:,} cells, {made.n_points:,} points, "
        f"{made.volumes().sum() / 1000.0:.2f} ml (surface {found.volume_mm3() / 1000.0:.2f} ml), "
        f"least scaled Jacobian {scaled_jacobian(made).min():.2f}"
    )
