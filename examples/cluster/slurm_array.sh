#!/usr/bin/env bash
# A sweep as a SLURM array, without Dask: every task does its part into the same folder.
#
#     sbatch slurm_array.sh sweep.toml
#
# A task that was killed is submitted again and goes on: sbatch --array=7 slurm_array.sh sweep.toml
# At the end any machine shows the table: vbsim table results/NAME-DIGEST
#SBATCH --job-name=vbsim
#SBATCH --array=1-20
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=04:00:00
set -euo pipefail

export OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1
vbsim sweep "$1" -j 0 --part "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --no-figures \
    --results "${RESULTS:-results}"
