"""Print the bytes by which this process grows as it reads a study.

Usage: python -m bench.measurements.memory STUDY_ID
"""

import gc
import sys

import django
import psutil


def main(study_id: str) -> None:
    django.setup()
    from studies.models import Study
    from trials.sampling.session_registry import session_registry

    study = Study.objects.get(pk=study_id)
    session_registry.of(study)  # the sampler is imported
    gc.collect()
    before = psutil.Process().memory_full_info().uss
    session = session_registry.of(study)
    session.sync()
    gc.collect()
    print(psutil.Process().memory_full_info().uss - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
