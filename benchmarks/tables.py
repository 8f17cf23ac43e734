"""Write the tables and the plot of ``README.md`` from the records.

Everything between the two marks is replaced; of several records of the same solve the last counts.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from again import Again
from fitted import Fitted
from injection import InjectionRecord
from kernel import Rate
from mechanics import MechanicsRecord
from parts import PARTS, Profile
from plastic import PlasticRecord

from vbsim.checks import require
from vbsim.study.benchmark import Record, read_records
from vbsim.study.benchmark.record import Measured

HERE = Path(__file__).parent
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
OURS = "vbsim"

T = TypeVar("T")


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=Path, default=HERE / "records", help="folder of records")
    parser.add_argument("--readme", type=Path, default=HERE / "README.md", help="file to write")
    parser.add_argument("--figure", type=Path, default=HERE / "figures" / "solver.png")
    options = parser.parse_args(words)
    text = options.readme.read_text(encoding="utf-8")
    options.readme.write_text(replaced(text, tables(options.records)), encoding="utf-8")
    draw(options.records, options.figure)


def replaced(text: str, new: str) -> str:
    """Return a text with what lies between the two marks replaced."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    require(bool(begin and end), "readme", text[:40], f"a text with {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{new.strip()}\n\n{END}{after}"


def tables(folder: Path) -> str:
    """Return every table for which there are records, as Markdown."""
    solves, peers = (
        latest(folder / f"{name}.jsonl", Record, _solve) for name in ("voxels", "peers")
    )
    rates = latest(folder / "kernel.jsonl", Rate, _kernel)
    profiles = latest(folder / "parts.jsonl", Profile, lambda p: (p.structure, p.dof))
    later = latest(folder / "again.jsonl", Again, lambda a: (a.what, a.dof))
    found = []
    if solves:
        found += ["### Size", solver_table(solves), "![time and memory](figures/solver.png)"]
    if peers:
        found += ["### Beside other solvers, one core", *peer_tables(peers)]
    if rates:
        found += ["### Element product", kernel_table(rates)]
    if profiles:
        found += ["### Where the time goes, one thread", parts_table(profiles)]
    if later:
        found += ["### Second and later solves, one thread", again_table(later)]
    plastic = latest(folder / "plastic.jsonl", PlasticRecord, lambda p: (p.name, p.structure))
    if plastic:
        found += ["### Plastic block, beside CalculiX, one thread", plastic_table(plastic)]
    tasks = latest(
        folder / "mechanics.jsonl", MechanicsRecord, lambda m: (m.mesh, m.task, m.spacing_mm)
    )
    if tasks:
        found += ["### Strength and collapse of an L1, one thread", mechanics_table(tasks)]
    given = latest(folder / "injection.jsonl", InjectionRecord, lambda i: (i.task, i.spacing_mm))
    if given:
        found += ["### 5 ml injected, 20 minutes of curing, one thread", injection_table(given)]
    ends = folder / "robustness.jsonl"
    if ends.exists():
        found += ["### Random vertebrae, treated and loaded to failure", ends_table(ends)]
    fitted = latest(folder / "fitted.jsonl", Fitted, lambda f: (f.name, f.task, f.dof))
    if fitted:
        found += ["### Fitted hexahedra, one core", fitted_table(fitted)]
    known = [*solves, *peers, *rates, *profiles, *later, *plastic, *tasks, *given, *fitted]
    return "\n\n".join([*found, origin(known)])


def latest(path: Path, kind: type[T], key: Callable[[T], Hashable]) -> list[T]:
    """Return the last record of each key, in the order of first appearance."""
    if not path.exists():
        return []
    return list({key(record): record for record in read_records(path, kind)}.values())


def _solve(record: Record) -> Hashable:
    # peers give the sizes of the body they solved, so the number alone tells bodies apart
    return record.name, record.structure, record.dof, record.threads, record.tolerance


def _kernel(rate: Rate) -> Hashable:
    return rate.mode, rate.dtype, rate.n_units, rate.threads


# Tables -------------------------------------------------------------------------------------------


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """Return a table whose first `words` columns are flush left, the others flush right."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def solver_table(records: Iterable[Record]) -> str:
    """Return time and memory by structure, size and threads."""
    head = (
        *("structure", "degrees of freedom", "threads", "residual", "iterations", "CPU s"),
        *("of it set-up", "wall s", "million/CPU s", "bytes each", "peak MB", "load"),
    )
    ordered = sorted(records, key=lambda r: (r.structure, r.dof, r.threads))
    return markdown(
        head,
        (
            (
                r.structure,
                f"{r.dof:,}",
                str(r.threads),
                f"{r.tolerance:.0e}",
                str(r.iterations),
                f"{r.cpu_s:.2f}",
                f"{r.setup_cpu_s:.2f}",
                f"{r.wall_s:.2f}",
                f"{r.dof_per_s / 1e6:.2f}",
                f"{r.bytes_per_dof:.0f}",
                f"{r.peak_bytes / 1e6:.0f}",
                f"{r.load:.1f}",
            )
            for r in ordered
        ),
    )


def peer_tables(records: Iterable[Record]) -> list[str]:
    """Return one table for each body that several solvers have solved."""
    bodies: dict[Hashable, list[Record]] = {}
    for record in records:
        bodies.setdefault((record.structure, record.dof, record.tolerance), []).append(record)
    found = []
    for group in bodies.values():
        first = group[0]
        title = f"{first.structure}, {first.dof:,} degrees of freedom, residual"
        found.append(f"{title} {first.tolerance:.0e}:\n\n{_peer_table(group)}")
    return found


def _peer_table(group: Sequence[Record]) -> str:
    ours = next(record for record in group if record.name == OURS)
    head = (
        *("solver", "iterations", "residual", "CPU s", "times vbsim", "peak MB"),
        *("reaction N", "differs by", "load"),
    )
    return markdown(
        head,
        (
            (
                r.name,
                str(r.iterations),
                f"{r.relative_residual:.1e}",
                f"{r.cpu_s:.2f}",
                f"{r.cpu_s / ours.cpu_s:.1f}",
                f"{r.peak_bytes / 1e6:.0f}",
                f"{r.reaction_n:.4f}",
                "" if r is ours else f"{abs(r.reaction_n / ours.reaction_n - 1.0):.0e}",
                f"{r.load:.1f}",
            )
            for r in group
        ),
    )


def kernel_table(rates: Iterable[Rate]) -> str:
    """Return throughput beside bandwidth and peak."""
    head = (
        *("pass", "type", "unit materials", "threads", "million elements/s", "bytes each"),
        *("operations each", "GB/s", "of copy", "GFLOP/s", "of peak", "load"),
    )
    return markdown(
        head,
        (
            (
                r.mode,
                r.dtype,
                str(r.n_units),
                str(r.threads),
                f"{r.elements_per_s / 1e6:.0f}",
                f"{r.bytes_per_element:.0f}",
                f"{r.operations_per_element:.0f}",
                f"{r.elements_per_s * r.bytes_per_element / 1e9:.1f}",
                f"{r.share_of_bandwidth:.0%}",
                f"{r.elements_per_s * r.operations_per_element / 1e9:.1f}",
                f"{r.share_of_peak:.0%}",
                f"{r.load:.1f}",
            )
            for r in rates
        ),
        words=2,
    )


def again_table(records: list[Again]) -> str:
    """Return a row a solve, in the order in which they were done."""
    head = ("solve", "degrees of freedom", "iterations", "CPU s", "load")
    rows = [
        (r.what, f"{r.dof:,}", str(r.iterations), f"{r.cpu_s:.2f}", f"{r.load:.1f}")
        for r in records
    ]
    return markdown(head, rows)


def plastic_table(records: list[PlasticRecord]) -> str:
    """Return a row a program; what it differs by is the largest over ten forces of the path."""
    head = ("solver", "structure", "cells", "degrees of freedom", "CPU s", "differs by", "load")
    rows = [
        (
            r.name,
            r.structure,
            f"{r.cells:,}",
            f"{r.dof:,}",
            f"{r.cpu_s:.2f}",
            f"{r.deviation:.1%}" if r.deviation else "",
            f"{r.load:.1f}",
        )
        for r in records
    ]
    return markdown(head, rows, words=2)


def ends_table(path: Path) -> str:
    """Return how many cases ended how; what their statuses say is in the records."""
    cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    kinds = {"drawn": "drawn fractures, loaded once", "story": "collapsed and treated by mechanics"}
    ends = {
        "whole": "a strength in every stage, all checks passed",
        "no strength": "no strength: said so, with advice",
        "not converged": "stopped, with advice",
        "told": "stopped or refused, with advice",
        "refused": "refused before loading, with the reason",
        "wrong": "wrong by one of the checks",
    }
    rows = []
    for kind, title in kinds.items():
        own = [case for case in cases if case["kind"] == kind]
        cpu = sum(case.get("cpu_s", 0.0) for case in own)
        for end, told in ends.items():
            n = sum(case["end"] == end for case in own)
            if n or end in ("whole", "wrong"):
                share = f"{n / len(own):.1%}"
                rows.append((title, told, str(n), share, f"{cpu / len(own):.1f}"))
    return markdown(("cases", "end", "number", "share", "CPU s a case"), rows)


def mechanics_table(records: list[MechanicsRecord]) -> str:
    """Return a row a task and spacing."""
    head = (
        "task",
        "cells",
        "mm",
        "degrees of freedom",
        "steps",
        "Newton",
        "CG",
        "CPU s",
        "peak N",
        "came back",
        "inverted centres",
        "inverted corners",
        "load",
    )
    rows = [
        (
            r.task,
            r.mesh,
            f"{r.spacing_mm:g}",
            f"{r.dof:,}",
            str(r.steps),
            str(r.newton),
            str(r.krylov),
            f"{r.cpu_s:.1f}",
            f"{r.peak_n:.0f}",
            "" if r.recovered_percent is None else f"{r.recovered_percent:.0f} %",
            str(r.inverted_centres),
            str(r.inverted_corners),
            f"{r.load:.1f}",
        )
        for r in records
    ]
    return markdown(head, rows)


def injection_table(records: list[InjectionRecord]) -> str:
    """Return a row a task and spacing."""
    head = ("task", "voxels mm", "cells of bone", "CPU s", "leaked ml", "hottest C", "unbalanced")
    rows = [
        (
            r.task,
            f"{r.spacing_mm:g}",
            f"{r.cells:,}",
            f"{r.cpu_s:.1f}",
            f"{r.leaked_ml:.3f}",
            "" if r.hottest_c is None else f"{r.hottest_c:.0f}",
            f"{r.unbalanced:.0e}",
            f"{r.load:.1f}",
        )
        for r in records
    ]
    return markdown((*head, "load"), rows)


def fitted_table(records: Sequence[Fitted]) -> str:
    """Return every package's time and memory beside ours, task by task."""
    ours = {(r.task, r.dof): r for r in records if r.name.startswith(OURS)}
    head = (
        *("task", "solver", "components", "CPU s", "times vbsim", "new moduli, CPU s"),
        *("grown by MB", "iterations", "residual", "differs by", "load"),
    )
    rows = []
    for r in sorted(records, key=lambda r: (r.task, r.dof)):
        own = ours[r.task, r.dof]
        solved = r.task == "solve"
        rows.append(
            (
                *(r.task, r.name, f"{r.dof:,}", f"{r.cpu_s:.2f}", f"{r.cpu_s / own.cpu_s:.1f}"),
                "" if solved else f"{r.again_cpu_s:.2f}",
                f"{r.grown_bytes / 1e6:.0f}",
                str(r.iterations) if solved else "",
                f"{r.relative_residual:.1e}" if solved else "",
                "" if r is own else f"{abs(r.check / own.check - 1.0):.0e}",
                f"{r.load:.1f}",
            )
        )
    return markdown(head, rows, words=2)


def parts_table(profiles: Sequence[Profile]) -> str:
    """Return shares of the processor time, one column a solve."""
    head = ("part", *(f"{p.structure}, {p.dof / 1e6:.2g} M" for p in profiles))
    rows = [(part, *(f"{p.shares[part]:.0%}" for p in profiles)) for part in PARTS]
    rows.append(("CPU s", *(f"{p.cpu_s:.2f}" for p in profiles)))
    rows.append(("iterations", *(str(p.iterations) for p in profiles)))
    rows.append(("load", *(f"{p.load:.1f}" for p in profiles)))
    return markdown(head, rows)


def origin(records: Sequence[Measured]) -> str:
    """Return machines, versions, commits and days of the records."""
    if not records:
        return "No records."
    versions = {" ".join(f"{k} {v}" for k, v in r.versions.items()) for r in records}
    days = sorted({r.taken[:10] for r in records})
    commits = sorted({str(r.commit)[:9] + "*" * str(r.commit).endswith("dirty") for r in records})
    machines = sorted({r.machine for r in records})
    return (
        f"Measured on {'; '.join(machines)}; {'; '.join(sorted(versions))}; "
        f"{' to '.join(dict.fromkeys((days[0], days[-1])))}, commit {', '.join(commits)}."
    )


# Plot ---------------------------------------------------------------------------------------------


def draw(folder: Path, path: Path) -> None:
    """Draw processor time and memory over size, peers beside ours, one thread."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines: dict[str, list[tuple[int, float, float]]] = {}
    for name in ("voxels", "peers"):
        for r in latest(folder / f"{name}.jsonl", Record, _solve):
            if r.threads == 1 and (name == "voxels" or r.name != OURS):
                label = f"{r.name}, {r.structure}"
                lines.setdefault(label, []).append((r.dof, r.cpu_s, r.peak_bytes / 1e6))
    if not lines:
        return
    figure, (time, memory) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for label, points in lines.items():
        dof, cpu_s, peak_mb = zip(*sorted(points), strict=True)
        style = "o-" if label.startswith(OURS) else "s--"
        time.loglog(dof, cpu_s, style, label=label)
        memory.loglog(dof, peak_mb, style)
    for axes, title in ((time, "processor time, s"), (memory, "peak memory of the process, MB")):
        axes.set(xlabel="degrees of freedom", title=title)
        axes.grid(alpha=0.3)
    time.legend(frameon=False, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
