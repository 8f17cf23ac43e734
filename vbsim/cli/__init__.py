"""The command line: ``vbsim run case.toml`` and what goes with it.

Results go to stdout, progress and log to stderr. Exit codes: 0 done, 1 some cases of a batch
failed, or a full disk or a lost cluster stopped it, 2 bad input, 3 not converged, 130 interrupted.
Chapters that compute are imported inside the commands that need them, so that ``vbsim --help``
answers at once.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

from vbsim.cli import bench, meshing, microfe, optimise, seeing, sweep  # each adds its commands
from vbsim.cli.commands import app

__all__ = ["app", "main", "bench", "meshing", "microfe", "optimise", "seeing", "sweep"]

EXIT_STOPPED = 1
EXIT_BAD_INPUT = 2
EXIT_NOT_CONVERGED = 3
EXIT_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : list of str, optional
        Words after ``vbsim``; those of the process by default.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app(args=arguments, prog_name="vbsim")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        print(f"error: {error}", file=sys.stderr)
        return code
    return 0


def _exit_code(error: Exception) -> int | None:
    """Return the exit code of an error that vbsim raises on purpose, else None."""
    from vbsim.checks import InvalidInput, MissingExtra, NotConverged, VbsimError

    if isinstance(error, InvalidInput | MissingExtra):
        return EXIT_BAD_INPUT
    if isinstance(error, NotConverged):
        return EXIT_NOT_CONVERGED
    return EXIT_STOPPED if isinstance(error, VbsimError) else None


def _interrupt(signum: int, frame: FrameType | None) -> None:
    """Treat a request to terminate as an interrupt, so that half-written folders are removed."""
    raise KeyboardInterrupt
