"""Solved stages kept between runs: the same intact or fractured vertebra is solved once.

One file per stage, named by the digest of everything that decides it; written aside and renamed.
A file that cannot be read counts as absent. Deleting the folder costs time, never a result.
"""

from __future__ import annotations

import logging
import os
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vbsim.fem.response import PlatenModes, SolverReport
from vbsim.study.results import ASIDE, file_written_aside, sweep

__all__ = ["StageStore"]

log = logging.getLogger("vbsim.study")


@dataclass(frozen=True)
class StageStore:
    """A folder of solved stages.

    Parameters
    ----------
    folder : Path
        Where they lie; made when the first one is kept.
    limit_bytes : int
        Room for all of them; the one unused for longest goes first. The default holds about 1000
        stages at 1 mm or 100 at 0.5 mm.
    """

    folder: Path
    limit_bytes: int = 4_000_000_000

    def load(self, digest: str) -> PlatenModes | None:
        """Return the platen modes of a stage, or None if they are not kept."""
        try:
            with np.load(self._file(digest), allow_pickle=False) as kept:
                # Tells that it is in use; it may be gone by now, or not ours to change.
                with suppress(OSError):
                    os.utime(self._file(digest))
                is_used = kept["is_used"]
                displacement = np.zeros((*kept["displacement_mm"].shape[:2], *is_used.shape))
                displacement[:, :, is_used] = kept["displacement_mm"]
                report = kept["report"]
                iterations = tuple(int(n) for n in kept["iterations"])
                return PlatenModes(
                    displacement,
                    kept["stiffness"],
                    kept["reactions_n"],
                    str(kept["lateral"]),
                    SolverReport(iterations, float(report[0]), int(report[1]), float(report[2])),
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def keep(self, digest: str, modes: PlatenModes) -> None:
        """Keep the platen modes of a stage; only points that moved are written.

        A disk that is full or locked is told in the log and stops nothing.
        """
        try:
            self._write(self._file(digest), modes)
            sweep(self.folder)
            self._prune()
        except OSError as error:
            # The stage is in memory all the same, and so is the rest of the run.
            log.warning("a stage could not be kept in %s: %s", self.folder, error)

    def _write(self, target: Path, modes: PlatenModes) -> None:
        is_used = modes.displacement_mm.any(axis=(0, 1))
        report = modes.report
        with file_written_aside(target) as path, path.open("wb") as stream:
            np.savez(
                stream,
                is_used=is_used,
                displacement_mm=modes.displacement_mm[:, :, is_used],
                stiffness=modes.stiffness,
                reactions_n=modes.reactions_n,
                lateral=np.array(modes.lateral),
                iterations=np.array(report.iterations),
                report=np.array([report.relative_residual, report.n_dof, report.seconds]),
            )

    def _file(self, digest: str) -> Path:
        return self.folder / f"{digest[:32]}.npz"

    def _prune(self) -> None:
        """Remove the stages that were not used for longest while all take too much room."""
        kept = self._kept()
        excess = sum(size for _, size, _ in kept) - self.limit_bytes
        for _, size, path in kept[:-1]:
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size

    def _kept(self) -> list[tuple[float, int, Path]]:
        """Return time of last use, bytes and path of every stage, unused for longest first."""
        kept = []
        for path in self.folder.glob("*.npz"):
            if path.name.startswith(ASIDE):
                continue  # Another run is writing it.
            # Another run may prune at the same time.
            with suppress(FileNotFoundError):
                found = path.stat()
                kept.append((found.st_mtime, found.st_size, path))
        return sorted(kept)
