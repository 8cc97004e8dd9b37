//go:build linux

package main

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Whoever runs `make bench` gets every table, with figures in it. What the
// figures are is nobody's promise here.
func TestReportHasEveryRowWithFigures(t *testing.T) {
	var out bytes.Buffer
	opts := options{rounds: 2, requests: 4, coldStarts: 3, sizes: []int{small, 5 * small}}
	if err := run(t.Context(), opts, &out); err != nil {
		t.Fatal(err)
	}
	report := out.String()
	for _, row := range []string{
		"list, no session", "list, session", "list, session, its token seen before", "list, no session, profiles cold",
		"get, no session", "get, session", "create, session", "update, session", "delete, session", "one RSA-2048 verification alone",
		"list", "get", "create", "update", "delete",
		"to the first answer, ms", "CPU by then, ms", "has the rows, after ms",
		"feed", "a page from the middle", "one author's page", "insert",
		"1", "100", "10000", "feed, 20 posts with authors", "the page: HTML, CSS, modules, icon",
		"/api/posts/list", "floor", "Warble", "clerk-sdk-go", "go-jose", "sqlx", "go-sql-driver",
		"CPU of list without a session, over the floor's", "cold start, over the floor's", "resident memory under load", "a function's binary",
		"feed, 5,000 : 1,000 posts",
	} {
		_, after, ok := strings.Cut(report, "\n| "+row+" |")
		if !ok {
			t.Errorf("there is no row %q", row)
			continue
		}
		cells, _, _ := strings.Cut(after, "\n")
		if first, err := strconv.ParseFloat(strings.ReplaceAll(figure.FindString(cells), ",", ""), 64); err != nil || first <= 0 {
			t.Errorf("row %q begins with %q; want a number over 0", row, figure.FindString(cells))
		}
	}
	// The database's own counters: one statement, and no row that is not sent.
	for _, row := range []string{"feed", "one author's page"} {
		_, cells, _ := strings.Cut(report, "\n| "+row+" |")
		cells, _, _ = strings.Cut(cells, "\n")
		columns := strings.Split(strings.Trim(cells, " |"), " | ")
		if got := columns[len(columns)-3:]; got[0] != "1.00, 1.00" || got[1] != got[2] {
			t.Errorf("%s: statements, rows read and rows sent are %q; want one, and as many read as sent", row, got)
		}
	}
	if t.Failed() {
		t.Log(report)
	}
}

var figure = regexp.MustCompile(`-?[\d,]+(\.\d+)?`)

// A reader of the share of reads would draw the wrong conclusion from a model
// that forgets one of the cache's three states.
func TestSimulatedCacheCallsOnceASecondHoweverManyRead(t *testing.T) {
	const seconds = 600
	for _, test := range []struct {
		rate        float64
		least, most float64 // calls a second
		waits       bool
	}{
		{0.01, 0.005, 0.02, true}, // a reader every 100 s finds nothing that may be served
		{1, 0.3, 0.6, false},
		{100, 0.9, 1, false},
		{10_000, 0.9, 1, false},
	} {
		reads, calls, waits := simulate(test.rate, seconds*time.Second)
		if got := float64(calls) / seconds; got < test.least || got > test.most {
			t.Errorf("%v readers a second: %v calls a second; want %v to %v", test.rate, got, test.least, test.most)
		}
		if share := float64(waits) / float64(reads); test.waits != (share > 0.5) {
			t.Errorf("%v readers a second: %.3f of them wait", test.rate, share)
		}
	}
}
