#!/bin/sh
# Every test. What is missing is installed where that is possible (Debian, as
# root), and named where it is not; nothing is skipped.
set -eu
cd "$(dirname "$0")/../.."

need() { # need COMMAND DEBIAN-PACKAGE…
  command -v "$1" >/dev/null 2>&1 && return
  missing="$1"
  shift
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "== installing $missing"
    [ -n "${updated:-}" ] || apt-get update -qq
    updated=yes
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  else
    echo "$missing is missing: install it (on Debian: apt-get install $*), then run make test again" >&2
    exit 1
  fi
}

command -v go >/dev/null 2>&1 || { echo "go is missing: install the version that go.mod names" >&2; exit 1; }
need gcc gcc libc6-dev # the race detector
need node nodejs npm
need npm npm
need mariadbd mariadb-server
need mariadb-install-db mariadb-server
need chromium chromium
need jq jq
need shellcheck shellcheck

step() {
  echo "== $* ($(($(date +%s) - begun)) s)"
}
begun=$(date +%s)

step npm packages
# Not npm ci: it refuses a lock without the packages for other systems that
# vercel names and npm does not have. What the lock has is checked by its hash.
lock=dev/npm/package-lock.json
stamp=dev/npm/node_modules/.installed
cmp -s $lock $stamp || {
  mkdir -p dev/.cache
  cp $lock dev/.cache/lock
  npm install --prefix dev/npm --ignore-scripts --no-audit --no-fund --loglevel=error
  cp dev/.cache/lock $lock
  cp $lock $stamp
}

# For the race detector C is needed all the same; the tag keeps the embedded
# database from needing a C library too.
tags=-tags=gms_pure_go
mkdir -p dev/.cache
(cd dev && go build -o .cache/ honnef.co/go/tools/cmd/staticcheck github.com/rhysd/actionlint/cmd/actionlint)
staticcheck=$PWD/dev/.cache/staticcheck

step gofmt
unformatted=$(gofmt -l api lib dev/bench dev/local dev/preview dev/push dev/run dev/test dev/testkit)
[ -z "$unformatted" ] || { echo "not formatted by gofmt: $unformatted" >&2; exit 1; }

step go vet
go vet ./...
(cd dev && go vet $tags ./...)

step staticcheck
"$staticcheck" ./...
(cd dev && "$staticcheck" $tags ./...)

step "known vulnerabilities"
# Go: what the functions can reach. 3 is a finding; anything else but 0 is that
# the tool or its data cannot be had here.
reached=0
said=$(GOBIN=$PWD/dev/.cache go install golang.org/x/vuln/cmd/govulncheck@v1.9.0 2>&1 &&
  dev/.cache/govulncheck ./... 2>&1) || reached=$?
case $reached in
  0) echo "govulncheck: none" ;;
  3) echo "$said" >&2; exit 1 ;;
  *) echo "govulncheck could not run, nothing is known about Go modules: $(echo "$said" | tail -n 1)" ;;
esac
# npm: nothing of it is deployed, so that findings are shown and fail nothing.
said=$(npm audit --prefix dev/npm --json 2>/dev/null) || true
case $said in
  *auditReportVersion*) npm audit --prefix dev/npm || true ;;
  *) echo "npm audit could not run, nothing is known about npm packages: the registry does not answer it" ;;
esac

step shellcheck and actionlint
shellcheck dev/test/run.sh dev/preview/preview.sh lib/page/build.sh .ci/run
dev/.cache/actionlint .github/workflows/*.yml

step "functions: rules, sessions, handlers through the bridge"
go test -race ./...

# -count=1: Go would take results from its cache, and not see a change outside of
# dev/, as of the page, vercel.json or a function. These two print what they counted, which go test shows in a package's own folder only.
step "contract: over HTTP, on the embedded database and on MariaDB"
(cd dev/test/contract && go test -race -count=1 $tags)

step "trust: faults, load, hostile input"
(cd dev/test/trust && go test -race -count=1 $tags)

step "fuzzing: whole requests, 20 s"
(cd dev && go test $tags -run '^$' -fuzz '^FuzzRequest$' -fuzztime 20s ./test/trust)

step "the local product, the built artifact, the page in Chromium, make push, preview databases"
# shellcheck disable=SC2046 # a list of packages
(cd dev && go test -race -count=1 $tags -p 2 $(go list $tags ./... | grep -v -e /contract$ -e /trust$))

step "all passed"
