//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// section is one table of the report.
type section struct {
	title, note string
	rows        [][]string // the first is the head
}

func (s *section) row(cells ...string) { s.rows = append(s.rows, cells) }

func (s section) write(out io.Writer) {
	fmt.Fprintf(out, "\n### %s\n\n", s.title)
	if s.note != "" {
		fmt.Fprintf(out, "%s\n\n", s.note)
	}
	for i, row := range s.rows {
		fmt.Fprintf(out, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(out, "|---%s\n", strings.Repeat("|---:", len(row)-1)+"|")
		}
	}
}

// series are the figures of several rounds, in the rounds' order.
type series []float64

func (s series) sorted() series { return slices.Sorted(slices.Values(s)) }

// at is the figure below which the share q of all is.
func (s series) at(q float64) float64 {
	return s.sorted()[min(int(q*float64(len(s))), len(s)-1)]
}

func (s series) median() float64 { return s.at(0.5) }

// over is s by other, round by round: what disturbs a round disturbs both.
func (s series) over(other series) series {
	ratios := make(series, len(s))
	for i := range s {
		ratios[i] = s[i] / other[i]
	}
	return ratios
}

// String is the median with the least and the most.
func (s series) String() string {
	sorted := s.sorted()
	return fmt.Sprintf("%s (%s–%s)", number(s.median()), number(sorted[0]), number(sorted[len(sorted)-1]))
}

// number gives three digits or so.
func number(f float64) string {
	switch {
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}

// grouped is a number with commas.
func grouped(n int) string {
	if n < 0 {
		return "−" + grouped(-n)
	}
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// bars are what was to be reached.
type bars struct{ rows [][]string }

// add compares a figure with the most that it may be.
func (b *bars) add(what string, got, most float64, unit string) {
	verdict := "pass"
	if got > most {
		verdict = "**miss**"
	}
	b.rows = append(b.rows, []string{what, number(got) + unit, number(most) + unit, verdict})
}

func (b *bars) section() section {
	return section{title: "Bars", rows: append([][]string{{"at most", "measured", "bar", ""}}, b.rows...)}
}
