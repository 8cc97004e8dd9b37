package testkit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"warble/dev/local/process"
)

// timeout bounds waiting for a process to start or to end. Its first start on
// a machine fetches ClerkJS.
const timeout = 3 * time.Minute

// Product is a running Warble.
type Product struct {
	URL     string // its origin, http://localhost:port
	tb      testing.TB
	log     process.Log
	process *process.Process
}

// Binary is command run itself, for tests of its start. It is built once per test process,
// and Go links it only when it has changed.
func Binary(tb testing.TB) string {
	tb.Helper()
	binary, err := build()
	if err != nil {
		tb.Fatal(err)
	}
	return binary
}

var build = sync.OnceValues(func() (binary string, err error) {
	cache := filepath.Join(Root(), "dev/.cache")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	binary = filepath.Join(cache, "run-race")
	command := exec.Command("go", "build", "-race", "-tags=gms_pure_go", "-buildvcs=false", "-ldflags=-s -w", "-o", binary, "./run")
	command.Dir = filepath.Join(Root(), "dev")
	command.Env = append(os.Environ(), "GOTMPDIR="+cache) // from where it is put in place by a rename: another process may run it
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build command run: %w\n%s", err, output)
	}
	return binary, nil
})

// Start runs Warble on a free port until the test ends. Nothing is configured
// but what environment says: with none, database and Clerk are local. A test
// fails when the process does not end cleanly, or had a data race.
func Start(tb testing.TB, environment map[string]string) *Product {
	tb.Helper()
	return StartIn(tb, Root(), environment)
}

// StartIn is Start in a copy of the repository, for a test that changes files.
func StartIn(tb testing.TB, root string, environment map[string]string) *Product {
	tb.Helper()
	port := FreePort()
	command := exec.Command(Binary(tb), "-race")
	command.Dir = root
	command.Env = append(os.Environ(), fmt.Sprint("PORT=", port), "WARBLE_DATA="+tb.TempDir(), "GORACE=atexit_sleep_ms=0",
		"TMPDIR="+tb.TempDir()) // one that is killed leaves files there
	// Set to nothing rather than left out: a developer's .env.local names a
	// real database and must not be read here.
	for _, name := range strings.Fields("FRESH DATABASE_URL CLERK_PUBLISHABLE_KEY NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY CLERK_SECRET_KEY " +
		"CLERK_JWT_KEY CLERK_API_URL CLERK_PROXY_URL NEXT_PUBLIC_CLERK_PROXY_URL CLERK_AUTHORIZED_PARTIES POST_INTERVAL " +
		"VERCEL_ENV VERCEL_URL VERCEL_BRANCH_URL VERCEL_PROJECT_PRODUCTION_URL") {
		command.Env = append(command.Env, name+"=")
	}
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+value)
	}
	p := &Product{URL: fmt.Sprint("http://localhost:", port), tb: tb, log: NewLog(tb)}
	command.Stdout, command.Stderr = p.log.File, p.log.File
	var err error
	if p.process, err = process.Start(command); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Stop)
	p.WaitFor("Ctrl-C ends it.")
	return p
}

// WaitFor waits until the log has a text.
func (p *Product) WaitFor(text string) {
	p.tb.Helper()
	if err := p.process.WaitFor(text, p.log, timeout); err != nil {
		p.tb.Fatal("warble: ", err)
	}
}

// Stop ends it as Ctrl-C does, unless it has ended.
func (p *Product) Stop() {
	if !p.process.Running() {
		return
	}
	if err := p.process.Stop(os.Interrupt, timeout); err != nil { // Ctrl-C
		p.tb.Errorf("warble did not end cleanly: %v\n%s", err, p.Log())
	}
	if strings.Contains(p.Log(), "DATA RACE") {
		p.tb.Errorf("warble had a data race:\n%s", p.Log())
	}
}

// Kill ends it as kill -9 does.
func (p *Product) Kill() { p.process.Kill() }

// Log is what the process wrote so far: the banner, and the functions' log.
func (p *Product) Log() string { return p.log.String() }
