//go:build linux

package bench

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Whoever runs `make bench` gets every figure. What the figures are is nobody's
// promise here, but for what the database counts: one statement, and no row is
// read that is not sent.
func TestEveryBenchmarkReportsItsFigures(t *testing.T) {
	command := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=.", "-test.benchtime=2x")
	command.Env = append(os.Environ(), "ROWS=20000")
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	figures := map[string]map[string]float64{} // by benchmark, by metric
	for line := range strings.Lines(string(output)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(line, "Benchmark") {
			continue
		}
		name := regexp.MustCompile(`^Benchmark|-\d+$`).ReplaceAllString(fields[0], "")
		figures[name] = map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			figures[name][fields[i+1]], _ = strconv.ParseFloat(fields[i], 64)
		}
	}
	for pattern, metrics := range map[string]string{
		`Request/(list|get)/(profiles=off|profiles=known|profiles=new|session=new|session=known)`: "cpu-µs floor-cpu-µs cpu-ratio p50-ms floor-p50-ms p50-ratio p99-ms floor-p99-ms",
		`Request/(create|update|delete)/session=new`:                                              "cpu-µs floor-cpu-µs cpu-ratio p50-ms floor-p50-ms p50-ratio p99-ms floor-p99-ms",
		`RSAVerification`: "ns/op",
		`Allocations/(list|get|create|update|delete)/(warble|floor)`: "allocations",
		`CallersAtOnce/(list|get|create|update|delete)`:              "requests/s floor-requests/s p50-ms floor-p50-ms p99-ms peak-MB floor-peak-MB",
		`ColdStart`: "ready-ms floor-ready-ms answered-ms floor-answered-ms answered-ratio cpu-ms floor-cpu-ms cpu-ratio",
		`Table/(feed|middle|author|insert)/posts=(2000|20000)`: "p50-ms small-p50-ms p50-ratio statements",
		`Bytes/(feed|post|page)`:                               "bytes gzip-bytes",
		`Bytes/binary/(list|get|create|update|delete)`:         "bytes",
	} {
		for _, name := range expand(pattern) {
			for metric := range strings.FieldsSeq(metrics) {
				if figures[name][metric] <= 0 {
					t.Errorf("%s reports %s = %v; want a number over 0", name, metric, figures[name][metric])
				}
			}
		}
	}
	for _, name := range expand(`Table/(feed|middle|author|insert)/posts=(2000|20000)`) {
		f := figures[name]
		extra := 0. // rows that are read and not sent
		if strings.Contains(name, "middle") {
			extra = 1 // the cursor's own post
		}
		if f["statements"] != 1 || f["rows-read"]-f["rows-sent"] != extra || !strings.Contains(name, "insert") && f["rows-sent"] != 21 {
			t.Errorf("%s: %v statements, %v rows read, %v sent; want 1, 21 sent, and %v read beside them", name, f["statements"], f["rows-read"], f["rows-sent"], extra)
		}
	}
	if t.Failed() {
		t.Logf("%s", output)
	}
}

// expand lists the names that a pattern of alternatives in brackets stands for.
func expand(pattern string) (names []string) {
	innermost := regexp.MustCompile(`\(([^()]*)\)`)
	at := innermost.FindStringSubmatchIndex(pattern)
	if at == nil {
		return []string{pattern}
	}
	for alternative := range strings.SplitSeq(pattern[at[2]:at[3]], "|") {
		names = append(names, expand(pattern[:at[0]]+alternative+pattern[at[1]:])...)
	}
	return names
}
