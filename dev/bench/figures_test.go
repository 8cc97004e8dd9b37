//go:build linux

package bench

import (
	"maps"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Whoever runs `make bench` gets every figure. What the figures are is nobody's
// promise here, but for what the database counts: one statement, and no row is
// read that is not sent. Of the page's places one is enough.
func TestEveryBenchmarkReportsItsFigures(t *testing.T) {
	command := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=.", "-test.skip=FirstPost/././place=(feed|person)", "-test.benchtime=2x")
	command.Env = append(os.Environ(), "ROWS=20000")
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	const compared = "cpu-µs cpu-ratio p50-ms p50-ratio p99-ms"
	metrics := map[string]string{ // by benchmark, each over 0
		"Request":       compared + " floor-cpu-µs floor-p50-ms floor-p99-ms",
		"CallersAtOnce": "requests/s floor-requests/s p50-ms floor-p50-ms p99-ms peak-MB floor-peak-MB",
		"ColdStart":     "ready-ms floor-ready-ms answered-ms floor-answered-ms answered-ratio cpu-ms floor-cpu-ms cpu-ratio binary-MB floor-binary-MB",
		"Distance":      "answered-ms floor-answered-ms again-ms floor-again-ms round-trips floor-round-trips",
		"FirstPost":     "first-post-ms floor-first-post-ms first-post-ratio requests floor-requests",
		"Table":         compared + " small-p50-ms statements bytes",
	}
	found := map[string]int{}
	for _, line := range regexp.MustCompile(`(?m)^Benchmark(.+?)(?:-\d+)?\s+2\s(.*)$`).FindAllStringSubmatch(string(output), -1) {
		figures, fields := map[string]float64{}, strings.Fields(line[2])
		for i := 0; i+1 < len(fields); i += 2 {
			figures[fields[i+1]], _ = strconv.ParseFloat(fields[i], 64)
		}
		benchmark, kind, _ := strings.Cut(line[1], "/")
		found[benchmark]++
		for metric := range strings.FieldsSeq(metrics[benchmark]) {
			if figures[metric] <= 0 {
				t.Errorf("%s reports %s = %v; want a number over 0", line[1], metric, figures[metric])
			}
		}
		// TCP, the greeting, TLS, the login, the statement. A busy machine can tell them apart at this distance.
		if line[1] == "Distance/round-trip=80ms" && figures["round-trips"] != 5 {
			t.Errorf("%s: the first answer takes %v round trips to the database; want 5", line[1], figures["round-trips"])
		}
		if benchmark == "FirstPost" && figures["requests"] > 6 {
			t.Errorf("%s: %v requests before the first post; want at most 6", line[1], figures["requests"])
		}
		extra := 0. // rows that are read and not sent
		if strings.HasPrefix(kind, "middle") {
			extra = 1 // the cursor's own post
		}
		sent := figures["rows-sent"]
		if benchmark == "Table" && (figures["statements"] != 1 || figures["rows-read"]-sent != extra || !strings.HasPrefix(kind, "insert") && sent != 21) {
			t.Errorf("%s: %v; want 1 statement, 21 rows sent, and %v read beside them", line[1], figures, extra)
		}
	}
	if want := map[string]int{"Request": 13, "CallersAtOnce": 5, "ColdStart": 1, "Distance": 3, "FirstPost": 4, "Table": 8}; !maps.Equal(found, want) {
		t.Errorf("benchmarks: %v; want %v", found, want)
	}
	if t.Failed() {
		t.Logf("%s", output)
	}
}
