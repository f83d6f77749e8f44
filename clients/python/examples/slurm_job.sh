#!/bin/sh
#SBATCH --job-name=tuner
#SBATCH --array=0-3               # four workers
#SBATCH --time=04:00:00           # of one start
#SBATCH --signal=TERM@120         # SIGTERM two minutes before the end
#SBATCH --requeue                 # after preemption, or the loss of the node
#SBATCH --open-mode=append

srun python worker.py
status=$?
# The worker left its trial at SIGTERM: this task of the array is to start again.
[ $status -ne 75 ] || scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
exit $status
