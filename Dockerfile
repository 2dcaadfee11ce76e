# One image for the web processes and for the worker:
#
#   migrate    docker run … model-portal flask db upgrade
#   publish    docker run … model-portal flask models publish-bundled
#   web        docker run … model-portal
#   worker     docker run --no-healthcheck … model-portal flask worker
#
# gunicorn.conf.py reads HOST, PORT and the PORTAL_ settings; see the README. The
# target `nginx` is what compose.yaml puts in front: its settings, the static files,
# and nothing of the portal's code.

ARG PYTHON=3.11-slim-bookworm
ARG NGINX=1.28-bookworm

FROM python:${PYTHON} AS build
RUN python -m venv /venv
COPY requirements.txt .
# Every pin has a wheel for x86_64 and arm64, so no compiler is ever needed.
RUN /venv/bin/pip install --no-cache-dir --only-binary :all: -r requirements.txt

FROM python:${PYTHON} AS static
COPY deploy/nginx/prepare_static.py .
COPY static /source
RUN python prepare_static.py /source /portal

FROM nginx:${NGINX} AS nginx
# Only these are filled in; all other names with a dollar are nginx's own.
ENV NGINX_ENVSUBST_FILTER="^(PORTAL|NGINX)_" \
    NGINX_FILES=/portal \
    NGINX_HTTP_PORT=8080 \
    NGINX_HTTPS_PORT=8443 \
    NGINX_LISTEN=http \
    NGINX_TLS=/etc/nginx/tls \
    NGINX_TRUSTED_PROXY=255.255.255.255
RUN rm /etc/nginx/conf.d/default.conf \
    && install --directory --owner nginx --group nginx /run/nginx \
    && chown nginx:nginx /etc/nginx/conf.d
COPY deploy/nginx/nginx.conf /etc/nginx/nginx.conf
COPY deploy/nginx/portal /etc/nginx/portal
COPY deploy/nginx/templates /etc/nginx/templates
COPY deploy/nginx/errors /portal/errors
COPY --from=static /portal /portal
USER nginx
EXPOSE 8080 8443
CMD ["nginx", "-p", "/run/nginx/", "-c", "/etc/nginx/nginx.conf", "-g", "daemon off;"]

FROM python:${PYTHON} AS portal
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
