//go:build linux

package bench

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/vercel/go-bridge/go/bridge"
	"golang.org/x/sys/unix"

	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
)

// Whoever runs `make bench` gets every figure. Of the page's places one is enough.
func TestEveryBenchmarkReportsItsFigures(t *testing.T) {
	command := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=.", "-test.skip=FirstPost/././place=(feed|person)", "-test.benchtime=2x")
	command.Env = append(os.Environ(), "ROWS=20000")
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// author is the one of the floor's posts.
const author = "user_floor"

// operations are the functions that the floor has too.
var operations = []string{"list", "get", "create", "update", "delete"}

// token is a good session token of author, "" where an operation needs none.
// The floor does not read it.
func (w *world) token(operation string) string {
	if operation == "list" || operation == "get" {
		return ""
	}
	return w.clerk.Token(author)
}

// rows is how many posts the tables of most benchmarks have. Each has an author of
// its own, so that a list names twenty.
const rows = 10_000

// noProfiles are the variables of functions that do not ask for profiles.
var noProfiles = map[string]string{"CLERK_SECRET_KEY": ""}

// newPost inserts a post of author where an operation needs one.
func newPost(b *testing.B, db *sqlx.DB, operation string) int64 {
	if operation == "update" || operation == "delete" {
		return testkit.InsertPost(b, db, author, "A post to change or to delete, about as long as others are.", time.Now())
	}
	return rows / 2
}

// side is one of the two functions that a benchmark compares.
type side struct {
	prefix   string // of the metrics: "" for ours
	function *testkit.Function
	request  func(i int) *bridge.Request // the i-th of a round

	mu    sync.Mutex
	times []time.Duration // what callers waited
	bytes int             // of the last answer
}

// call sends a request, which must succeed.
func (s *side) call(b *testing.B, r *bridge.Request) {
	begun := time.Now()
	response, err := s.function.Invoke(b.Context(), r)
	wait := time.Since(begun)
	body, _ := base64.StdEncoding.DecodeString(response.Body)
	if err != nil || response.StatusCode/100 != 2 {
		b.Errorf("%s %s = %d %s, %v\n%s", r.Method, r.Path, response.StatusCode, body, err, s.function.Log())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times, s.bytes = append(s.times, wait), len(body)
}

// reportTimes reports the median and the 99th percentile of what callers waited.
func (s *side) reportTimes(b *testing.B) {
	report(b, ms(s.quantile(.5)), s.prefix+"p50-ms")
	report(b, ms(s.quantile(.99)), s.prefix+"p99-ms")
}

// report reports a figure. One that is not over 0 was not measured.
func report(b *testing.B, figure float64, metric string) {
	if !(figure > 0) {
		b.Errorf("%s is %v", metric, figure)
	}
	b.ReportMetric(figure, metric)
}

// quantile is the time below which the share q of all is.
func (s *side) quantile(q float64) time.Duration {
	slices.Sort(s.times)
	return s.times[min(int(q*float64(len(s.times))), len(s.times)-1)]
}

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }

// cpu is the user and system time that a process has had, by the kernel's clock
// of it. A busy machine disturbs it less than the time of day.
func cpu(b *testing.B, pid int) time.Duration {
	var t unix.Timespec
	// CPUCLOCK_SCHED of that process: what clock_getcpuclockid(3) makes of it.
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		b.Fatalf("read the CPU clock of process %d: %v", pid, err)
	}
	return time.Duration(t.Nano())
}

// peakMemory is the most memory that one of the side's processes had resident, in MB.
func (s *side) peakMemory() (most float64) {
	for _, pid := range s.function.Pids() {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, peak, _ := strings.Cut(string(status), "VmHWM:")
		var kB float64
		fmt.Sscan(peak, &kB)
		most = max(most, kB*1024/1e6)
	}
	return most
}

// compare asks two functions in turn, each of one process, and reports what a
// request costs ours and the other: CPU time, the caller's wait, and their ratio.
func compare(b *testing.B, sides []*side) {
	for i := range 20 { // connects, and fills caches
		for _, s := range sides {
			s.call(b, s.request(-1-i))
		}
	}
	cpus := [2]time.Duration{}
	for i, s := range sides {
		s.times = nil
		cpus[i] = -cpu(b, s.function.Pids()[0])
	}
	for i := 0; b.Loop(); i++ {
		for _, s := range sides {
			s.call(b, s.request(i))
		}
	}
	for i, s := range sides {
		cpus[i] += cpu(b, s.function.Pids()[0])
		report(b, cpus[i].Seconds()*1e6/float64(len(s.times)), s.prefix+"cpu-µs")
		s.reportTimes(b)
	}
	report(b, float64(cpus[0])/float64(cpus[1]), "cpu-ratio")
	report(b, float64(sides[0].quantile(.5))/float64(sides[1].quantile(.5)), "p50-ratio")
	b.ReportMetric(float64(sides[0].bytes), "bytes") // none of a deletion
	b.ReportMetric(0, "ns/op")                       // of both together: says nothing
}

// What a caller waits for one request after another, and what CPU it takes. A
// session is verified with CLERK_JWT_KEY; a known token is one that the process has
// verified before. The floor has neither sessions nor profiles.
func BenchmarkRequest(b *testing.B) {
	w := open(b)
	dsn, db := w.fill(b, "requests", rows, rows)
	for _, operation := range operations {
		kinds := []string{"profiles=off", "profiles=known", "profiles=new", "session=new", "session=known"}
		if w.token(operation) != "" {
			kinds = []string{"session=new"}
		}
		for _, kind := range kinds {
			b.Run(operation+"/"+kind, func(b *testing.B) {
				var environment map[string]string
				if kind == "profiles=off" {
					environment = noProfiles
				}
				token := w.clerk.Token(author)
				sides := w.sides(b, operation, dsn, 1, environment)
				sides[0].request = func(i int) *bridge.Request {
					switch kind {
					case "session=new":
						token = w.clerk.Token(author)
					case "profiles=off", "profiles=known":
						token = ""
					case "profiles=new": // another page, or another post, each time
						if operation == "get" {
							return request(operation, int64(rows-(i+rows)%rows), "")
						}
						r := request(operation, 0, "")
						r.Path += "?before=" + cursorAt(rows-20*((i+50)%(rows/20-1)))
						return r
					}
					return request(operation, newPost(b, db, operation), token)
				}
				sides[1].request = func(int) *bridge.Request { return request(operation, newPost(b, db, operation), "") }
				compare(b, sides)
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
	dsn, db := w.fill(b, "callers", rows, rows)
	for _, operation := range operations {
		b.Run(operation, func(b *testing.B) {
			for _, s := range w.sides(b, operation, dsn, callers, nil) {
				var begun time.Time
				token := w.token(operation)
				for _, each := range []int{1, b.N} { // the first starts the processes
					requests := make(chan *bridge.Request, callers*each)
					for range callers * each {
						requests <- request(operation, newPost(b, db, operation), token)
					}
					close(requests)
					s.times = nil
					begun = time.Now()
					var wait sync.WaitGroup
					for range callers {
						wait.Go(func() {
							for r := range requests {
								s.call(b, r)
							}
						})
					}
					wait.Wait()
				}
				report(b, float64(callers*b.N)/time.Since(begun).Seconds(), s.prefix+"requests/s")
				s.reportTimes(b)
				report(b, s.peakMemory(), s.prefix+"peak-MB")
				s.function.Kill()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// From the start of a process to its first answer, of function list: when it asks
// for an event (its runtime and packages are ready), when it has answered, and the
// CPU time by then; and the size of its binary.
func BenchmarkColdStart(b *testing.B) {
	w := open(b)
	dsn, _ := w.fill(b, "coldstart", rows, rows)
	sides := w.sides(b, "list", dsn, 1, nil)
	var ready, answered, used [2]time.Duration
	for b.Loop() {
		for i, s := range sides {
			s.function.Kill()
			s.call(b, request("list", 0, ""))
			end, up := time.Now(), s.function.Running()[0]
			ready[i] += up.Waiting().Sub(up.Begun)
			answered[i] += end.Sub(up.Begun)
			used[i] += cpu(b, up.Pid())
		}
	}
	for i, binary := range []string{artifact.Build(b).Functions["/api/posts/list"], w.floor} {
		prefix := sides[i].prefix
		report(b, ms(ready[i])/float64(b.N), prefix+"ready-ms")
		report(b, ms(answered[i])/float64(b.N), prefix+"answered-ms")
		report(b, ms(used[i])/float64(b.N), prefix+"cpu-ms")
		info, err := os.Stat(binary)
		if err != nil {
			b.Fatal(err)
		}
		report(b, float64(info.Size())/1e6, prefix+"binary-MB")
	}
	report(b, float64(answered[0])/float64(answered[1]), "answered-ratio")
	report(b, float64(used[0])/float64(used[1]), "cpu-ratio")
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
// disk. Profiles are left out. The server counts statements and rows.
func BenchmarkTable(b *testing.B) {
	most, _ := strconv.Atoi(cmp.Or(os.Getenv("ROWS"), "10000000"))
	if most < 10*smallest {
		b.Fatalf("ROWS must be a number of posts, %d or more", 10*smallest)
	}
	w := open(b)
	small, _ := w.fill(b, "small", smallest, smallest/perAuthor)
	for _, size := range []int{most / 10, most} {
		large, db := w.fill(b, fmt.Sprint("posts", size), size, size/perAuthor)
		for _, kind := range []string{"feed", "middle", "author", "insert"} {
			b.Run(fmt.Sprintf("%s/posts=%d", kind, size), func(b *testing.B) {
				operation := "list"
				if kind == "insert" {
					operation = "create"
				}
				of := func(size int) func(int) *bridge.Request {
					r := request(operation, 0, w.token(operation))
					switch kind {
					case "middle":
						r.Path += "?before=" + cursorAt(size/2)
					case "author":
						r.Path += fmt.Sprintf("?userId=user_%027d", size/2%(size/perAuthor))
					}
					return func(int) *bridge.Request { return r }
				}
				sides := []*side{
					{function: w.warble(b, operation, large, 1, noProfiles), request: of(size)},
					{prefix: "small-", function: w.warble(b, operation, small, 1, noProfiles), request: of(smallest)},
				}
				compare(b, sides)

				idle := counters(b, db)
				before := counters(b, db)
				sides[0].call(b, of(size)(0))
				after := counters(b, db)
				for i, metric := range []string{"statements", "rows-read", "rows-sent"} {
					after[i] -= before[i] + before[i] - idle[i] // reading the counters adds to them too
					b.ReportMetric(after[i], metric)
				}
				// A page has one row more, which tells whether there is another. One in the middle reads the cursor's own too.
				if want := map[string][3]float64{"insert": {1, 0, 0}, "middle": {1, 22, 21}, "feed": {1, 21, 21}, "author": {1, 21, 21}}[kind]; after != want {
					b.Errorf("statements, rows read and rows sent are %v; want %v", after, want)
				}
			})
		}
	}
}

// counters are the server's own of statements, and of rows that it has read and sent.
func counters(b *testing.B, db *sqlx.DB) (of [3]float64) {
	const query = `SELECT SUM(IF(VARIABLE_NAME = 'QUESTIONS', VARIABLE_VALUE, 0)), SUM(IF(VARIABLE_NAME LIKE 'HANDLER\\_READ%', VARIABLE_VALUE, 0)),
SUM(IF(VARIABLE_NAME = 'ROWS_SENT', VARIABLE_VALUE, 0)) FROM information_schema.GLOBAL_STATUS`
	if err := db.QueryRow(query).Scan(&of[0], &of[1], &of[2]); err != nil {
		b.Fatal(err)
	}
	return of
}
