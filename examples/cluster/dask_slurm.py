"""A sweep on workers that SLURM starts as they are needed (dask-jobqueue).

python dask_slurm.py sweep.toml
"""

import subprocess
import sys

from dask_jobqueue import SLURMCluster

with SLURMCluster(
    cores=8,
    processes=8,  # one thread each: a process solves one case at a time
    memory="16GB",
    walltime="04:00:00",
    job_extra_directives=["--job-name=vbsim"],
) as cluster:
    cluster.adapt(minimum_jobs=1, maximum_jobs=20)
    command = ["vbsim", "sweep", sys.argv[1], "--scheduler", cluster.scheduler_address]
    sys.exit(subprocess.run(command, check=False).returncode)
