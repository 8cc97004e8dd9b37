#!/bin/sh
# Every test. What is missing is installed where that is possible (Debian, as
# root), and named where it is not; nothing is skipped.
# shellcheck source=dev/test/steps.sh
. "$(dirname "$0")/steps.sh"

needs_linux
PATH=$PATH:/usr/sbin # where Debian puts mariadbd, and only root looks

need_go
need gcc gcc libc6-dev # the race detector
need node nodejs npm
need npm npm
need mariadbd mariadb-server
need mariadb-install-db mariadb-server
need chromium-headless-shell chromium-headless-shell
need jq jq
need curl curl
need shellcheck shellcheck

analysis() {
  go_tool honnef.co/go/tools/cmd/staticcheck github.com/rhysd/actionlint/cmd/actionlint
  (
    export GOFLAGS=-race # or the dependencies are compiled once more, without it
    export GOGC=400
    go vet ./...
    dev/.cache/staticcheck ./...
    cd dev
    go vet $tags ./...
    .cache/staticcheck $tags ./...
  )
  shellcheck -x dev/run/start.sh dev/local/fakeclerk/scripts.sh dev/test/*.sh dev/preview/preview.sh lib/page/*.sh .ci/run
  dev/.cache/actionlint .github/workflows/*.yml
}

vulnerabilities() {
  # Go: what the functions can reach. 3 is a finding; anything else but 0 is that
  # the tool or its data cannot be had here.
  reached=0
  said=$(GOBIN=$PWD/dev/.cache CGO_ENABLED=0 go install "$quick" golang.org/x/vuln/cmd/govulncheck@v1.9.0 2>&1 &&
    dev/.cache/govulncheck ./... 2>&1) || reached=$?
  case $reached in
    0) echo "govulncheck: none" ;;
    3) echo "$said" ; return 1 ;;
    *) echo "govulncheck could not run, nothing is known about Go modules: $(echo "$said" | tail -n 1)" ;;
  esac
  # npm: nothing of it is deployed, so that findings are shown and fail nothing.
  said=$(npm audit --prefix dev/npm --json 2>/dev/null) || true
  case $said in
    *auditReportVersion*) npm audit --prefix dev/npm || true ;;
    *) echo "npm audit could not run, nothing is known about npm packages: the registry does not answer it" ;;
  esac
}

compile() { # what all tests stand on; each links its own binary
  (cd dev && GOGC=400 go build -race $tags ./...)
  GOGC=400 go build -race ./...
}

functions() { go test -race -vet=off ./...; }

artifact() { alone artifact; }
page() { alone page -parallel 4; }
fuzzing() { (cd dev && CGO_ENABLED=0 go test "$quick" $tags -run '^$' -fuzz '^FuzzRequest$' -fuzztime 20s -parallel 1 ./test/trust); }
bench() { alone ../bench; }
commands() { # make run, make push, make smoke, preview databases, and what the tests stand on
  # shellcheck disable=SC2046 # a list of packages
  (cd dev && go test -race -vet=off -count=1 -p 2 $tags $(go list $tags ./... | grep -v '/test/\|/bench'))
}

echo "== compiling, and npm packages"
lane formatting npm_packages vulnerabilities
lane compile
finish

# Most tests wait for a database, a browser or a timeout, and leave a processor
# to others: four lanes keep two processors busy. The page's is the longest, and so has
# nothing else. The benchmarks mostly wait, the analysis for nothing.
echo "== tests"
lane page
lane commands functions
lane api trust artifact fuzzing
lane analysis page_types page_modules bench
finish
table
