//go:build linux

package bench

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/vercel/go-bridge/go/bridge"
	"golang.org/x/sys/unix"

	"warble/dev/testkit/lambda"
)

// side is one of the two functions that a benchmark compares.
type side struct {
	prefix   string // of the metrics: "" for ours
	function *lambda.Function
	request  func(i int) *bridge.Request // the i-th of a round
	times    []time.Duration
}

// call sends a request, which must succeed, and returns the answer's body.
func (s *side) call(b *testing.B, r *bridge.Request) []byte {
	begun := time.Now()
	response, err := s.function.Invoke(b.Context(), r)
	s.times = append(s.times, time.Since(begun))
	body, _ := base64.StdEncoding.DecodeString(response.Body)
	if err != nil || response.StatusCode/100 != 2 {
		b.Fatalf("%s %s = %d %s, %v\n%s", r.Method, r.Path, response.StatusCode, body, err, s.function.Log())
	}
	return body
}

// compare asks two functions in turn, each of one process, and reports what a
// request costs ours and the other: CPU time, the caller's wait, and their ratio.
func compare(b *testing.B, ours, other side) {
	sides := []*side{&ours, &other}
	const warm = 20 // requests that connect, and fill caches
	for i := range warm {
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
		b.ReportMetric(cpus[i].Seconds()*1e6/float64(len(s.times)), s.prefix+"cpu-µs")
		s.reportTimes(b)
	}
	b.ReportMetric(float64(cpus[0])/float64(cpus[1]), "cpu-ratio")
	b.ReportMetric(float64(quantile(ours.times, .5))/float64(quantile(other.times, .5)), "p50-ratio")
	b.ReportMetric(0, "ns/op") // of both together: says nothing
}

func (s *side) reportTimes(b *testing.B) {
	b.ReportMetric(ms(quantile(s.times, .5)), s.prefix+"p50-ms")
	b.ReportMetric(ms(quantile(s.times, .99)), s.prefix+"p99-ms")
}

// quantile is the time below which the share q of all is.
func quantile(times []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }

// cpu is the user and system time that a process has had, by the kernel's clock
// of it. It bears a busy machine better than the time of day.
func cpu(b *testing.B, pid int) time.Duration {
	var t unix.Timespec
	// CPUCLOCK_SCHED of that process: what clock_getcpuclockid(3) makes of it.
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		b.Fatalf("read the CPU clock of process %d: %v", pid, err)
	}
	return time.Duration(t.Nano())
}

// peakMemory is the most memory that a process had resident, in bytes.
func peakMemory(b *testing.B, pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	kB, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" kB"))
	n, err := strconv.Atoi(string(kB))
	if err != nil {
		b.Fatalf("no VmHWM in the status of process %d", pid)
	}
	return n << 10
}
