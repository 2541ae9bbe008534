# The image of leat-apiserver: two static binaries, the public certificate
# authorities, and nothing else. It runs as uid 65532 with a read-only root; all
# that it writes is below /var/lib/leat.
#
#   docker build --build-arg VERSION=v0.1.0 -t leat .
FROM golang:1.26 AS build
ARG VERSION=v0.0.0-dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd cmd
COPY pkg pkg
RUN CGO_ENABLED=0 go build -trimpath -o /out/ \
    -ldflags "-s -w -X github.com/leat-dev/leat/pkg/version.version=${VERSION}" \
    ./cmd/leat-apiserver ./cmd/leat-build

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/leat-apiserver /out/leat-build /
USER 65532:65532
EXPOSE 8443
VOLUME /var/lib/leat
ENTRYPOINT ["/leat-apiserver"]
