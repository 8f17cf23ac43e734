"""``vbsim solve IMAGE``: an axial test of a voxel image, as micro-FE solvers do it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vbsim.cli.commands import app

if TYPE_CHECKING:
    from rich.table import Table

    from vbsim.study.microfe import ImageSolution

__all__ = ["solve"]

Image = Annotated[
    Path,
    typer.Argument(metavar="IMAGE", help="Moduli in MPa or labels: NIfTI, NRRD, MetaImage, .npy."),
]
Moduli = Annotated[
    list[str] | None,
    typer.Option("--modulus", metavar="LABEL=MPA", help="Modulus of a label; repeatable."),
]
Materials = Annotated[
    Path | None,
    typer.Option(metavar="CSV", help="Modulus of every label: columns label, modulus_mpa."),
]
VoxelSize = Annotated[
    str | None,
    typer.Option("--voxel-mm", metavar="H|X,Y,Z", help="Voxel size of a .npy file, mm."),
]
Axis = Annotated[str, typer.Option(metavar="x|y|z", help="Load axis of the image.")]
Ends = Annotated[
    str, typer.Option(metavar="clamped|sliding", help="Is that end plane held sideways?")
]
Displacement = Annotated[
    float | None,
    typer.Option(help="Motion of the upper end plane, mm; < 0 compresses. This or --force-n."),
]
Force = Annotated[float | None, typer.Option(help="Force, N; > 0 compresses.")]
Poisson = Annotated[float, typer.Option(help="Poisson's ratio of every voxel.")]
Tolerance = Annotated[
    float, typer.Option(min=1e-13, max=1e-2, help="Residual / load at which to stop.")
]
Iterations = Annotated[int, typer.Option(min=1, help="Bound on the iterations.")]
Threads = Annotated[int | None, typer.Option(min=1, max=1024, help="Threads; default: all cores.")]
Largest = Annotated[
    bool, typer.Option("--largest-part", help="Keep the largest face-connected part alone.")
]
FieldsFile = Annotated[
    Path | None, typer.Option("--fields", metavar="VTI", help="Write the fields to this file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no log.")]


@app.command()
def solve(
    image: Image,
    modulus: Moduli = None,
    material_table: Materials = None,
    voxel_mm: VoxelSize = None,
    axis: Axis = "z",
    bottom: Ends = "clamped",
    top: Ends = "sliding",
    displacement_mm: Displacement = None,
    force_n: Force = None,
    poisson: Poisson = 0.3,
    tolerance: Tolerance = 1e-6,
    max_iterations: Iterations = 2000,
    threads: Threads = None,
    largest_part: Largest = False,
    fields: FieldsFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Solve a voxel image: reaction, stiffness, energy, failure estimate; fields on request.

    The end planes are the lowest and the highest plane of points that carry material along the
    axis. The lower one stays, the upper one moves; parts that do not join them are left out.
    Times are of set-up and solve: reading and compiling are not in them. Memory is the peak of the
    whole process.
    """
    from vbsim.cli import screen
    from vbsim.fem import Settings
    from vbsim.study import microfe
    from vbsim.study.compiling import compilation_told

    _refuse_file(fields)
    words: dict[str, Any] = {"axis": axis, "bottom": bottom, "top": top}  # it checks them
    test = microfe.AxialTest(
        **words, displacement_mm=displacement_mm, force_n=force_n, poisson=poisson
    )
    materials = microfe.read_materials(modulus or (), material_table)
    size = _voxel_size(voxel_mm)
    with screen.progress(quiet=quiet or as_json) as progress, compilation_told():
        progress("reading", 0.0)
        # Handed over, not kept: the solver frees the image before it needs its own memory.
        read = [microfe.read_moduli(image, materials=materials, voxel_mm=size)]
        progress("loading kernels", 0.0)
        microfe.load_kernels(threads)
        solution = microfe.solve_image(
            read.pop(),
            test,
            largest_part=largest_part,
            settings=Settings(tolerance, max_iterations, threads),
            progress=progress,
        )
        if fields is not None:
            progress("writing fields", 1.0)
            microfe.write_fields(fields, solution)
    if as_json:
        typer.echo(solution.to_json())
    else:
        screen.out().print(_table(solution))


def _refuse_file(path: Path | None) -> None:
    """Refuse a file of fields that could not be written, before the work is done."""
    from vbsim.checks import InvalidInput

    if path is None:
        return
    if path.suffix.lower() != ".vti":
        raise InvalidInput(f"--fields {path}: must end in .vti (VTK image data)")
    if not path.absolute().parent.is_dir():
        raise InvalidInput(f"--fields {path}: there is no folder {path.absolute().parent}")


def _voxel_size(text: str | None) -> tuple[float, float, float] | None:
    from vbsim.checks import InvalidInput

    if text is None:
        return None
    try:
        edges = [float(word) for word in text.split(",")]
        x, y, z = edges * 3 if len(edges) == 1 else edges
    except ValueError:
        x = y = z = 0.0
    if not min(x, y, z) > 0.0:
        raise InvalidInput(f"--voxel-mm {text!r}: must be one edge or three (x,y,z), positive, mm")
    return x, y, z


def _table(solution: ImageSolution) -> Table:
    from vbsim.cli.tables import facts

    test, work = solution.test, solution.work
    title = (
        f"Along {test.axis}, bottom {test.bottom}, top {test.top}, Poisson's ratio {test.poisson:g}"
    )
    lines = (
        ("Reaction (> 0 in compression)", f"{solution.reaction_n:,.6g}", "N"),
        ("Displacement of the upper end", f"{solution.displacement_mm:.6g}", "mm"),
        ("Stiffness", f"{solution.stiffness_n_per_mm:,.6g}", "N/mm"),
        ("Strain energy", f"{solution.energy_n_mm:,.6g}", "N mm"),
        ("Apparent modulus, box around it", f"{solution.apparent_modulus_mpa:,.6g}", "MPa"),
        ("Failure load, linear estimate (Pistoia)", f"{solution.failure_load_pistoia_n:,.4g}", "N"),
        ("Voxels that carry load", f"{solution.n_cells:,}", ""),
        ("  of the box around them", f"{100.0 * solution.fill:.1f}", "%"),
        ("Voxels left out", f"{solution.dropped.n_cells:,}", ""),
        ("Degrees of freedom", f"{work.dof:,}", ""),
        ("Iterations", f"{work.iterations}", ""),
        ("Relative residual", f"{work.relative_residual:.1e}", ""),
        ("Imbalance of the two ends", f"{solution.equilibrium_error:.1e}", "of reaction"),
        ("Processor time", f"{work.cpu_s:.2f}", "s"),
        ("Time", f"{work.wall_s:.2f}", "s"),
        ("Peak memory of the process", f"{work.peak_bytes / 1e6:,.0f}", "MB"),
    )
    return facts(title, lines)
