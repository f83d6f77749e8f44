# The service alone: it expects PostgreSQL at DATABASE_URL and a SECRET_KEY. Migrating is a command
# of its own, to be run once for each release: docker run … IMAGE python manage.py migrate

# To pin it: --build-arg PYTHON_IMAGE=python:3.12-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
RUN python -m venv /venv
COPY requirements/lock.txt /tmp/lock.txt
RUN /venv/bin/pip install --require-hashes --only-binary :all: -r /tmp/lock.txt
# The CPU build, for the `gp` sampler; its dependencies are in lock.txt. A layer of its own, so that
# one of the two can change without the other being fetched again.
# hadolint ignore=DL3059
RUN /venv/bin/pip install --no-deps --only-binary :all: \
    --extra-index-url https://download.pytorch.org/whl/cpu torch==2.13.0+cpu


FROM ${PYTHON_IMAGE}

ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN groupadd --gid 10001 tuner \
    && useradd --uid 10001 --gid tuner --no-create-home --home-dir /nonexistent \
       --shell /usr/sbin/nologin tuner
WORKDIR /app

COPY --from=build /venv /venv
COPY manage.py ./
COPY tuner_project tuner_project/
COPY optuna_bridge optuna_bridge/
COPY access access/
COPY studies studies/
COPY trials trials/
COPY events events/
COPY transfer transfer/
COPY analysis analysis/
COPY console console/
# The settings want a key and a database; collecting files uses neither, and neither is kept.
RUN SECRET_KEY=unused DATABASE_URL=postgresql://unused@unused/unused DEBUG=false \
    python manage.py collectstatic --noinput \
    && python -m compileall -q manage.py tuner_project optuna_bridge access studies trials events transfer analysis console

# Root owns the code, so the service cannot change itself; it writes nothing but /dev/shm and /tmp.
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ.get('PORT') or 8000}/api/v1/ready\", timeout=4)"]
CMD ["python", "-m", "gunicorn", "-c", "tuner_project/serving/gunicorn.py", "tuner_project.wsgi:application"]
