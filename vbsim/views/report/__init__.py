"""Reports: one HTML file that tells a whole study and needs nothing but itself."""

from vbsim.views.report.build import case_report

__all__ = ["case_report"]
