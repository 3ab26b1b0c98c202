# One image for the web, worker and beat processes.
FROM python:3.13.16-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.lock .
RUN /opt/venv/bin/pip install --require-hashes --requirement requirements.lock

FROM python:3.13.16-slim-trixie
RUN useradd --system --uid 10001 --create-home --home-dir /srv/home wisepay \
    && install --directory --owner wisepay /srv/wisepay
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=wisepay.settings \
    COLLECTED_STATIC=1
WORKDIR /srv/wisepay
COPY --chown=wisepay . .
USER wisepay
# Collecting connects to nothing: the values only satisfy the settings, and stay in this step.
RUN SECRET_KEY=build WISEPAY_SECRET_KEYS=k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
    DATABASE_URL=postgresql://localhost/build REDIS_URL=redis://localhost/0 \
    PUBLIC_URL=https://localhost ALLOWED_HOSTS=localhost \
    python manage.py collectstatic --noinput
EXPOSE 8000
CMD ["gunicorn", "wisepay.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "4", \
     "--worker-class", "gthread", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
