#!/bin/sh
# What can be checked in seconds, with no database, browser, C compiler or root.
# The rest, and dev/ itself, is for `make test`: dev/ has large dependencies.
# shellcheck source=dev/test/steps.sh
. "$(dirname "$0")/steps.sh"

export CGO_ENABLED=0 GOGC=400
need_go
# shellcheck disable=SC2089 # go reads the quotes
GOFLAGS="$(go env GOFLAGS) '$quick'"
# shellcheck disable=SC2090
export GOFLAGS
command -v npm >/dev/null 2>&1 || { echo "npm is missing: install Node.js with npm (Debian: apt-get install nodejs npm)" >&2; exit 1; }

static_analysis() {
  go_tool honnef.co/go/tools/cmd/staticcheck
  dev/.cache/staticcheck ./...
}
vet() { go vet ./...; }
tests() { go test -vet=off ./...; }

echo "== the first time this downloads and compiles for about a minute"
lane page_types page_modules formatting
lane vet # it compiles what both of the next need
finish
lane static_analysis
lane tests
finish
table
