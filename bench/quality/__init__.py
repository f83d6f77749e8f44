"""How good the optimum is after a number of evaluations: the service's samplers and its peers."""

import os

# One thread a process, before NumPy is imported: several searches run at a time.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
