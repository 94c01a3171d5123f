# tandem-artifacts. From the top of the repository: docker build -f deploy/artifacts.Dockerfile -t tandem-artifacts .
# The digest is that of the index of all platforms: the same line builds for amd64 and arm64.
ARG PYTHON_IMAGE=python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# Dates of files in the wheels, so that the same sources give the same wheels.
ARG SOURCE_DATE_EPOCH=1767225600
# cloud is for destinations of Azure and of Google Cloud, and takes 16 MB.
ARG EXTRAS=uvicorn,cloud
WORKDIR /build
COPY constraints.txt ./
RUN python -m pip install --only-binary :all: --constraint constraints.txt hatchling
COPY shared shared
COPY services/artifacts services/artifacts
# Our own wheels go by their files, so that no index can offer others of their names.
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir own ./shared ./services/artifacts \
    && python -m pip wheel --only-binary :all: --constraint constraints.txt --wheel-dir wheels \
        own/*.whl "tandem-artifacts[${EXTRAS}]"
# The byte code is not compared with its sources at start: neither changes, and without times in it builds agree.
RUN python -m venv --without-pip /opt/tandem/venv \
    && python -m pip --python /opt/tandem/venv/bin/python install --no-index --no-compile \
        --find-links wheels "tandem-artifacts[${EXTRAS}]" \
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
ENV PATH=/opt/tandem/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /data
# By number: Kubernetes' runAsNonRoot does not look names up.
USER 10001:10001
EXPOSE 5500
STOPSIGNAL SIGTERM
ENTRYPOINT ["tandem-artifacts"]
CMD ["serve", "--host", "0.0.0.0"]
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="tandem-artifacts" \
      org.opencontainers.image.description="Tandem's artifacts service: MLflow's artifact proxy over disk, S3, MinIO, Azure or Google Cloud" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
