"""Questions that a sweep answers too, with far fewer solves: least volume, best needle tip."""

from vbsim.study.optimise.tip import BestTip, best_tip
from vbsim.study.optimise.trial import Trial, Trials
from vbsim.study.optimise.volume import LeastVolume, least_volume

__all__ = ["least_volume", "LeastVolume", "best_tip", "BestTip", "Trial", "Trials"]
