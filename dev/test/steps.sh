#!/bin/sh
# For check.sh and run.sh, which source it: steps that run side by side, and a
# table of what they took.
set -eu
cd "$(dirname "$0")/../.."

logs=$(mktemp -d)
lanes=''
begun=$(date +%s)
trap 'rm -rf "$logs"' EXIT
# A shell has its background processes ignore Ctrl-C.
trap 'trap - TERM; kill -TERM 0' INT TERM

# lane FUNCTION… runs functions one after the other, beside the other lanes. What
# each prints is kept until finish.
lane() {
  (
    failed=0
    for step; do
      from=$(date +%s)
      set +e
      (
        set -e
        "$step"
      ) >"$logs/$step" 2>&1
      status=$?
      set -e
      result=''
      [ $status = 0 ] || { result='  FAILED' failed=1; }
      printf '%5d s  %s%s\n' $(($(date +%s) - from)) "$step" "$result" >"$logs/$step.time"
    done
    exit $failed
  ) &
  lanes="$lanes $!:$(echo "$*" | tr ' ' ,)"
}

# finish waits for the lanes, and shows each step. When one failed, it ends the
# script after the last.
finish() {
  failed=0
  for each in $lanes; do
    wait "${each%%:*}" || failed=1
    for step in $(echo "${each#*:}" | tr , ' '); do
      echo "== $(cat "$logs/$step.time")"
      cat "$logs/$step"
    done
  done
  lanes=''
  [ $failed = 0 ] || { table >&2; exit 1; }
}

# table shows what each step took, and all together. What the tests of failed
# steps said comes first, once more: a long log may be cut in the middle.
table() {
  for took in "$logs"/*.time; do
    grep -q FAILED "$took" || continue
    printf '\n== what failed in %s\n' "$(basename "$took" .time)"
    grep -aE '^ *(--- FAIL|[a-z_]+\.go:[0-9]+:)|^panic:|DATA RACE|race detected' "${took%.time}" | cut -c1-400 | head -n 40
  done
  echo
  cat "$logs"/*.time | sort -rn
  printf '%5d s  in all\n' $(($(date +%s) - begun))
}

need_go() {
  command -v go >/dev/null 2>&1 || { echo "Go is missing: install version $(sed -n 's/^toolchain go//p' go.mod) or newer" >&2; exit 1; }
}

# npm_packages installs what the lock file says, unless it is there; with --omit=dev
# what make check needs of it. Not npm ci: it refuses a lock without the packages for
# other systems that vercel names and npm does not have. What the lock has is checked
# by its hash.
npm_packages() {
  lock=dev/npm/package-lock.json
  all=dev/npm/node_modules/.installed
  cmp -s $lock $all || cmp -s $lock "$all$*" && return
  mkdir -p dev/.cache
  cp $lock dev/.cache/lock
  rm -f $all* # npm removes what is not asked for
  npm install --prefix dev/npm --ignore-scripts --no-audit --no-fund --loglevel=error "$@"
  cp dev/.cache/lock $lock
  cp $lock "$all$*"
}

formatting() {
  unformatted=$(gofmt -l api lib dev/bench dev/local dev/preview dev/push dev/run dev/smoke dev/test dev/testkit)
  [ -z "$unformatted" ] || { echo "not formatted by gofmt: $unformatted"; return 1; }
}

page_types() {
  npm_packages --omit=dev
  dev/npm/node_modules/.bin/tsc -p dev/test/page
}

page_modules() {
  # An older Node.js takes the page's modules for CommonJS, since no package.json names them.
  [ "$(node -p process.features.require_module)" = true ] ||
    { echo "Node.js $(node --version) is too old: install 20.19, or 22.12 or newer" >&2; return 1; }
  node --test dev/test/page/*.test.js
}

# What only checks is compiled without inlining, and with nothing for a debugger: that is
# a third less for the compiler. GOGC has it collect its garbage less often: a tenth to a
# sixth less time. All have the same flags, and make run has them in start.sh, so that what
# they share is compiled once.
quick='-gcflags=all=-l -dwarf=false'

go_tool() { # go_tool PACKAGE… of the tools in dev/go.mod
  mkdir -p dev/.cache
  (cd dev && CGO_ENABLED=0 GOGC=400 go build "$quick" -o .cache/ "$@")
}

# For what starts Warble's own processes and databases.

tags=-tags=gms_pure_go # keeps the embedded database from needing a C library

needs_linux() {
  [ "$(uname)" = Linux ] || { echo "make test needs Linux: it runs the functions' processes as AWS Lambda does. make run, make check and make push work here" >&2; exit 1; }
}

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

# -count=1: Go would take results from its cache, and not see a change outside of
# dev/, as of the page, vercel.json or a function. Some print what they counted,
# which go test shows in a package's own folder only. -vet=off: the analysis vets.
alone() { # alone FOLDER FLAG…
  (
    cd "dev/test/$1"
    shift
    go test -race -vet=off -count=1 -timeout 30m $tags "$@"
  )
}
api() { alone contract; }
trust() { alone trust; }
