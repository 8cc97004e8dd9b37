package testkit

import (
	"io"
	"os"
	"testing"
)

// Log is a file that processes write to. It may be read meanwhile.
type Log struct{ *os.File }

// NewLog makes a log until the test ends.
func NewLog(tb testing.TB) Log {
	tb.Helper()
	file, err := os.CreateTemp("", "log-")
	if err != nil {
		tb.Fatalf("make a log: %v", err)
	}
	os.Remove(file.Name()) // it is gone with the last process
	tb.Cleanup(func() { file.Close() })
	return Log{file}
}

// String is what was written so far.
func (l Log) String() string {
	text, err := io.ReadAll(io.NewSectionReader(l.File, 0, 1<<62))
	if err != nil {
		return err.Error()
	}
	return string(text)
}
