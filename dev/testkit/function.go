package testkit

import (
	"context"
	"os"
	"testing"

	"github.com/vercel/go-bridge/go/bridge"

	"warble/dev/local/lambda"
	"warble/dev/local/process"
)

// Function is a function of one test, and its log.
type Function struct {
	*lambda.Function
	log process.Log
}

// NewFunction makes a function of a binary, as `vercel build` makes them, until the
// test ends. Its processes find in their environment what env says and
// AWS_LAMBDA_RUNTIME_API, nothing else. There are at most as many as processes says,
// and each answers one request at a time.
func NewFunction(tb testing.TB, binary string, env map[string]string, processes int) *Function {
	tb.Helper()
	log := NewLog(tb)
	var environment []string
	for name, value := range env {
		environment = append(environment, name+"="+value)
	}
	f := &Function{lambda.New(binary, environment, processes, 1, log.File), log}
	tb.Cleanup(f.Kill)
	return f
}

// Invoke has a process answer a request: it is a fakevercel.Function.
func (f *Function) Invoke(ctx context.Context, request *bridge.Request) (bridge.Response, error) {
	return f.Function.Invoke(ctx, "", request)
}

// Log is what the processes wrote so far, to standard output and error.
func (f *Function) Log() string { return f.log.String() }

// NewLog makes a log until the test ends.
func NewLog(tb testing.TB) process.Log {
	tb.Helper()
	file, err := os.CreateTemp("", "log-")
	if err != nil {
		tb.Fatalf("make a log: %v", err)
	}
	os.Remove(file.Name()) // it is gone with the last process
	tb.Cleanup(func() { file.Close() })
	return process.Log{File: file}
}
