# Two stages: the toolchain builds, a small Debian runs. The image holds the binary, the system's
# certificate authorities and nothing that a gateway does not need.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
# The dependencies alone first: they change seldom, so their layer is kept.
RUN mkdir -p src benches \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && for bench in $(sed -n '/^\[\[bench\]\]/{n;s/name = "\(.*\)"/\1/p}' Cargo.toml); do echo 'fn main() {}' > "benches/$bench.rs"; done \
    && cargo build --release --locked --bin janua \
    && rm -rf src benches
COPY . .
RUN touch src/lib.rs src/main.rs && cargo build --release --locked --bin janua

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 1000 --user-group --home-dir /var/lib/janua --shell /usr/sbin/nologin janua \
    && install -d -o janua -g janua -m 0750 /var/lib/janua /run/janua \
    && install -d /etc/janua
COPY --from=build /src/target/release/janua /usr/local/bin/janua
COPY config/docker.toml /etc/janua/janua.toml
USER janua
VOLUME /var/lib/janua
EXPOSE 8080 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["janua", "healthcheck"]
ENTRYPOINT ["janua"]
CMD ["run"]
