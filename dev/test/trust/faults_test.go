package trust

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"warble/dev/testkit"
)

const checkFor = 25 * time.Second

// random returns the seed of a plan of requests and faults, and for how long it
// runs: for WARBLE_CHECK (as in 10m), or as long as usual.
func random(t *testing.T, usual time.Duration) (seed uint64, duration time.Duration) {
	t.Helper()
	duration, err := time.ParseDuration(cmp.Or(os.Getenv("WARBLE_CHECK"), usual.String()))
	if err != nil {
		t.Fatalf("WARBLE_CHECK: %v", err)
	}
	return testkit.Seed(t), duration
}

// As Jepsen does it: people write while faults are injected. What each of them was
// told, and what is stored in the end, must be true in some order.
func TestNothingAcknowledgedIsLostOrDoubledWhateverBreaks(t *testing.T) {
	t.Parallel()
	seed, duration := random(t, checkFor)
	s := deploy(t, 3, map[string]string{"POST_INTERVAL": "1"}) // so that its unique key takes part
	if s.server.Restart == nil {
		fmt.Println("left out: restarts of the database, since RESTART names no command that restarts it")
	}
	const groups = 6 // of people, each with rounds of its own
	rounds := make([][]*round, groups)
	var writing sync.WaitGroup
	done := make(chan struct{})
	for i := range groups {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		writing.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				r := s.newRound(time.Second)
				r.run(rng, 3, 8)
				rounds[i] = append(rounds[i], r)
			}
		})
	}
	n := faultInjector{site: s, rng: rand.New(rand.NewPCG(seed, groups)), injected: map[string]int{}}
	ctx, cancel := context.WithTimeout(t.Context(), duration)
	n.run(ctx)
	cancel()
	close(done) // no fault lasts any more; each group finishes its round
	writing.Wait()

	sum := s.explain(t, slices.Concat(rounds...))
	fmt.Printf("trust: seed %d, %v, faults %v; %+v\n", seed, duration, n.injected, sum)
	if strings.Contains(s.log(), `"status":500`) {
		t.Error("a function answered 500: a fault outside of it must be a 503")
	}
	if sum.acknowledged == 0 || sum.inDoubt == 0 || len(n.injected) != len(n.faults()) {
		t.Error("nothing was acknowledged, nothing was in doubt, or a kind of fault is missing: this run shows nothing")
	}
}

// A faultInjector injects one fault after another, and ends those that last.
type faultInjector struct {
	*site
	rng      *rand.Rand
	injected map[string]int
}

type fault struct {
	kind   string
	often  int // how many times it is in a round
	inject func(ctx context.Context)
}

func (n faultInjector) faults() []fault {
	between := func(low, high time.Duration) time.Duration { return low + upTo(n.rng, high-low) }
	all := []fault{
		{"cut", 4, func(context.Context) { n.proxy.Cut() }},
		{"down", 2, func(ctx context.Context) {
			n.proxy.Down()
			pause(ctx, between(50*time.Millisecond, time.Second))
			n.proxy.Up()
		}},
		{"hang", 3, func(ctx context.Context) {
			n.proxy.Hang()
			pause(ctx, between(50*time.Millisecond, time.Second))
			n.proxy.Resume()
		}},
		{"hang past the deadline", 1, func(ctx context.Context) {
			n.proxy.Hang()
			pause(ctx, 5500*time.Millisecond)
			n.proxy.Resume() // and what was held back runs
		}},
		{"lost answer to INSERT", 12, func(context.Context) { n.proxy.SwallowAnswer("INSERT") }},
		{"lost answer to UPDATE", 6, func(context.Context) { n.proxy.SwallowAnswer("UPDATE") }},
		{"lost answer to DELETE", 6, func(context.Context) { n.proxy.SwallowAnswer("DELETE") }},
		{"process killed", 12, func(context.Context) {
			paths := slices.Sorted(maps.Keys(n.Functions))
			for range 3 {
				pids := n.Functions[paths[n.rng.IntN(len(paths))]].Pids()
				if len(pids) > 0 {
					syscall.Kill(pids[n.rng.IntN(len(pids))], syscall.SIGKILL) // one that has just ended is as well
				}
			}
		}},
	}
	if n.server.Restart != nil {
		all = append(all, fault{"database restarted", 1, func(context.Context) {
			if err := n.server.Restart(); err != nil {
				n.tb.Error(err)
			}
		}})
	}
	return all
}

// run injects each fault once, however long a restart takes, and then goes through
// rounds of them until ctx ends. Then all that can be mended is.
func (n faultInjector) run(ctx context.Context) {
	var round []fault
	for _, each := range n.faults() {
		round = append(round, slices.Repeat([]fault{each}, each.often)...)
	}
	n.injectEach(context.WithoutCancel(ctx), n.faults())
	for ctx.Err() == nil {
		n.injectEach(ctx, round)
	}
	n.proxy.SwallowAnswer("nothing begins so")
}

// injectEach injects faults in any order, until ctx ends.
func (n faultInjector) injectEach(ctx context.Context, faults []fault) {
	n.rng.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	for _, fault := range faults {
		pause(ctx, 100*time.Millisecond+upTo(n.rng, 300*time.Millisecond))
		if ctx.Err() != nil {
			return
		}
		n.injected[fault.kind]++
		fault.inject(ctx)
	}
}
