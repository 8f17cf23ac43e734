"""Reports: one HTML file that tells a whole study or sweep and needs nothing but itself."""

from vbsim.views.report.build import case_report
from vbsim.views.report.sweep import is_sweep, sweep_report

__all__ = ["case_report", "is_sweep", "sweep_report"]
