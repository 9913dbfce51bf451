#!/bin/sh
# Builds versitygw, the second S3 server of the tests, into build/versitygw. Needs a Go that it takes (1.25, or one that
# fetches its own successor: 1.21 and later); a few minutes of one processor.
set -eu
cd "$(dirname "$0")/.."
version=v1.8.0
target=$PWD/build/versitygw
[ ! -x "$target/versitygw" ] || exit 0
command -v go > /dev/null || { echo "Go is not installed"; exit 1; }
go version | grep -Eq 'go1\.(2[1-9]|[3-9][0-9])' || { echo "$(go version) is too old"; exit 1; }
mkdir -p "$target"
GOBIN=$target GOFLAGS=${GOFLAGS:--p=2} go install "github.com/versity/versitygw/cmd/versitygw@$version"
