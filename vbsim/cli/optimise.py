"""The command that seeks: least volume by distribution, or the best needle tip."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vbsim.cli.commands import AsJson, CasePath, Quiet, Results, app

if TYPE_CHECKING:
    from vbsim.study.optimise import BestTip, LeastVolume, Trials

__all__ = ["optimise"]


@app.command()
def optimise(
    case: CasePath,
    of: Annotated[
        str, typer.Option(metavar="MEASURE", help="stiffness, strength_estimate_pistoia, ...")
    ] = "stiffness",
    restore: Annotated[
        float, typer.Option(metavar="PERCENT", help="How much of the intact value to restore.")
    ] = 100.0,
    distribution: Annotated[
        list[str] | None,
        typer.Option(help="Where the cement goes; repeatable; as in the case if left out."),
    ] = None,
    tolerance_ml: Annotated[float, typer.Option(help="How exact the volume shall be, ml.")] = 0.1,
    tip: Annotated[
        bool, typer.Option("--tip", help="Seek the best needle tip at the case's volume instead.")
    ] = False,
    margin_mm: Annotated[
        float, typer.Option(help="With --tip: least distance from cement to where it leaks, mm.")
    ] = 2.0,
    away_from: Annotated[
        list[str] | None,
        typer.Option(
            help="With --tip: posterior_wall, canal, cortex, basivertebral; repeatable; default "
            "all."
        ),
    ] = None,
    solves: Annotated[int, typer.Option(min=4, help="With --tip: most tips to solve.")] = 24,
    test: Annotated[str | None, typer.Option(help="Test; the first one if left out.")] = None,
    results: Results = Path("results"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Seek the least volume of cement that restores enough, or the best needle tip.

    The case's last filling step is varied; a few solves answer.
    """
    import json
    from dataclasses import asdict

    from vbsim.cli import screen
    from vbsim.study import load_case
    from vbsim.study.optimise import Trials, best_tip, least_volume
    from vbsim.study.optimise.tip import MARGINS

    trials = Trials(load_case(case), results)
    found: list[LeastVolume] | BestTip
    with screen.progress(quiet=quiet or as_json):
        if tip:
            found = best_tip(
                trials,
                margin_mm=margin_mm,
                margins=tuple(away_from or MARGINS),
                quantity=f"{of}_vs_intact",
                n_solves=solves,
                test=test,
            )
        else:
            found = [
                least_volume(
                    trials,
                    distribution=name,
                    quantity=of,
                    percent=restore,
                    tolerance_ml=tolerance_ml,
                    test=test,
                )
                for name in distribution or (None,)
            ]
    if as_json:
        answers = [asdict(each) for each in found] if isinstance(found, list) else asdict(found)
        typer.echo(json.dumps(answers, indent=1))
    elif isinstance(found, list):
        _show_volumes(trials, found, of, restore)
    else:
        _show_tip(found, of)


def _show_volumes(trials: Trials, found: list[LeastVolume], of: str, restore: float) -> None:
    from vbsim.cli.screen import out
    from vbsim.cli.tables import plain_table

    title = f"{trials.case.name}: least volume that restores {restore:g} % of intact {of}"
    grid = plain_table(title)
    grid.add_column("distribution")
    for name in ("volume, ml", "of body, %", "restored, %", "at most, ml", "solves"):
        grid.add_column(name, justify="right")
    for each in found:
        volume = "none" if each.volume_ml is None else f"{each.volume_ml:.2f}"
        fraction = each.filling_fraction_percent
        grid.add_row(
            each.distribution,
            volume,
            "" if fraction is None else f"{fraction:.1f}",
            f"{each.restored_percent:.1f}",
            f"{each.largest_ml:.1f}",
            f"{each.n_solves}",
        )
    console = out()
    console.print(grid)
    for each in found:
        if each.advice:
            console.print(f"{each.distribution}: {each.advice}", soft_wrap=True)


def _show_tip(found: BestTip, of: str) -> None:
    from vbsim.cli.screen import out

    x, y, z = found.tip_mm
    out().print(
        f"Best tip      ({x:.1f}, {y:.1f}, {z:.1f}) mm in body coordinates: {of} "
        f"{100 * found.value:.1f} % of intact, margin {found.margin_mm:.2f} mm\n"
        f"Tip as given  {100 * found.value_default:.1f} % of intact, margin "
        f"{found.margin_default_mm:.2f} mm\n"
        f"Looked at {found.n_tips} tips, {found.n_kept} keep the margin, {found.n_solves} solved"
    )
