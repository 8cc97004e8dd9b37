# The commands of this repository. They need Go (the version in go.mod) and
# npm; `make test` installs the rest where it can, and names it where it cannot.

.PHONY: run check test test-on push smoke bench

# The whole product on http://localhost:3000; PORT changes the port. What
# is written there is kept; FRESH=1 begins anew.
run:
	@exec sh dev/run/start.sh run

# What can be checked in seconds: formatting, vet, staticcheck, the tests of api/
# and lib/, the page's types.
check:
	@sh dev/test/check.sh

# Every test, on the embedded database, MariaDB, the built artifact and Chromium.
test:
	@sh dev/test/run.sh

# The API's and the trust tests on another server: make test-on
# URL=mysql://user:password@127.0.0.1:3306/database, which must be empty.
# RESTART=command restarts the server.
test-on:
	@TEST_ON='$(URL)' RESTART='$(RESTART)' sh dev/test/on.sh

# Brings the database of DATABASE_URL to schema.sql: shows the statements, and
# asks before any that loses something. CHECK=1 only reports; drift is status 1.
push:
	@exec sh dev/run/start.sh push

# What is wrong with a deployment: make smoke URL=https://…; dev/docs/operating.md
# has what else it takes. Status 1 if anything is.
smoke:
	@exec sh dev/run/start.sh smoke

# What a request costs, beside a function of the least code that could do it:
# medians and intervals of nine rounds. ROWS=1000000 keeps the largest table
# smaller, BENCH=FirstPost runs that one alone.
bench:
	@mkdir -p dev/.cache && cd dev && TMPDIR=$$(mktemp -d) && export TMPDIR && trap 'rm -rf "$$TMPDIR"' EXIT INT TERM && \
	  go test -tags gms_pure_go -run '^$$' -bench '$(or $(BENCH),.)' -benchtime 100x -count 9 -timeout 5h ./bench | tee .cache/bench.txt
	@cd dev && grep -q '^ok' .cache/bench.txt && go tool benchstat .cache/bench.txt
