package trust

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"warble/dev/testkit"
)

const (
	raceFor      = 8 * time.Second
	racers       = 48
	requestsEach = 4 // of a racer in a round
	// longestSearch bounds the search for an order, in states. It takes hundreds.
	longestSearch = 1_000_000
)

// People act on the same posts, with the same keys, at the same time: two authors
// on several devices each, and moderators. What each is told must be true in some
// order of their requests, each at one moment between its sending and its answer.
func TestWhatRacingPeopleAreToldIsTrueInSomeOrder(t *testing.T) {
	t.Parallel()
	seed, duration := random(t, raceFor)
	for name, interval := range map[string]time.Duration{"no limit": 0, "one post a second": time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := deploy(t, 8, map[string]string{"POST_INTERVAL": fmt.Sprint(interval.Seconds())})
			answers := map[string]int{}
			want := []string{"create 201", "create 200", "create 422", "edit 200", "edit 404", "delete 204", "delete 404", "clear 200", "clear 403", "get 200", "get 404", "list 200"}
			if interval > 0 {
				want = append(want, "create 429")
			}
			missing := func() []string {
				return slices.DeleteFunc(slices.Clone(want), func(each string) bool { return answers[each] > 0 })
			}
			rounds, unknown := 0, 0
			// A slow machine gets the time that it takes to see each answer.
			for begun := time.Now(); !t.Failed(); rounds++ {
				if took := time.Since(begun); took > duration && (len(missing()) == 0 || took > 10*duration) {
					break
				}
				r := &race{site: s, interval: interval, begun: time.Now(), before: map[string]rows{}}
				// New ones in each round: a write that got no answer may run in the next.
				for _, author := range []string{fmt.Sprint("user_one", rounds), fmt.Sprint("user_other", rounds)} {
					id := testkit.InsertPost(t, s.db, author, private, time.Now())
					r.before[author] = rows{id: {content: private}}
					r.posts = append(r.posts, owned{id, author})
				}
				r.run(rand.NewPCG(seed, uint64(rounds)))
				if r.unknown {
					unknown++
					continue
				}
				for _, c := range r.history {
					answers[fmt.Sprint(c.what, " ", c.got.Status)]++
				}
				for author := range r.before {
					r.explain(t, author)
				}
			}
			fmt.Printf("trust: seed %d, %s, %d rounds of %d callers, %d of them not checked: the machine was too slow; %v\n", seed, name, rounds, racers, unknown, answers)
			if left := missing(); len(left) > 0 {
				t.Errorf("nobody was answered %q: this run shows too little", left)
			}
			if answers["create 429"] > 0 && interval == 0 {
				t.Error("somebody was told to wait without a limit")
			}
			for line := range strings.Lines(s.log()) {
				if (strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, `"errorMessage"`)) && !strings.Contains(line, "took longer than") && !strings.Contains(line, "cannot be reached") {
					t.Errorf("a function failed, and not by the machine's slowness: %s", line)
				}
			}
		})
	}
}

// A person's post is sent from many tabs while it is deleted in one. The inserts
// that wait for the deletion get their locks at once, and the database undoes all
// but one of them, again and again: nobody may be turned away for that.
func TestADeletionAmongRacingCreatesTurnsNobodyAway(t *testing.T) {
	t.Parallel()
	environment := map[string]string{"POST_INTERVAL": "86400"} // both unique keys take part
	for name, start := range map[string]func(t *testing.T) *site{
		"a process for each caller": func(t *testing.T) *site { return deploy(t, racers, environment) },
		"one process for all":       func(t *testing.T) *site { return oneProcess(t, environment) },
	} {
		t.Run(name, func(t *testing.T) { deleteAmongCreates(t, name, start(t)) })
	}
}

func deleteAmongCreates(t *testing.T, name string, s *site) {
	_, duration := random(t, raceFor)
	answers, took := map[string]int{}, []time.Duration{}
	rounds, wrong := 0, 0
	for begun := time.Now(); rounds == 0 || time.Since(begun) < duration; rounds++ {
		who := fmt.Sprint("user_round", rounds)
		create := func() (testkit.Answer, error) {
			return s.Try(who, "POST", "/api/posts", testkit.Content(private), "Idempotency-Key", private)
		}
		first, err := create()
		if err != nil || first.Status != 201 {
			t.Fatalf("%d %s, %v", first.Status, first.Text, err)
		}
		var refused []testkit.Answer
		var mu sync.Mutex
		var racing sync.WaitGroup
		start := make(chan struct{})
		for i := range racers {
			what, send, want := "create", create, 200
			if i == racers/2 {
				what, want = "delete", 204
				send = func() (testkit.Answer, error) { return s.Try(who, "DELETE", first.Path(), "") }
			}
			racing.Go(func() {
				<-start
				sent := time.Now()
				got, err := send()
				mu.Lock()
				defer mu.Unlock()
				took = append(took, time.Since(sent))
				answers[fmt.Sprint(what, " ", got.Status)]++
				if err != nil {
					t.Errorf("round %d: %s: %v", rounds, what, err)
				} else if got.Status != want && got.Status != 201 {
					refused = append(refused, got)
				}
			})
		}
		close(start)
		racing.Wait()
		refused = slices.DeleteFunc(refused, s.tooSlow)
		for _, got := range refused {
			t.Errorf("round %d: %d %s", rounds, got.Status, got.Text)
		}
		if len(refused) > 0 {
			wrong++
		}
	}
	slices.Sort(took)
	fmt.Printf("trust: a deletion among creates, %s, %d rounds of %d callers, %d wrong; 99 of 100 answered within %v, all within %v; %v\n",
		name, rounds, racers, wrong, took[len(took)*99/100].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond), answers)
	if answers["create 201"] < rounds/2 {
		t.Error("the deletion mostly met no create: this run shows too little")
	}
}

// tooSlow tells whether the log says of a 503 that this machine took the request's
// time. A write that the database has undone to the end has another cause there.
func (s *site) tooSlow(got testkit.Answer) bool {
	for begun := time.Now(); got.Status == 503 && time.Since(begun) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		for line := range strings.Lines(s.log()) {
			if strings.Contains(line, got.Problem.RequestID) {
				return strings.Contains(line, "took longer than the request may")
			}
		}
	}
	return false
}

// owned is a post that racers know of.
type owned struct {
	id    int64
	owner string
}

// race is one round.
type race struct {
	*site
	interval time.Duration
	begun    time.Time
	before   map[string]rows // what each author had

	mu      sync.Mutex
	posts   []owned
	history []call
	unknown bool // a request had no answer in time: what it did is not known
}

// call is a request, whose posts it is about, and its answer.
type call struct {
	what, caller, owner string
	id                  int64
	key, text           string
	interval            time.Duration
	got                 testkit.Answer
	sent, answered      time.Duration // since the round began
	from, to            int64         // the Unix seconds in which it was sent and answered
}

func (c call) String() string {
	return fmt.Sprintf("%v to %v: %s: %s of %s, post %d, key %q, text %q = %d %s", c.sent, c.answered, c.caller, c.what, c.owner, c.id, c.key, c.text, c.got.Status, c.got.Text)
}

func (r *race) run(source rand.Source) {
	seeds := rand.New(source)
	people := append(slices.Sorted(maps.Keys(r.before)), hedy)
	var racing sync.WaitGroup
	start := make(chan struct{})
	for i := range racers {
		rng := rand.New(rand.NewPCG(seeds.Uint64(), uint64(i)))
		racing.Go(func() {
			<-start
			for n := range requestsEach {
				c := r.choose(rng, people[i%len(people)], fmt.Sprintf("%s %d %d", private, i, n))
				r.send(c)
			}
		})
	}
	close(start)
	racing.Wait()
}

// choose makes a request of a caller's. unique is a text that no other has.
func (r *race) choose(rng *rand.Rand, caller, unique string) call {
	r.mu.Lock()
	newest := r.posts[max(0, len(r.posts)-6):] // older ones are mostly gone
	post := newest[rng.IntN(len(newest))]
	if other := newest[rng.IntN(len(newest))]; other.owner == caller {
		post = other // one's own more often than not
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

func (r *race) send(c call) {
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
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || c.got.Status >= 500 {
		r.unknown = true
		return
	}
	if c.what == "create" && c.got.ID != 0 {
		r.posts = append(r.posts, owned{c.got.ID, c.owner})
	}
	r.history = append(r.history, c)
}

// explain looks for an order of all that was done with an author's posts. What is
// done with another's has nothing to do with them.
func (r *race) explain(t *testing.T, author string) {
	t.Helper()
	history := slices.DeleteFunc(slices.Clone(r.history), func(c call) bool { return c.owner != author })
	// The first answered is tried first: most requests act shortly before their answer.
	slices.SortFunc(history, func(a, b call) int { return cmp.Compare(a.answered, b.answered) })
	s := search{history: history, tried: map[state]bool{}}
	all := make([]int, len(history))
	for i := range all {
		all[i] = i
	}
	if s.order(all, r.before[author]) {
		return
	}
	t.Errorf("no order, of %d tried, explains what was done with the posts of %s, which were %v:", len(s.tried), author, r.before[author])
	for _, c := range history {
		t.Log(c)
	}
}

// A search looks for an order in which each call may have had its answer (Wing and
// Gong's; it remembers what it has tried, as Lowe's does). What changes nothing is
// put at the first place that allows it, which hinders nothing else: a checker that
// knows no such thing, as porcupine, does not get through 16 reads at once.
type search struct {
	history []call
	tried   map[state]bool
}

// A state is what was left, and the posts.
type state struct {
	left  string // a byte for each call: a round has 192
	posts uint64
}

var hashSeed = maphash.MakeSeed()

// hash does not depend on the order of the posts.
func (posts rows) hash() (sum uint64) {
	for id, post := range posts {
		sum += maphash.Comparable(hashSeed, struct {
			id   int64
			post row
		}{id, post})
	}
	return sum
}

func (s *search) order(left []int, posts rows) bool {
	var next []int // those that may be next: none was sent after another's answer
	for again := true; again; {
		first := time.Duration(math.MaxInt64)
		for _, i := range left {
			first = min(first, s.history[i].answered)
		}
		again, next = false, nil
		left = slices.DeleteFunc(slices.Clone(left), func(i int) bool {
			c := s.history[i]
			if c.sent > first {
				return false
			}
			if !c.changes() {
				ok, _ := c.step(posts)
				again = again || ok
				return ok
			}
			next = append(next, i)
			return false
		})
	}
	if len(left) == 0 {
		return true
	}
	indexes := make([]byte, len(left))
	for n, i := range left {
		indexes[n] = byte(i)
	}
	here := state{string(indexes), posts.hash()}
	if s.tried[here] || len(s.tried) > longestSearch {
		return false
	}
	s.tried[here] = true
	return slices.ContainsFunc(next, func(i int) bool {
		ok, after := s.history[i].step(posts)
		return ok && s.order(slices.DeleteFunc(slices.Clone(left), func(j int) bool { return i == j }), after)
	})
}

// changes tells whether a call with its answer can change a post.
func (c call) changes() bool {
	switch c.what {
	case "create":
		return c.got.Status == 201
	case "edit", "delete", "clear":
		return c.got.Status < 300
	}
	return false
}

// rows are an author's posts, as the model keeps them.
type rows map[int64]row

type row struct {
	content    string
	key, first string // the idempotency key, and the text that it was first sent with
	slot       int64  // the Unix second of its publication
}

// step is the contract: whether a call may have its answer when its author has
// posts, and what the author has then.
func (c call) step(posts rows) (ok bool, after rows) {
	got := c.got
	owner, moderator := c.caller == c.owner, c.caller == hedy
	post, exists := posts[c.id]
	with := func(id int64, post row) rows {
		after := maps.Clone(posts)
		after[id] = post
		return after
	}
	switch fmt.Sprint(c.what, " ", got.Status) {
	case "create 201":
		created, err := time.Parse(time.RFC3339, got.CreatedAt)
		_, taken := posts.find(func(p row) bool {
			return c.key != "" && p.key == c.key || c.interval > 0 && p.slot == created.Unix()
		})
		_, again := posts[got.ID]
		return err == nil && !taken && !again && got.Content == c.text && got.UserID == c.caller, with(got.ID, row{c.text, c.key, c.text, created.Unix()})
	case "create 200":
		id, found := posts.find(func(p row) bool { return c.key != "" && p.key == c.key })
		return found && got.ID == id && posts[id].first == c.text && posts[id].content == got.Content, posts
	case "create 422":
		id, found := posts.find(func(p row) bool { return c.key != "" && p.key == c.key })
		return found && posts[id].first != c.text, posts
	case "create 429":
		_, published := posts.find(func(p row) bool { return c.key != "" && p.key == c.key })
		_, taken := posts.find(func(p row) bool { return p.slot >= c.from && p.slot <= c.to })
		return c.interval > 0 && taken && !published, posts
	case "edit 200":
		if !exists || !owner || got.Content != c.text {
			return false, posts
		}
		post.content = c.text
		return true, with(c.id, post)
	case "edit 404":
		return !exists || !owner, posts
	case "delete 204":
		after := maps.Clone(posts)
		delete(after, c.id)
		return exists && (owner || moderator), after
	case "delete 404":
		return !exists || !owner && !moderator, posts
	case "clear 200":
		var said struct {
			Deleted int
			More    bool
		}
		err := json.Unmarshal([]byte(got.Text), &said)
		return err == nil && (owner || moderator) && said.Deleted == len(posts) && !said.More, rows{}
	case "clear 403":
		return !owner && !moderator, posts
	case "get 200":
		return exists && got.Content == post.content && got.UserID == c.owner, posts
	case "get 404":
		return !exists, posts
	case "list 200":
		same := len(got.Posts) == len(posts)
		for _, p := range got.Posts {
			same = same && p.UserID == c.owner && p.Content == posts[p.ID].content
		}
		return same, posts
	}
	return false, posts
}

func (posts rows) find(is func(row) bool) (id int64, found bool) {
	for id, post := range posts {
		if is(post) {
			return id, true
		}
	}
	return 0, false
}

func TestTheSearchForAnOrderSeesWhatItIsThereFor(t *testing.T) {
	const a, b = "user_a", "user_b"
	published := func(status int, text, content string) call {
		post := testkit.Post{ID: 1, UserID: a, Content: content, CreatedAt: "2026-01-01T00:00:00.000Z"}
		return call{what: "create", caller: a, owner: a, key: "k", text: text, got: testkit.Answer{Status: status, Post: post}}
	}
	other := func(what, caller string, status int, content string) call {
		return call{what: what, caller: caller, owner: a, id: 1, text: content,
			got: testkit.Answer{Status: status, Text: content, Post: testkit.Post{ID: 1, UserID: a, Content: content}}}
	}
	x := published(201, "x", "x")
	for name, test := range map[string]struct {
		history []call
		inTurn  bool // one after the other, or all at once
		atOnce  bool
	}{
		"published, sent again, edited, sent again, read, deleted": {[]call{x, published(200, "x", "x"), published(422, "y", ""),
			other("edit", a, 200, "z"), published(200, "x", "z"), other("get", b, 200, "z"), other("delete", hedy, 204, ""), other("delete", a, 404, "")}, true, true},
		"read before it is published":         {[]call{other("get", b, 200, "x"), x}, false, true},
		"published twice":                     {[]call{x, x}, false, false},
		"another text taken for the first":    {[]call{x, published(200, "y", "x")}, false, false},
		"the first text refused":              {[]call{x, published(422, "x", "")}, false, false},
		"told to wait for nothing":            {[]call{published(429, "x", "")}, false, false},
		"deleted twice":                       {[]call{x, other("delete", a, 204, ""), other("delete", a, 204, "")}, false, false},
		"deleted by another":                  {[]call{x, other("delete", b, 204, "")}, false, false},
		"a moderator's edit":                  {[]call{x, other("edit", hedy, 200, "y")}, false, false},
		"an edit that is lost":                {[]call{x, other("edit", a, 200, "y"), other("get", b, 200, "x")}, false, true},
		"a deleted post is read":              {[]call{x, other("delete", a, 204, ""), other("get", b, 200, "x")}, false, true},
		"a post that is there is not found":   {[]call{x, other("get", b, 404, "")}, false, true},
		"cleared, and more than was there":    {[]call{x, other("clear", a, 200, `{"deleted":2,"more":false}`)}, false, false},
		"a list without a post that is there": {[]call{x, other("list", b, 200, "")}, false, true},
		"an answer that nobody knows":         {[]call{other("get", b, 418, "")}, false, false},
	} {
		for inTurn, want := range map[bool]bool{true: test.inTurn, false: test.atOnce} {
			history, all := slices.Clone(test.history), []int{}
			for i := range history {
				if all = append(all, i); inTurn {
					history[i].sent, history[i].answered = time.Duration(2*i), time.Duration(2*i+1)
				}
			}
			if s := (&search{history, map[state]bool{}}); s.order(all, rows{}) != want {
				t.Errorf("%s, in turn %t: explained %t; want %t", name, inTurn, !want, want)
			}
		}
	}
}
