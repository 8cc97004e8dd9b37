//go:build linux

// Command bench measures Warble: the functions as `vercel build` makes them,
// driven through the Lambda Runtime API, beside the least code that could do
// the same (package floor), in the same run and on the same MariaDB. It prints
// Markdown. `make bench` runs it; ROWS=1000000 keeps the largest table smaller.
//
// What is said to be CPU is the user and system time of the function's process
// by the kernel's own clock of it, and so bears a busy machine better than what
// is said to be time.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"warble/dev/testkit"
)

// options say how long to measure.
type options struct {
	rounds     int // of which the median is given
	requests   int // of a kind in a round
	coldStarts int // of either
	sizes      []int
}

func main() {
	opts := options{rounds: 9, requests: 200, coldStarts: 31, sizes: []int{small}}
	most := 10_000_000
	if value := os.Getenv("ROWS"); value != "" {
		n, err := strconv.Atoi(value)
		if err != nil || n < small {
			fmt.Fprintf(os.Stderr, "ROWS must be a number of posts, %d or more\n", small)
			os.Exit(2)
		}
		most = n
	}
	for _, size := range []int{1_000_000, most} {
		if size > opts.sizes[len(opts.sizes)-1] && size <= most {
			opts.sizes = append(opts.sizes, size)
		}
	}

	// Ctrl-C must remove gigabytes of tables, and so is no sudden end.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts, os.Stdout); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures and writes the report. It says on standard error what it does.
// It can be called once in a process, whose functions have one pool.
func run(ctx context.Context, opts options, out io.Writer) (err error) {
	if os.Getenv("DATABASE_URL") != "" {
		// The functions in this process, where allocations are counted, have
		// begun to connect to it.
		return errors.New("DATABASE_URL is set: unset it, since this writes and deletes posts")
	}
	w, err := open(ctx, opts)
	if err != nil {
		return err
	}
	defer func() {
		if closing := w.Close(); err == nil {
			err = closing
		}
	}()
	var report bytes.Buffer
	fmt.Fprintf(&report, "Measured by `make bench` on %s, %s, load %s; %s, MariaDB %s, commit %s. Medians of %d rounds of %d requests, with the least and the most.\n",
		machine(), time.Now().UTC().Format("2006-01-02 15:04 UTC"), firstField("/proc/loadavg"), runtime.Version(), w.server.Version(), commit(), opts.rounds, opts.requests)

	for _, part := range []struct {
		what    string
		measure func(*world, *bars) ([]section, error)
	}{
		{"requests", measureRequests}, {"cold starts", measureColdStarts}, {"the database", measureDatabase},
		{"the CDN and bytes", measureBytes}, {"sizes", measureSizes},
	} {
		fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), part.what)
		sections, err := part.measure(w, &w.bars)
		if err != nil {
			return fmt.Errorf("measure %s: %w", part.what, err)
		}
		for _, s := range sections {
			s.write(&report)
		}
	}
	w.bars.section().write(&report)
	_, err = report.WriteTo(out)
	return err
}

func machine() string {
	model := "unknown CPU"
	info, _ := os.ReadFile("/proc/cpuinfo") // where it cannot be read, it is unknown
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%s, %d cores", model, runtime.NumCPU())
}

func firstField(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(text))[0]
}

func commit() string {
	git := exec.Command("git", "describe", "--always", "--dirty", "--exclude=*")
	git.Dir = filepath.Clean(testkit.Root())
	said, err := git.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(said))
}
