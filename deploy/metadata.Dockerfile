# tandem-metadata. From the top of the repository: docker build -f deploy/metadata.Dockerfile -t tandem-metadata .
# The digest is that of the index of all platforms: the same line builds for amd64 and arm64.
ARG PYTHON_IMAGE=python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285

# The same files for every platform: made once, on the builder's own.
FROM --platform=$BUILDPLATFORM ${PYTHON_IMAGE} AS ui
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY constraints.txt ./
COPY deploy/fetch_ui.py deploy/ui.txt deploy/
RUN python -m pip install --only-binary :all: --constraint constraints.txt brotli \
    && python deploy/fetch_ui.py --to /opt/tandem/ui

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# Dates of files in the wheels, so that the same sources give the same wheels.
ARG SOURCE_DATE_EPOCH=1767225600
# aws and gcp are for tokens instead of the database's password, and take 35 MB.
ARG EXTRAS=uvicorn,aws,gcp,parquet
WORKDIR /build
COPY constraints.txt ./
RUN python -m pip install --only-binary :all: --constraint constraints.txt hatchling
COPY shared shared
COPY services/metadata services/metadata
# Our own wheels go by their files, so that no index can offer others of their names.
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir own ./shared ./services/metadata \
    && python -m pip wheel --only-binary :all: --constraint constraints.txt --wheel-dir wheels \
        own/*.whl "tandem-metadata[${EXTRAS}]"
# The byte code is not compared with its sources at start: neither changes, and without times in it builds agree.
RUN python -m venv --without-pip /opt/tandem/venv \
    && python -m pip --python /opt/tandem/venv/bin/python install --no-index --no-compile \
        --find-links wheels "tandem-metadata[${EXTRAS}]" \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/tandem/venv/lib

FROM ${PYTHON_IMAGE}
# Nothing is ever installed into a running container, so nothing in it can be. The base comes without byte code of the
# standard library, which a read-only root would have every process compile anew.
RUN PIP_ROOT_USER_ACTION=ignore python -m pip uninstall --yes pip \
    && rm -f /usr/local/bin/pip* \
    && python -c "import ensurepip, shutil; shutil.rmtree(ensurepip.__path__[0])" \
    && python -m compileall -qf --invalidation-mode unchecked-hash -x 'idlelib|site-packages|tkinter|turtledemo' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && groupadd --gid 10001 tandem \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin tandem \
    && install --directory --owner 10001 --group 10001 /data
COPY LICENSE /opt/tandem/
COPY --from=build /opt/tandem/venv /opt/tandem/venv
COPY --from=ui /opt/tandem/ui /opt/tandem/ui
ENV PATH=/opt/tandem/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TANDEM_UI_DIR=/opt/tandem/ui
WORKDIR /data
# By number: Kubernetes' runAsNonRoot does not look names up.
USER 10001:10001
EXPOSE 5000
STOPSIGNAL SIGTERM
ENTRYPOINT ["tandem-metadata"]
CMD ["serve", "--host", "0.0.0.0"]
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="tandem-metadata" \
      org.opencontainers.image.description="Tandem's metadata service: MLflow's tracking API and web UI over SQLite or PostgreSQL" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
