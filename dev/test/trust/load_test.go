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

	"warble/dev/testkit"
)

const (
	loadFor     = 10 * time.Second
	callers     = 32
	processes   = 4 // at most, of each function: fewer than callers, who wait for one
	connections = 4 // at most, of a process: lib/database's pool
	// growth is how much more memory a process may hold in the second half than
	// in the first: two collections of a Go heap at its least.
	growth = 8 << 20
)

// Under more load than the processes can take, a 503 that says when to try again is
// the only failure.
func TestLoadMakesNoAnswerWorseThan503AndGrowsNothing(t *testing.T) {
	s := deploy(t, processes, nil)
	for i := range 50 {
		s.Must(201, ada, "POST", "/api/posts", testkit.Content(fmt.Sprint(private, " to begin with ", i)))
	}

	// The first fifth starts the processes and fills their pools and caches.
	before := s.load(t, loadFor/5)
	first := s.load(t, 2*loadFor/5)
	second := s.load(t, 2*loadFor/5)
	_, most := s.proxy.Connections()
	pids := s.pids()
	if len(pids) <= len(s.Functions) {
		t.Errorf("%d processes for %d functions: there was too little load", len(pids), len(s.Functions))
	}
	if most > len(pids)*connections {
		t.Errorf("%d connections to the database; want at most %d", most, len(pids)*connections)
	}
	for pid, peak := range second.memory {
		if held, ok := first.memory[pid]; ok && peak > held+growth {
			t.Errorf("process %d held %d MB in the first half and %d MB in the second", pid, held>>20, peak>>20)
		}
	}
	all := map[int]int{}
	for _, part := range []held{before, first, second} {
		for status, n := range part.answers {
			all[status] += n
		}
	}
	for status := range all {
		if status >= 500 && status != 503 {
			t.Errorf("%d answers of status %d", all[status], status)
		}
	}
	fmt.Printf("trust: load of %d callers on %d processes: %.0f requests a second, answers %v; at most %d MB in a process in the first half, %d MB in the second; at most %d connections\n",
		callers, len(pids), float64(first.requests()+second.requests())/(4*loadFor/5).Seconds(), all, first.most()>>20, second.most()>>20, most)
}

// held is what a load came to.
type held struct {
	answers map[int]int // by status
	memory  map[int]int // by process, the most that it held, in bytes
}

func (h held) requests() (n int) {
	for _, of := range h.answers {
		n += of
	}
	return n
}

func (h held) most() int { return slices.Max(slices.Collect(maps.Values(h.memory))) }

// load has callers read and write as fast as they are answered.
func (s *site) load(t *testing.T, d time.Duration) held {
	h := held{map[int]int{}, map[int]int{}}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var mu sync.Mutex
	var calling sync.WaitGroup
	for i := range callers {
		calling.Go(func() {
			user, own := fmt.Sprint("user_caller", i), int64(0)
			for n := 0; ctx.Err() == nil; n++ {
				got, err := s.mixed(user, &own, rand.IntN(100))
				if err != nil || got.Status >= 500 && (got.Status != 503 || got.ProblemError() != nil) {
					t.Errorf("under load: %d %s, %v", got.Status, got.Text, err)
				}
				mu.Lock()
				h.answers[got.Status]++
				mu.Unlock()
			}
		})
	}
	for ctx.Err() == nil {
		for _, pid := range s.pids() {
			h.memory[pid] = max(h.memory[pid], resident(t, pid))
		}
		pause(ctx, 250*time.Millisecond)
	}
	calling.Wait()
	return h
}

// mixed sends one request of a mix that reads more than it writes. Of the
// caller's own posts it knows the newest.
func (s *site) mixed(user string, own *int64, what int) (testkit.Answer, error) {
	switch {
	case what < 45:
		return s.Try(nobody, "GET", "/api/posts", "")
	case what < 55:
		return s.Try(user, "GET", "/api/posts?limit=100&userId="+user, "")
	case what < 80 || *own == 0 && what >= 90:
		return s.Try(nobody, "GET", at(max(*own, 1)), "")
	case what < 90:
		got, err := s.Try(user, "POST", "/api/posts", testkit.Content(private+" under load"))
		*own = got.ID
		return got, err
	case what < 95:
		return s.Try(user, "PATCH", at(*own), testkit.Content(private+" changed"))
	default:
		got, err := s.Try(user, "DELETE", at(*own), "")
		*own = 0
		return got, err
	}
}

func (s *site) pids() (all []int) {
	for _, function := range s.Functions {
		all = append(all, function.Pids()...)
	}
	return all
}

// resident is a process's memory, in bytes; 0 when it has ended.
func resident(t *testing.T, pid int) int {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, pages int
	if _, err := fmt.Fscan(bytes.NewReader(statm), &size, &pages); err != nil {
		t.Errorf("statm of %d: %v", pid, err)
	}
	return pages * os.Getpagesize()
}
