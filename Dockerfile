# Two stages: a Debian that builds, and an image that holds nothing but retrain, the libraries it loads, certificates and
# busybox (sh and grep, which GitLab's runner needs). No USER and no WORKDIR: GitHub's runner mounts the workspace as root
# owned by someone else and sets the working directory itself.
FROM debian:bookworm-slim AS build
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update && apt-get install -y --no-install-recommends \
        busybox-static ca-certificates gcc libc6-dev libcurl4-openssl-dev libexpat1-dev libjansson-dev \
        libopenblas0-pthread libssl-dev libstb-dev libyaml-dev make pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile ./
COPY include include
COPY src src
COPY action action
COPY tools/image-root.sh tools/image-root.sh
RUN make -j"$(nproc)" DEPS_CHECKED=1 build/retrain build/entrypoint && tools/image-root.sh /root-of-image

FROM scratch
LABEL org.opencontainers.image.title="retrain" \
      org.opencontainers.image.description="Trains an object detector from the dataset in your repository and publishes it" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /root-of-image /
ENV PATH=/usr/bin
# An image whose library closure is incomplete must fail here, not in someone's job.
RUN ["/usr/bin/retrain", "help"]
ENTRYPOINT ["/usr/bin/retrain-entrypoint"]
