//go:build linux

package bench

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/vercel/go-bridge/go/bridge"

	"warble/api/posts"
	"warble/dev/bench/floor"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/faults"
)

// operations are the functions that the floor has too.
var operations = []string{"list", "get", "create", "update", "delete"}

// isRead tells which of them need no session.
func isRead(operation string) bool { return operation == "list" || operation == "get" }

// posts in the tables of the benchmarks that do not say another number. Each has
// an author of its own, so that a list names twenty.
const rows = 10_000

// newPost inserts a post of floor.Author's where an operation needs one.
func newPost(b *testing.B, db *sqlx.DB, operation string) int64 {
	if operation == "update" || operation == "delete" {
		return testkit.InsertPost(b, db, floor.Author, "A post to change or to delete, about as long as others are.", time.Now())
	}
	return rows / 2
}

// What a caller waits for one request after another, and what CPU it takes. A
// session is verified with CLERK_JWT_KEY; a known token is one that the process has
// verified before. The floor has neither sessions nor profiles.
func BenchmarkRequest(b *testing.B) {
	w := open(b)
	dsn := w.fill(b, "requests", rows, rows)
	db := testkit.Open(b, w.config(b, "requests"))
	for _, operation := range operations {
		kinds := []string{"session=new"}
		if isRead(operation) {
			kinds = []string{"profiles=off", "profiles=known", "profiles=new", "session=new", "session=known"}
		}
		for _, kind := range kinds {
			b.Run(operation+"/"+kind, func(b *testing.B) {
				environment := map[string]string{}
				if kind == "profiles=off" {
					environment["CLERK_SECRET_KEY"] = ""
				}
				token := w.token()
				ours := side{function: w.warble(b, operation, dsn, 1, environment), request: func(i int) *bridge.Request {
					switch kind {
					case "session=new":
						token = w.token()
					case "profiles=off", "profiles=known":
						token = ""
					case "profiles=new": // another page, or another post, each time
						if operation == "get" {
							return operationRequest(operation, int64(rows-(i+rows)%rows), "")
						}
						return request("GET", "/api/posts?before="+cursorAt(rows-20*((i+50)%(rows/20-1))), "", "")
					}
					return operationRequest(operation, newPost(b, db, operation), token)
				}}
				other := side{prefix: "floor-", function: w.theFloor(b, operation, dsn, 1), request: func(int) *bridge.Request {
					return operationRequest(operation, newPost(b, db, operation), "")
				}}
				compare(b, ours, other)
			})
		}
	}
}

// What a session's verification cannot cost less than.
func BenchmarkRSAVerification(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256([]byte("header.claims"))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
			b.Fatal(err)
		}
	}
}

// Allocations of a request, counted in this process, through the bridge.
func BenchmarkAllocations(b *testing.B) {
	w := open(b)
	dsn := w.fill(b, "allocations", rows, rows)
	db := testkit.Open(b, w.config(b, "allocations"))
	for name, value := range w.clerk.Environment(dsn, nil) {
		b.Setenv(name, value)
	}
	for i, handlers := range [][2]http.HandlerFunc{
		{posts.List, floor.List}, {posts.Get, floor.Get}, {posts.Create, floor.Create}, {posts.Update, floor.Update}, {posts.Delete, floor.Delete},
	} {
		for j, name := range []string{"warble", "floor"} {
			b.Run(operations[i]+"/"+name, func(b *testing.B) {
				token := ""
				if j == 0 && !isRead(operations[i]) {
					token = w.token()
				}
				var before, after runtime.MemStats
				allocations := uint64(0)
				serve := func() {
					r := operationRequest(operations[i], newPost(b, db, operations[i]), token)
					runtime.ReadMemStats(&before)
					response, err := bridge.Serve(handlers[j], r)
					runtime.ReadMemStats(&after)
					if err != nil || response.StatusCode/100 != 2 {
						b.Fatalf("%s: %d, %v", name, response.StatusCode, err)
					}
					allocations += after.Mallocs - before.Mallocs
				}
				serve() // opens the pool
				allocations = 0
				for b.Loop() {
					serve()
				}
				b.ReportMetric(float64(allocations)/float64(b.N), "allocations")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// callers is how many people call at once. An instance answers one request at a
// time, so that there are as many processes. All of them, the database and the
// callers share the machine.
const callers = 16

// What many callers at once wait for, how many are served in a second, and the
// most memory of a process.
func BenchmarkCallersAtOnce(b *testing.B) {
	w := open(b)
	dsn := w.fill(b, "callers", rows, rows)
	db := testkit.Open(b, w.config(b, "callers"))
	for _, operation := range operations {
		b.Run(operation, func(b *testing.B) {
			token := ""
			if !isRead(operation) {
				token = w.token()
			}
			ours := side{function: w.warble(b, operation, dsn, callers, nil)}
			other := side{prefix: "floor-", function: w.theFloor(b, operation, dsn, callers)}
			for _, s := range []*side{&ours, &other} {
				s.callAtOnce(b, db, operation, token, 1) // starts the processes
				s.times = nil
				begun := time.Now()
				s.callAtOnce(b, db, operation, token, b.N)
				b.ReportMetric(float64(callers*b.N)/time.Since(begun).Seconds(), s.prefix+"requests/s")
				s.reportTimes(b)
				peak := 0
				for _, pid := range s.function.Pids() {
					peak = max(peak, peakMemory(b, pid))
				}
				b.ReportMetric(float64(peak)/1e6, s.prefix+"peak-MB")
				s.function.Kill()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// callAtOnce has each caller send n requests, one after another.
func (s *side) callAtOnce(b *testing.B, db *sqlx.DB, operation, token string, n int) {
	requests := make([]*bridge.Request, callers*n)
	for i := range requests {
		requests[i] = operationRequest(operation, newPost(b, db, operation), token)
	}
	var wait sync.WaitGroup
	times := make([][]time.Duration, callers)
	for caller := range callers {
		wait.Go(func() {
			own := side{function: s.function}
			for i := range n {
				own.call(b, requests[caller*n+i])
			}
			times[caller] = own.times
		})
	}
	wait.Wait()
	for _, own := range times {
		s.times = append(s.times, own...)
	}
}

// From the start of a process to its first answer, of function list: when it asks
// for an event (its runtime and packages are ready), when it has answered, and the
// CPU time by then.
func BenchmarkColdStart(b *testing.B) {
	w := open(b)
	dsn := w.fill(b, "coldstart", rows, rows)
	sides := []*side{
		{function: w.warble(b, "list", dsn, 1, nil)},
		{prefix: "floor-", function: w.theFloor(b, "list", dsn, 1)},
	}
	var ready, answered, used [2]time.Duration
	for b.Loop() {
		for i, s := range sides {
			s.function.Kill()
			s.call(b, operationRequest("list", 0, ""))
			end, up := time.Now(), s.function.Starts()[0]
			ready[i] += up.Waiting.Sub(up.Begun)
			answered[i] += end.Sub(up.Begun)
			used[i] += cpu(b, up.Pid)
		}
	}
	for i, s := range sides {
		b.ReportMetric(ms(ready[i])/float64(b.N), s.prefix+"ready-ms")
		b.ReportMetric(ms(answered[i])/float64(b.N), s.prefix+"answered-ms")
		b.ReportMetric(ms(used[i])/float64(b.N), s.prefix+"cpu-ms")
	}
	b.ReportMetric(float64(answered[0])/float64(answered[1]), "answered-ratio")
	b.ReportMetric(float64(used[0])/float64(used[1]), "cpu-ratio")
	b.ReportMetric(0, "ns/op")
}

// smallest is how many posts the table has that larger ones are compared with.
// perAuthor is how many an author has: enough for a full page, at each size.
const (
	smallest  = 1_000
	perAuthor = 50
)

// What the number of posts costs: a table of ROWS posts (10 million unless set)
// and one of a tenth, each beside the smallest. Pages are read again and again and
// so are in the database's memory: this measures the plan and the index, not the
// disk. Profiles are left out. Statements are counted by the proxy, rows by the server.
func BenchmarkTable(b *testing.B) {
	most := 10_000_000
	if value := os.Getenv("ROWS"); value != "" {
		n, err := strconv.Atoi(value)
		if err != nil || n < 10*smallest {
			b.Fatalf("ROWS must be a number of posts, %d or more", 10*smallest)
		}
		most = n
	}
	w := open(b)
	noProfiles := map[string]string{"CLERK_SECRET_KEY": ""}
	small := w.fill(b, "small", smallest, smallest/perAuthor)
	token := w.token()
	for _, size := range []int{most / 10, most} {
		name := fmt.Sprint("posts", size)
		large := w.fill(b, name, size, size/perAuthor)
		for _, kind := range []string{"feed", "middle", "author", "insert"} {
			b.Run(fmt.Sprintf("%s/posts=%d", kind, size), func(b *testing.B) {
				operation := "list"
				if kind == "insert" {
					operation = "create"
				}
				of := func(size int) func(int) *bridge.Request {
					return func(int) *bridge.Request {
						switch kind {
						case "feed":
							return request("GET", "/api/posts", "", "")
						case "middle":
							return request("GET", "/api/posts?before="+cursorAt(size/2), "", "")
						case "author":
							return request("GET", fmt.Sprintf("/api/posts?userId=user_%027d", size/2%(size/perAuthor)), "", "")
						}
						return request("POST", "/api/posts", body, token)
					}
				}
				compare(b, side{function: w.warble(b, operation, large, 1, noProfiles), request: of(size)},
					side{prefix: "small-", function: w.warble(b, operation, small, 1, noProfiles), request: of(smallest)})
				w.reportRows(b, name, operation, of(size))
			})
		}
	}
}

// reportRows reports what the database does for one request of a function.
func (w *world) reportRows(b *testing.B, database, operation string, of func(int) *bridge.Request) {
	proxy := faults.New(b, w.server.URL())
	config := testkit.DatabaseConfig(b, proxy.URL())
	config.DBName = database
	s := side{function: w.warble(b, operation, config.FormatDSN(), 1, map[string]string{"CLERK_SECRET_KEY": ""})}
	db := testkit.Open(b, testkit.DatabaseConfig(b, w.server.URL()))
	s.call(b, of(0)) // connects
	idle := readCounters(b, db)
	before, commands := readCounters(b, db), proxy.Commands()
	s.call(b, of(1))
	after := readCounters(b, db)
	for name, metric := range map[string]string{"read": "rows-read", "sent": "rows-sent"} {
		// Reading the counters adds to them too.
		b.ReportMetric(float64(after[name]-before[name]-(before[name]-idle[name])), metric)
	}
	b.ReportMetric(float64(proxy.Commands()-commands), "statements")
}

// readCounters returns the server's own counters of rows read and sent.
func readCounters(b *testing.B, db *sqlx.DB) map[string]int64 {
	var counters []struct {
		Name  string `db:"Variable_name"`
		Value int64  `db:"Value"`
	}
	if err := db.Select(&counters, "SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Handler\\_read%' OR Variable_name = 'Rows_sent'"); err != nil {
		b.Fatal(err)
	}
	sums := map[string]int64{}
	for _, counter := range counters {
		if counter.Name == "Rows_sent" {
			sums["sent"] += counter.Value
		} else {
			sums["read"] += counter.Value
		}
	}
	return sums
}

// How many bytes are sent, and how large the functions are.
func BenchmarkBytes(b *testing.B) {
	w := open(b)
	dsn := w.fill(b, "bytes", rows, rows)
	output := artifact.Build(b)
	var page []byte
	err := filepath.WalkDir(output.Static, func(file string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.Contains(".html .css .js .svg", filepath.Ext(file)) || entry.Name() == "404.html" {
			return err
		}
		content, err := os.ReadFile(file)
		page = append(page, content...)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	answer := func(operation string) []byte {
		s := side{function: w.warble(b, operation, dsn, 1, nil)}
		return s.call(b, operationRequest(operation, rows/2, ""))
	}
	for name, content := range map[string][]byte{"feed": answer("list"), "post": answer("get"), "page": page} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var compressed bytes.Buffer
				writer := gzip.NewWriter(&compressed) // Vercel's default level
				io.Copy(writer, bytes.NewReader(content))
				writer.Close()
				b.ReportMetric(float64(len(content)), "bytes")
				b.ReportMetric(float64(compressed.Len()), "gzip-bytes")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
	for function, binary := range output.Functions {
		b.Run("binary/"+path.Base(function), func(b *testing.B) {
			info, err := os.Stat(binary)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(info.Size()), "bytes")
			b.ReportMetric(0, "ns/op")
		})
	}
}
