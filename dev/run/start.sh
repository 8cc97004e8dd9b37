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
# The embedded database needs no C compiler with this tag. Most of the first build is
# compiling it. Without optimization that takes a third less, and a read here costs an
# eighth more. GOGC is the compiler's: it collects its garbage less often.
CGO_ENABLED=0 GOGC=400 go build -v -tags gms_pure_go '-gcflags=github.com/dolthub/...=-N -l -dwarf=false' -ldflags=-w \
  -o ".cache/$command" "./$command" >"$log" 2>&1 || status=$?
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
