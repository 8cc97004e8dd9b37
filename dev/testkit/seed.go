package testkit

import (
	"cmp"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

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
