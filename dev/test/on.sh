#!/bin/sh
# The tests of the contract and of trust on the database at a URL, which must be
# empty: see "Other servers" in dev/docs/operating.md.
# shellcheck source=dev/test/steps.sh
. "$(dirname "$0")/steps.sh"

[ -n "${TEST_ON:-}" ] || { echo "make test-on needs the URL of an empty database: make test-on URL=mysql://user:password@127.0.0.1:3306/database" >&2; exit 1; }
needs_linux
need_go
need gcc gcc libc6-dev # the race detector
need node nodejs npm
need npm npm

shards() { (cd dev/push && go test -race -count=1 $tags -run Shard); }

echo "== npm packages"
lane npm_packages
finish

# One after another: there is only the one database.
echo "== tests"
lane api trust shards
finish
table
