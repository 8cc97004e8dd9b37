#!/bin/sh
# start.sh COMMAND builds dev/COMMAND and runs it in its place: run, push or smoke. It
# shows what the first build does, which takes a minute, and names in a line what
# is missing.
set -eu
cd "$(dirname "$0")/.."

wanted=$(sed -n 's/^toolchain go//p' go.mod)
fail() {
  echo "make $command: $*" >&2
  exit 1
}
command=$1
command -v go >/dev/null 2>&1 || fail "Go is missing: install version $wanted or newer"
version=$(cd / && go env GOVERSION 2>/dev/null | sed 's/^go//')
case $version in
  # 1.21 is the first that fetches the version which go.mod names.
  '' | 1.[0-9] | 1.[0-9].* | 1.1[0-9]* | 1.20*) fail "Go ${version:-before 1.16} is too old: install version $wanted or newer" ;;
esac
[ "$command" != run ] || command -v npm >/dev/null 2>&1 ||
  fail "npm is missing: install Node.js with npm (Debian: apt-get install nodejs npm)"

mkdir -p .cache
log=$(mktemp)
# progress is one line, which a terminal keeps up to date; elsewhere a line now and then.
progress() {
  sleep 3 >/dev/null # or whoever reads this waits for it
  while true; do
    [ ! -t 1 ] || printf '\r\033[K'
    printf 'The first build takes about a minute: %s modules downloaded, %s packages compiled' \
      "$(grep -c '^go: downloading' "$log")" "$(grep -vc ':' "$log")"
    if [ -t 1 ]; then
      sleep 1 >/dev/null
    else
      echo
      sleep 4 >/dev/null
    fi
  done
}
progress 2>/dev/null &
ticker=$!
trap 'kill $ticker 2>/dev/null || true; rm -f "$log"' EXIT
trap 'exit 130' INT TERM
status=0
# Most of the first build is the compiler's work. Without inlining, and with nothing for a
# debugger, it has a third less to do. run builds the functions with the same flags: what
# both need is compiled once.
# shellcheck disable=SC2089 # go reads the quotes
GOFLAGS="$(go env GOFLAGS) '-gcflags=all=-l -dwarf=false'"
# shellcheck disable=SC2090
export GOFLAGS
build() { # build PACKAGE…; GOGC has the compiler collect its garbage less often
  CGO_ENABLED=0 GOGC=400 go build -v "$@" >>"$log" 2>&1
}
tags=-tags=gms_pure_go # or the embedded database needs a C compiler
if [ "$command" = run ] && [ ! -e .cache/run ]; then
  # The modules of the embedded database are downloaded while the functions are compiled,
  # and ClerkJS is fetched. What fails here is tried again below, or by run, and told.
  sh local/fakeclerk/scripts.sh .cache/clerk-js >/dev/null 2>&1 &
  clerk=$!
  (cd .. && build ./api/...) &
  functions=$!
  go list -deps $tags ./run >/dev/null 2>>"$log" || true
  wait $functions || true
fi
# The embedded database's parser is generated, and takes twice as long with optimization.
build $tags '-gcflags=github.com/dolthub/vitess/go/vt/sqlparser=-N -l -dwarf=false' -ldflags=-w -o ".cache/$command" "./$command" || status=$?
[ -z "${clerk:-}" ] || wait "$clerk" || true
kill $ticker 2>/dev/null || true
[ ! -t 1 ] || printf '\r\033[K'
if [ $status != 0 ]; then
  if grep -qE 'dial tcp|no such host|connection refused|i/o timeout|TLS handshake' "$log"; then
    fail "Go modules cannot be downloaded: $(grep -oE 'dial tcp.*|no such host.*' "$log" | head -n 1). The first build needs the network once"
  fi
  grep -v '^[a-z0-9./_-]*$' "$log" >&2 || cat "$log" >&2
  exit 1
fi
rm -f "$log"
trap - EXIT INT TERM
shift
exec ".cache/$command" "$@"
