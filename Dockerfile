# Two stages: the toolchain builds, a small Debian runs. The image holds the binary, the certificate
# authorities and nothing else that a gateway does not need.
#
#   docker build -t janua . && docker run -p 8080:8080 janua
#   docker run -v ./janua.toml:/etc/janua/janua.toml:ro ...       your own configuration
#   docker run --read-only --tmpfs /run/janua ...                 nothing but the state is written
#   docker kill --signal=HUP ..., or docker exec ... janua reload a new configuration
#
# `docker stop` kills after 10 s; give it more (`--stop-timeout 40`) than `server.drain` takes.
FROM rust:1.95-bookworm AS build
WORKDIR /src
# Names of functions are enough for a backtrace; lines would make the image 40 MB larger.
ENV CARGO_PROFILE_RELEASE_DEBUG=none
# The dependencies alone first: they change seldom, so their layer is kept.
COPY Cargo.toml Cargo.lock ./
COPY benches benches
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --release --locked --bin janua
COPY . .
RUN touch src/lib.rs src/main.rs && cargo build --release --locked --bin janua

FROM debian:bookworm-slim
# Numbers of its own, which belong to nobody on the host.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/janua \
        --shell /usr/sbin/nologin janua \
    && install -d -o janua -g janua -m 0750 /var/lib/janua /run/janua
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/target/release/janua /usr/local/bin/janua
COPY config/docker.toml /etc/janua/janua.toml
# As a number: Kubernetes does not take a name's word for `runAsNonRoot`.
USER 10001:10001
VOLUME /var/lib/janua
EXPOSE 8080 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["janua", "healthcheck"]
ENTRYPOINT ["janua"]
CMD ["run"]
