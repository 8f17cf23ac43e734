"""The curve of a load test in a window, with a mark that a slider moves from step to step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput
from vbsim.views.curves import History, axes_of, is_loading, read_history
from vbsim.views.scenes.panes import Pane
from vbsim.views.style import INK

if TYPE_CHECKING:
    import pyvista as pv

__all__ = ["LoadHistory"]

FloatArray = NDArray[np.float64]

_CURVE, _MARK = "#3b6f8f", "#b5402a"


class LoadHistory:
    """Force against displacement of every pane that has a load history, at one step.

    Parameters
    ----------
    plotter : Plotter
        Where the panes are drawn.
    histories : mapping of int to History
        First load history of each pane that has one, by the number of the pane.
    """

    def __init__(self, plotter: pv.Plotter, histories: dict[int, History]) -> None:
        self.plotter, self.histories = plotter, histories
        self.words: dict[int, str] = {}
        self._marks: dict[int, Any] = {}
        for pane, history in histories.items():
            self._add(pane, history)
        n_steps = max(len(_curve(history)[0]) for history in histories.values())
        plotter.subplot(0, min(histories))
        plotter.add_slider_widget(
            lambda share: self.go_to(round(share)),
            rng=(0.0, n_steps - 1.0),
            value=n_steps - 1.0,
            title="load step",
            pointa=(0.04, 0.50),
            pointb=(0.33, 0.50),
            style="modern",
            color=INK,
            title_height=0.016,
            fmt="%.0f",
            interaction_event="end",
        )

    @classmethod
    def of(cls, plotter: pv.Plotter, panes: Sequence[Pane]) -> LoadHistory | None:
        """Return the load histories of panes, drawn; None where no stage has one."""
        found = {}
        for number, pane in enumerate(panes):
            paths = pane.study.histories if pane.study else ()
            for path in paths:
                if not path.stem.startswith(f"{pane.fields.name}-") or number in found:
                    continue
                try:
                    history = read_history(path)
                except InvalidInput:
                    continue
                if is_loading(history):
                    found[number] = history
        return cls(plotter, found) if found else None

    def go_to(self, step: int) -> None:
        """Move the mark of every curve to a step, or to its last one."""
        for pane, history in self.histories.items():
            way, force = _curve(history)
            k = min(max(step, 0), len(way) - 1)
            self._marks[pane].update([float(way[k])], [float(force[k])])
            self.words[pane] = f"step {k + 1} of {len(way)}: {way[k]:.3f} mm, {force[k]:.0f} N"
            self.plotter.subplot(0, pane)
            self.plotter.add_text(
                self.words[pane],
                position=(0.02, 0.39),
                viewport=True,
                font_size=7,
                color=INK,
                name="load step",
            )

    def _add(self, pane: int, history: History) -> None:
        import pyvista as pv

        way, force = _curve(history)
        chart = pv.Chart2D(
            size=(0.34, 0.25), loc=(0.01, 0.13), x_label="displacement (mm)", y_label="force (N)"
        )
        chart.background_color = (1.0, 1.0, 1.0, 0.75)
        chart.line(way, force, color=_CURVE, width=2.0)
        self._marks[pane] = chart.scatter(way[-1:], force[-1:], color=_MARK, size=9)
        self.plotter.subplot(0, pane)
        self.plotter.add_chart(chart)


def _curve(history: History) -> tuple[FloatArray, FloatArray]:
    """Return displacement, mm, and force, N, of every step."""
    way, force = axes_of(history)
    return np.abs(history.columns[way]), np.abs(history.columns[force])
