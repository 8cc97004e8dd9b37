package trust

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

const (
	loadFor   = 10 * time.Second
	callers   = 32
	processes = 4 // at most, of each function: fewer than callers, who wait for one
	// growth is how much more memory a process may hold in the second half than
	// in the first: two collections of a Go heap at its least.
	growth = 8 << 20
)

// Under more load than the processes can take, a 503 that says when to try again is
// the only failure.
func TestLoadMakesNoAnswerWorseThan503AndGrowsNothing(t *testing.T) {
	s := deploy(t, processes, nil)
	s.load(t, loadFor/5) // starts the processes and fills their pools and caches
	first, second := s.load(t, 2*loadFor/5), s.load(t, 2*loadFor/5)
	for pid, peak := range second {
		if held, ok := first[pid]; ok && peak > held+growth {
			t.Errorf("process %d held %d MB in the first half and %d MB in the second", pid, held>>20, peak>>20)
		}
	}
	if len(second) <= len(s.Functions) {
		t.Errorf("%d processes for %d functions: there was too little load", len(second), len(s.Functions))
	}
	s.checkFailures(t)
	most := func(memory map[int]int) int { return slices.Max(slices.Collect(maps.Values(memory))) >> 20 }
	fmt.Printf("trust: load of %d callers on %d processes: at most %d MB in a process in the first half, %d MB in the second\n", callers, len(second), most(first), most(second))
}

// load has callers read and write as fast as they are answered, and returns the most
// memory that each process held, in bytes.
func (s *site) load(t *testing.T, d time.Duration) (memory map[int]int) {
	memory = map[int]int{}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var calling sync.WaitGroup
	for range callers {
		calling.Go(func() {
			r, rng := s.newRound(0), rand.New(rand.NewPCG(rand.Uint64(), 0))
			for n := 0; ctx.Err() == nil; n++ {
				if status := r.send(r.choose(rng, r.authors[0], fmt.Sprint(private, " under load ", n))); status == 0 || status >= 500 && status != 503 {
					t.Errorf("an answer of status %d", status)
				}
			}
		})
	}
	for ctx.Err() == nil {
		for _, function := range s.Functions {
			for _, pid := range function.Pids() {
				statm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)) // none when it has just ended
				var size, resident int
				fmt.Fscan(bytes.NewReader(statm), &size, &resident)
				memory[pid] = max(memory[pid], resident*os.Getpagesize())
			}
		}
		pause(ctx, 250*time.Millisecond)
	}
	calling.Wait()
	return memory
}
