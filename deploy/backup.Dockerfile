# tandem-backup. From the top of the repository: docker build -f deploy/backup.Dockerfile -t tandem-backup .
# The base has pg_dump of the server's own version; it is the one that compose.yaml runs.
ARG POSTGRES_IMAGE=postgres:17.11-trixie@sha256:f4c66b820c6f974249089d3d16d86a3698eae11e8746eb6644b2271031e91232

FROM ${POSTGRES_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="tandem-backup" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Debian's security updates come with each build; the base pins no versions of its packages either.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates rclone sqlite3 \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=10001 --group=10001 --mode=700 /backups
COPY --chmod=755 deploy/backup/tandem-backup /usr/local/bin/
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["tandem-backup"]
CMD ["daily"]
