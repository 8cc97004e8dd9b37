// Package testkit is what the suites share: Warble as `make run` runs it (Start), its
// functions as `vercel build` makes them (NewFunction), the local Clerk and the database
// that they stand on, and a client of the API.
package testkit

import (
	"cmp"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"testing"

	"warble/dev/local/project"
)

// Root is the repository's folder.
func Root() string {
	root, err := project.Root()
	if err != nil {
		panic(err) // a test that runs elsewhere is a mistake of ours
	}
	return root
}

// FreePort is a loopback port that nothing listened on just now.
func FreePort(tb testing.TB) int {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// Seed is what decides all that is random in a test: WARBLE_SEED, or any number. The
// test's log has it. The same seed is the same plan; how its parts interleave is for
// the machine.
func Seed(tb testing.TB) uint64 {
	tb.Helper()
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("WARBLE_SEED"), strconv.FormatUint(rand.Uint64(), 10)), 10, 64)
	if err != nil {
		tb.Fatalf("WARBLE_SEED: %v", err)
	}
	tb.Logf("WARBLE_SEED=%d", seed)
	return seed
}
