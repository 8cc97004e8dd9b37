// Package testkit is what the suites share: Warble as `make run` runs it (Start), its
// functions as `vercel build` makes them (NewFunction), the local Clerk and the database
// that they stand on, and a client of the API.
package testkit

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
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

// CopySources copies what a deployment is built from, and schema.sql, into a folder.
func CopySources(folder string) error {
	command := exec.Command("cp", "-R", "api", "lib", "public", "go.mod", "go.sum", "schema.sql", "vercel.json", folder)
	command.Dir = Root()
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("copy the sources: %w\n%s", err, said)
	}
	return nil
}

// ports is how far this process has looked for free ports: it gives none twice.
var ports atomic.Uint32

func init() { ports.Store(rand.Uint32()) }

// FreePort is a loopback port that nothing listened on just now. It is below those from
// which systems number outgoing connections: none of them takes it while a server restarts.
func FreePort() int {
	for {
		port := 15_000 + int(ports.Add(1)%15_000)
		if listener, err := net.Listen("tcp", fmt.Sprint("localhost:", port)); err == nil {
			listener.Close()
			return port
		}
	}
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
