package trust

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"warble/dev/testkit"
)

const (
	raceFor = 8 * time.Second
	racers  = 48
)

// People act on the same posts, with the same keys, at the same time: two authors
// on several devices each, and moderators. What each is told must be true in some
// order of their requests, each at one moment between its sending and its answer.
func TestWhatRacingPeopleAreToldIsTrueInSomeOrder(t *testing.T) {
	t.Parallel()
	seed, duration := random(t, raceFor)
	for name, interval := range map[string]time.Duration{"no limit, 8 processes of each function": 0, "one post a second, one process for all": time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s *site
			if environment := map[string]string{"POST_INTERVAL": fmt.Sprint(interval.Seconds())}; interval == 0 {
				s = deploy(t, 8, environment)
			} else {
				s = oneProcess(t, environment)
			}
			answers := map[string]int{}
			want := []string{"create 201", "create 200", "create 422", "edit 200", "edit 404", "delete 204", "delete 404", "clear 200", "clear 403", "get 200", "get 404", "list 200"}
			if interval > 0 {
				want = append(want, "create 429")
			}
			missing := func() []string {
				return slices.DeleteFunc(slices.Clone(want), func(each string) bool { return answers[each] > 0 })
			}
			var rounds []*round
			// A slow machine gets the time that it takes to see each answer.
			for begun := time.Now(); time.Since(begun) < duration || len(missing()) > 0 && time.Since(begun) < 10*duration; {
				r := s.newRound(interval)
				r.run(rand.New(rand.NewPCG(seed, uint64(len(rounds)))), racers, 4)
				rounds = append(rounds, r)
				for _, c := range r.history {
					answers[fmt.Sprint(c.what, " ", c.got.Status)]++
				}
			}
			fmt.Printf("trust: seed %d, %s, %d rounds of %d callers; %v; %+v\n", seed, name, len(rounds), racers, answers, s.explain(t, rounds))
			if left := missing(); len(left) > 0 {
				t.Errorf("nobody was answered %q: this run shows too little", left)
			}
			s.checkFailures(t)
		})
	}
}

// A person's post is sent from many tabs while it is deleted in one. The inserts
// that wait for the deletion get their locks at once, and the database undoes all
// but one of them, again and again: nobody may be turned away for that.
func TestADeletionAmongRacingCreatesTurnsNobodyAway(t *testing.T) {
	t.Parallel()
	s := deploy(t, racers, map[string]string{"POST_INTERVAL": "86400"}) // a process for each caller; both unique keys take part
	_, duration := random(t, raceFor)
	var rounds []*round
	answers, took := map[string]int{}, []time.Duration{}
	for begun := time.Now(); len(rounds) == 0 || time.Since(begun) < duration; {
		r := s.newRound(24 * time.Hour)
		create := call{what: "create", caller: r.authors[0], owner: r.authors[0], key: private, text: private, interval: r.interval}
		if status := r.send(create); status != 201 {
			t.Fatalf("the first post: %d", status)
		}
		remove := call{what: "delete", caller: create.caller, owner: create.owner, id: r.posts[0].id}
		atOnce(racers, func(i int) {
			if i == racers/2 {
				r.send(remove)
			} else {
				r.send(create)
			}
		})
		for _, c := range r.history[1:] {
			if answers[fmt.Sprint(c.what, " ", c.got.Status)]++; c.answered < forever {
				took = append(took, c.answered-c.sent)
			}
		}
		rounds = append(rounds, r)
	}
	slices.Sort(took)
	fmt.Printf("trust: %d rounds of %d callers; 99 of 100 answered within %v, all within %v; %v; %+v\n",
		len(rounds), racers, took[len(took)*99/100].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond), answers, s.explain(t, rounds))
	s.checkFailures(t)
	if answers["create 201"] < len(rounds)/2 {
		t.Error("the deletion mostly met no create: this run shows too little")
	}
}

// checkFailures checks that nobody was turned away but by this machine's slowness. A
// write that the database has undone to the end has another cause in the log.
func (s *site) checkFailures(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(s.log()) {
		if (strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, `"errorMessage"`)) && !strings.Contains(line, "took longer than") && !strings.Contains(line, "cannot be reached") {
			t.Errorf("a function failed, and not by the machine's slowness: %s", line)
		}
	}
}

// atOnce runs f as n callers at the same time.
func atOnce(n int, f func(i int)) {
	var racing sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		racing.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	racing.Wait()
}

// owned is a post that racers know of.
type owned struct {
	id    int64
	owner string
}

// round is what some people do at the same time with the posts of two authors, whom
// no other round has: a write that got no answer may run in the next.
type round struct {
	*site
	interval time.Duration
	begun    time.Time
	authors  []string

	mu      sync.Mutex
	posts   []owned
	history []call // all but reads without an answer
}

var allRounds atomic.Int64

func (s *site) newRound(interval time.Duration) *round {
	n := allRounds.Add(1)
	return &round{site: s, interval: interval, begun: time.Now(), authors: []string{fmt.Sprint("user_one", n), fmt.Sprint("user_other", n)}}
}

// run has so many callers, the authors and a moderator by turns, send so many
// requests each.
func (r *round) run(seeds *rand.Rand, callers, each int) {
	people := append(slices.Clone(r.authors), hedy)
	seed := seeds.Uint64()
	atOnce(callers, func(i int) {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		for n := range each {
			if status := r.send(r.choose(rng, people[i%len(people)], fmt.Sprintf("%s %d %d", private, i, n))); status == 0 || status >= 500 {
				time.Sleep(upTo(rng, 200*time.Millisecond))
			}
		}
	})
}

// choose makes a request of a caller's. unique is a text that no other has.
func (r *round) choose(rng *rand.Rand, caller, unique string) call {
	r.mu.Lock()
	post := owned{owner: r.authors[rng.IntN(len(r.authors))]}        // no post: none is known yet
	if newest := r.posts[max(0, len(r.posts)-6):]; len(newest) > 0 { // older ones are mostly gone
		post = newest[rng.IntN(len(newest))]
		if other := newest[rng.IntN(len(newest))]; other.owner == caller {
			post = other // one's own more often than not
		}
	}
	r.mu.Unlock()
	c := call{caller: caller, owner: post.owner, id: post.id, text: unique, interval: r.interval}
	switch what := rng.IntN(100); {
	case what < 45 && caller == hedy:
		c.what = "delete" // she has no posts, whose keys would outlive the round
	case what < 35:
		c.what, c.owner, c.id, c.key = "create", caller, 0, fmt.Sprint(private, rng.IntN(2))
		c.text = fmt.Sprint(private, rng.IntN(4)/3) // mostly the same
	case what < 45:
		c.what, c.owner, c.id = "create", caller, 0
	case what < 60:
		c.what = "edit"
	case what < 75:
		c.what = "delete"
	case what < 80:
		c.what = "clear"
	case what < 90:
		c.what = "get"
	default:
		c.what = "list"
	}
	return c
}

// send sends a request, and returns the status of its answer, 0 for none.
func (r *round) send(c call) (status int) {
	method, path, body := "GET", at(c.id), ""
	all := "/api/posts?userId=" + c.owner
	var headers []string
	switch c.what {
	case "create":
		method, path, body = "POST", "/api/posts", testkit.Content(c.text)
		if c.key != "" {
			headers = []string{"Idempotency-Key", c.key}
		}
	case "edit":
		method, body = "PATCH", testkit.Content(c.text)
	case "delete":
		method = "DELETE"
	case "clear":
		method, path = "DELETE", all
	case "list":
		path = all + "&limit=100"
	}
	var err error
	c.from, c.sent = time.Now().Unix(), time.Since(r.begun)
	c.got, err = r.Try(c.caller, method, path, body, headers...)
	c.to, c.answered = time.Now().Unix(), time.Since(r.begun)
	status = c.got.Status
	if status == 503 && c.got.ProblemError() != nil {
		r.tb.Errorf("%s %s = 503 that does not say so: %v", method, path, c.got.ProblemError())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || status >= 500 {
		if c.got, c.answered = (testkit.Answer{}), forever; method == "GET" {
			return status
		}
	}
	if c.what == "create" && c.got.ID != 0 {
		r.posts = append(r.posts, owned{c.got.ID, c.owner})
	}
	r.history = append(r.history, c)
	return status
}

// explained counts what was looked at, and the histories that no order explains.
type explained struct{ calls, inDoubt, acknowledged, stored, histories, wrong int }

// explain reads what is stored in the end, and then looks for an order of all that
// was done with each author's posts.
func (s *site) explain(t *testing.T, rounds []*round) (sum explained) {
	t.Helper()
	atOnce(racers, func(i int) {
		for n := i; n < len(rounds); n += racers {
			for _, author := range rounds[n].authors {
				if status := rounds[n].send(call{what: "list", caller: nobody, owner: author, interval: rounds[n].interval}); status != 200 {
					t.Errorf("the posts of %s cannot be read in the end: %d", author, status)
				}
			}
		}
	})
	for _, r := range rounds {
		for _, c := range r.history {
			sum.calls++
			if c.got.Status == 0 {
				sum.inDoubt++
			} else if c.changes() {
				sum.acknowledged++
			}
		}
		for _, last := range r.history[len(r.history)-len(r.authors):] {
			sum.stored += len(last.got.Posts)
		}
		for _, author := range r.authors {
			if sum.wrong > 0 {
				break // one is enough to read, and the next search may be long
			}
			if sum.histories++; !explain(t, r.history, author) {
				sum.wrong++
			}
		}
	}
	var stored int
	if err := s.db.Get(&stored, "SELECT COUNT(*) FROM posts"); err != nil || stored != sum.stored {
		t.Errorf("%d rows (%v), and %d posts of their authors; want the same", stored, err, sum.stored)
	}
	return sum
}
