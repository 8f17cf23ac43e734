"""Solved stages kept between runs: the same intact or fractured vertebra is solved once.

One file per stage, named by the digest of everything that decides it; written aside and renamed.
A file that cannot be read counts as absent. Deleting the folder costs time, never a result.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vbsim.fem.response import PlatenModes, SolverReport
from vbsim.study.results import file_written_aside

__all__ = ["StageStore"]


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
                self._file(digest).touch()
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
        """Keep the platen modes of a stage; only points that moved are written."""
        is_used = modes.displacement_mm.any(axis=(0, 1))
        report = modes.report
        with file_written_aside(self._file(digest)) as path, path.open("wb") as stream:
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
        self._prune()

    def _file(self, digest: str) -> Path:
        return self.folder / f"{digest[:32]}.npz"

    def _prune(self) -> None:
        """Remove the stages that were not used for longest while all take too much room."""
        kept = sorted(
            ((path.stat().st_mtime, path.stat().st_size, path) for path in self._kept()),
            key=lambda entry: entry[0],
        )
        excess = sum(size for _, size, _ in kept) - self.limit_bytes
        for _, size, path in kept[:-1]:
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size

    def _kept(self) -> list[Path]:
        # Another run may prune at the same time.
        return [path for path in self.folder.glob("*.npz") if path.is_file()]
