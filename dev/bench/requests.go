//go:build linux

package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/vercel/go-bridge/go/bridge"

	"warble/api/posts"
	"warble/dev/bench/floor"
	"warble/dev/testkit/lambda"
)

// session is whether a request has one.
type session int

const (
	none  session = iota
	known         // the process has seen its token before, as in a person's next request
	fresh         // or not
)

// A lane is one function that gets one kind of request.
type lane struct {
	name      string
	operation string
	floor     bool
	session   session
	env       map[string]string
	cold      bool // each request asks for authors whom the process has not met

	f      *lambda.Function
	tokens []string
	cpu    series // a request's, in µs, by round
	times  series // every request's, in ms
}

func (l *lane) String() string {
	if l.floor {
		return "floor"
	}
	return l.name
}

// table is the database of the requests. Each of its posts has an author of
// its own, so that a page names twenty.
const table = "requests"

// request is the i-th of a round, with ids for those that need a post of one's
// own.
func (l *lane) request(i int, ids []int64) *bridge.Request {
	const body = `{"content": "A post of some sixty characters, which is about what people write."}`
	token := ""
	if l.session != none {
		token = l.tokens[i%len(l.tokens)]
	}
	switch l.operation {
	case "list":
		path := "/api/posts"
		if l.cold {
			path += "?before=" + cursorAt(small-20*i)
		}
		return request("GET", path, "", token)
	case "get":
		id := 500
		if l.cold {
			id = 1 + i
		}
		return request("GET", fmt.Sprint("/api/posts/", id), "", token)
	case "create":
		return request("POST", "/api/posts", body, token)
	case "update":
		return request("PATCH", fmt.Sprint("/api/posts/", ids[0]), body, token)
	}
	return request("DELETE", fmt.Sprint("/api/posts/", ids[i]), "", token)
}

// run sends n requests one after another and keeps what they took.
func (l *lane) run(w *world, db *sql.DB, n int) error {
	if l.cold {
		l.f.Kill()
		n = min(n, small/20-2) // pages whose authors are new
	}
	ids, err := add(w.ctx, db, n+1)
	if err != nil {
		return err
	}
	// One outside of the count, which connects where the process is new.
	if _, err := call(w.ctx, l.f, l.request(n, ids)); err != nil {
		return err
	}
	pid := l.f.Pids()[0]
	before, err := cpu(pid)
	if err != nil {
		return err
	}
	for i := range n {
		begun := time.Now()
		if _, err := call(w.ctx, l.f, l.request(i, ids)); err != nil {
			return err
		}
		l.times = append(l.times, ms(time.Since(begun)))
	}
	after, err := cpu(pid)
	if err != nil {
		return err
	}
	l.cpu = append(l.cpu, (after-before).Seconds()*1e6/float64(n))
	_, err = db.ExecContext(w.ctx, "DELETE FROM posts WHERE user_id = ?", floor.Author)
	return err
}

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }

func measureRequests(w *world, b *bars) ([]section, error) {
	if err := w.fill(table, small, small); err != nil {
		return nil, err
	}
	db, err := sql.Open("mysql", w.dsn(table))
	if err != nil {
		return nil, err
	}
	defer db.Close()

	var lanes []*lane
	floors := map[string]*lane{}
	for _, operation := range operations {
		floors[operation] = &lane{operation: operation, floor: true}
		lanes = append(lanes, floors[operation])
		if operation == "list" || operation == "get" {
			lanes = append(lanes,
				&lane{name: operation + ", profiles unasked for", operation: operation, env: map[string]string{"CLERK_SECRET_KEY": ""}},
				&lane{name: operation + ", no session", operation: operation},
				&lane{name: operation + ", session", operation: operation, session: fresh},
				&lane{name: operation + ", session, its token seen before", operation: operation, session: known},
				&lane{name: operation + ", no session, profiles cold", operation: operation, cold: true})
			continue
		}
		lanes = append(lanes, &lane{name: operation + ", session", operation: operation, session: fresh})
	}
	for _, l := range lanes {
		l.tokens = w.tokens(1)
		if l.f, err = w.start(l, 1); err != nil {
			return nil, err
		}
		if err := l.run(w, db, 50); err != nil { // to be warm
			return nil, err
		}
		l.cpu, l.times = nil, nil
	}
	var verification series
	for range w.opts.rounds {
		tokens := w.tokens(w.opts.requests + 1)
		for _, l := range lanes {
			if l.session == fresh {
				l.tokens = tokens
			}
			if err := l.run(w, db, w.opts.requests); err != nil {
				return nil, err
			}
		}
		took, err := verificationCPU(w.opts.requests)
		if err != nil {
			return nil, err
		}
		verification = append(verification, took)
	}

	allocations, err := w.allocations(db)
	if err != nil {
		return nil, err
	}
	s := section{
		title: "A request, one caller",
		note: "Ours beside the floor of the same function, on " + grouped(small) + " posts; a list has 20 posts of 20 authors, whose profiles the floor does not have. CPU is the function process's " +
			"user + system time (its CPU clock), process and Runtime API included; p50 and p99 are what a caller waits, of all rounds together. A session is verified with CLERK_JWT_KEY. Allocations are counted in process, through `bridge.Serve`.",
		rows: [][]string{{"request", "CPU µs", "floor's", "ratio", "p50 ms", "floor's", "p99 ms", "floor's", "allocations", "floor's"}},
	}
	by := map[string]*lane{}
	for _, l := range lanes {
		if by[l.String()] = l; l.floor {
			continue
		}
		base := floors[l.operation]
		ours := ""
		if n, ok := allocations[l.name]; ok {
			ours = fmt.Sprint(n)
		}
		s.row(l.name, l.cpu.String(), base.cpu.String(), number(l.cpu.over(base.cpu).median()),
			number(l.times.median()), number(base.times.median()), number(l.times.at(.99)), number(base.times.at(.99)), ours, fmt.Sprint(allocations["floor "+l.operation]))
	}
	s.row("one RSA-2048 verification alone", verification.String(), "", "", "", "", "", "", "", "")
	for _, operation := range operations[:2] {
		plain := by[operation+", no session"]
		b.add("CPU of "+operation+" without a session, over the floor's", plain.cpu.over(floors[operation].cpu).median(), 1.25, " ×")
		for _, kind := range []string{", session", ", session, its token seen before"} {
			var added series
			for i := range plain.cpu {
				added = append(added, by[operation+kind].cpu[i]-plain.cpu[i])
			}
			b.add("CPU that it adds: "+operation+kind+" (bar: one RSA verification and 10 %)", added.median(), verification.median()*1.1, " µs")
		}
	}
	crowd, err := w.measureCrowd(db, b)
	return []section{s, crowd}, err
}

// start starts a lane's function.
func (w *world) start(l *lane, processes int) (*lambda.Function, error) {
	if l.floor {
		return w.theFloor(l.operation, w.dsn(table), processes)
	}
	return w.ours(l.operation, w.dsn(table), processes, l.env)
}

// callers is how many people are there at once. Vercel's instances answer one
// request at a time, so that there are as many processes.
const callers = 16

func (w *world) measureCrowd(db *sql.DB, b *bars) (section, error) {
	s := section{
		title: fmt.Sprintf("%d callers at once", callers),
		note: fmt.Sprintf("On %d processes, since an instance answers one request at a time; all of them, the database and the callers share %d cores. Memory is the largest process's peak.",
			callers, runtime.NumCPU()),
		rows: [][]string{{"request", "p50 ms", "floor's", "p99 ms", "floor's", "requests/s", "floor's", "peak memory MB", "floor's"}},
	}
	most := 0.
	for _, operation := range operations {
		kind := known
		if operation == "list" || operation == "get" {
			kind = none
		}
		var rate, memory [2]float64
		lanes := []*lane{{name: operation, operation: operation, session: kind, tokens: w.tokens(1)}, {operation: operation, floor: true}}
		for i, l := range lanes {
			var err error
			if l.f, err = w.start(l, callers); err != nil {
				return s, err
			}
			defer l.f.Close()
			var rates series
			for round := range 4 {
				rate, err := l.crowd(w, db, max(1, w.opts.requests/2))
				if err != nil {
					return s, err
				}
				if round == 0 { // it started the processes
					l.times = nil
					continue
				}
				rates = append(rates, rate)
			}
			rate[i] = rates.median()
			for _, pid := range l.f.Pids() {
				peak, err := peakMemory(pid)
				if err != nil {
					return s, err
				}
				memory[i] = max(memory[i], float64(peak)/1e6)
			}
			l.f.Kill()
		}
		most = max(most, memory[0])
		s.row(operation, number(lanes[0].times.median()), number(lanes[1].times.median()), number(lanes[0].times.at(.99)), number(lanes[1].times.at(.99)),
			number(rate[0]), number(rate[1]), number(memory[0]), number(memory[1]))
	}
	b.add("resident memory under load", most, 30, " MB")
	return s, nil
}

// crowd has each of the callers send n requests, and returns how many were
// answered in a second.
func (l *lane) crowd(w *world, db *sql.DB, n int) (rate float64, err error) {
	ids, err := add(w.ctx, db, callers*n)
	if err != nil {
		return 0, err
	}
	var (
		mu     sync.Mutex
		failed []error
		wait   sync.WaitGroup
	)
	begun := time.Now()
	for own := range slices.Chunk(ids, n) {
		wait.Go(func() {
			var times series
			var err error
			for i := 0; i < n && err == nil; i++ {
				sent := time.Now()
				_, err = call(w.ctx, l.f, l.request(i, own))
				times = append(times, ms(time.Since(sent)))
			}
			mu.Lock()
			defer mu.Unlock()
			l.times, failed = append(l.times, times...), append(failed, err)
		})
	}
	wait.Wait()
	rate = float64(len(ids)) / time.Since(begun).Seconds()
	if err := errors.Join(failed...); err != nil {
		return 0, err
	}
	_, err = db.ExecContext(w.ctx, "DELETE FROM posts WHERE user_id = ?", floor.Author)
	return rate, err
}

// verificationCPU is the CPU of checking one RSA-2048 signature, in µs.
func verificationCPU(n int) (float64, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256([]byte("header.claims"))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return 0, err
	}
	before, err := cpu(os.Getpid())
	if err != nil {
		return 0, err
	}
	for range n {
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
			return 0, err
		}
	}
	after, err := cpu(os.Getpid())
	return (after - before).Seconds() * 1e6 / float64(n), err
}

// allocations counts them in this process, by lane, and "floor "+operation;
// making the request is in both. With profiles cold it would count the Backend
// API's own too, which is in the same process.
func (w *world) allocations(db *sql.DB) (map[string]uint64, error) {
	for name, value := range w.clerkEnv {
		os.Setenv(name, value)
	}
	os.Setenv("DATABASE_URL", w.dsn(table))
	handlers := map[string][2]http.HandlerFunc{
		"list": {posts.List, floor.List}, "get": {posts.Get, floor.Get}, "create": {posts.Create, floor.Create},
		"update": {posts.Update, floor.Update}, "delete": {posts.Delete, floor.Delete},
	}
	counts := map[string]uint64{}
	n := max(10, w.opts.requests/4)
	for _, operation := range operations {
		kinds := map[string]*lane{
			operation + ", session": {operation: operation, session: fresh, tokens: w.tokens(n + 1)},
			"floor " + operation:    {operation: operation, floor: true},
		}
		if operation == "list" || operation == "get" {
			kinds[operation+", no session"] = &lane{operation: operation}
			kinds[operation+", session, its token seen before"] = &lane{operation: operation, session: known, tokens: w.tokens(1)}
		}
		for name, l := range kinds {
			handler := handlers[operation][0]
			if l.floor {
				handler = handlers[operation][1]
			}
			ids, err := add(w.ctx, db, n+1)
			if err != nil {
				return nil, err
			}
			var before, after runtime.MemStats
			for i := range n + 1 {
				response, err := bridge.Serve(handler, l.request(i, ids))
				if err != nil || response.StatusCode/100 != 2 {
					return nil, fmt.Errorf("%s in process: %d %v", name, response.StatusCode, err)
				}
				if i == 0 { // it opened the pool
					runtime.ReadMemStats(&before)
				}
			}
			runtime.ReadMemStats(&after)
			counts[name] = (after.Mallocs - before.Mallocs) / uint64(n)
		}
	}
	return counts, nil
}
