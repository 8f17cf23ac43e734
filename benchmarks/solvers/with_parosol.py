"""Solve a body with ParOSol: run by the Python that has parosol-py, as a process of its own.

``python with_parosol.py FOLDER`` reads ``FOLDER/body.npz`` and prints one JSON object. Only the
ParOSol program is timed; it reads its input, solves on one process and writes its result.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
from parosol_py.hdf5_io import write_parosol_input
from parosol_py.runner import (
    build_parosol_command,
    mpi_runtime_environment,
    packaged_executable,
    parse_run_summary,
)

HELD = 1e-16  # its sign for a component that is held; 0 would mean free


def main(folder: Path) -> None:
    body = np.load(folder / "body.npz")
    coordinates, values = held(body)
    path = write_parosol_input(
        folder / "parosol.h5",
        stiffness_gpa_xyz=np.ascontiguousarray(body["moduli_mpa"].T) / np.float32(1000.0),
        fixed_displacement_coordinates=coordinates,
        fixed_displacement_values=values,
        voxel_size_mm=float(body["spacing_mm"]),
        poisson_ratio=float(body["poisson"]),
    )
    command = build_parosol_command(
        executable=packaged_executable(),
        input_file=path.name,
        outputs=(),
        tolerance=float(body["tolerance"]),
        mpi_processes=1,
    )
    said, took, wall_s = run(command, folder)
    summary = parse_run_summary(said)
    answer = {
        "name": f"ParOSol (parosol-py {version('parosol-py')})",
        "iterations": summary.iterations,
        "relative_residual": summary.relative_residual,
        "reaction_n": reaction_n(path, float(body["displacement_mm"])),
        "cpu_s": took.ru_utime + took.ru_stime,
        "wall_s": wall_s,
        # Its own clock, of set-up and iterations alone; the rest is reading and writing.
        "setup_cpu_s": float(said.partition("#  Constant:")[2].split()[0]),
        "own_clock_s": summary.overall_time_seconds,
        "peak_bytes": took.ru_maxrss * 1024,
    }
    print(json.dumps(answer))


def held(body):
    """Return held components as (x, y, z, direction) and their displacement, in mm."""
    used = np.zeros(tuple(n + 1 for n in body["moduli_mpa"].shape), bool)
    solid = body["moduli_mpa"] > 0
    n_z, n_y, n_x = solid.shape
    for k, j, i in np.ndindex(2, 2, 2):
        used[k : k + n_z, j : j + n_y, i : i + n_x] |= solid
    rows, values = [], []
    for z, moves, sideways in ((0, HELD, True), (n_z, body["displacement_mm"], body["top_held"])):
        y, x = np.nonzero(used[z])
        for direction in (0, 1, 2) if sideways else (2,):
            columns = (x, y, np.full_like(x, z), np.full_like(x, direction))
            rows.append(np.column_stack(columns))
            values.append(np.full(len(x), moves if direction == 2 else HELD))
    coordinates, displacements = np.concatenate(rows), np.concatenate(values)
    order = np.lexsort(coordinates.T[::-1])
    return coordinates[order].astype(np.uint16), displacements[order].astype(np.float32)


def run(command, folder):
    """Return what the program said, the resources that it alone used, and its wall time."""
    begun = time.perf_counter()
    with (folder / "said.txt").open("w+") as said:
        environment = mpi_runtime_environment(command)
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said)
        _, status, took = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begun
        said.seek(0)
        text = said.read()
    if status:
        raise SystemExit(f"ParOSol ended with status {status}:\n{text}")
    return text, took, wall_s


def reaction_n(path, displacement_mm):
    """Return the force between the ends, > 0 in compression."""
    with h5py.File(path) as file:
        along = file["Solution/force"][:, 2]
        moved = file["Solution/disp"][:, 2] == np.float32(displacement_mm)
    return float(along[moved].sum() * np.sign(displacement_mm))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
