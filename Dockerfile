# One image for the web processes and for the worker:
#
#   migrate    docker run … model-portal flask db upgrade
#   publish    docker run … model-portal flask models publish-bundled
#   web        docker run … model-portal
#   worker     docker run --no-healthcheck … model-portal flask worker
#
# gunicorn.conf.py reads HOST, PORT and the PORTAL_ settings; see the README.

ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
RUN python -m venv /venv
COPY requirements.txt .
# Every pin has a wheel for x86_64 and arm64, so no compiler is ever needed.
RUN /venv/bin/pip install --no-cache-dir --only-binary :all: -r requirements.txt

FROM python:${PYTHON}
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    PORTAL_DATA_DIR=/data
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin portal \
    && install --directory --owner portal --group portal --mode 0700 /data
COPY --from=build /venv /venv
WORKDIR /portal
COPY . .
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
CMD ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
