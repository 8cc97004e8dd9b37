// Package lambda starts functions for tests, as local/lambda runs them: their
// binaries, as `vercel build` makes them.
package lambda

import (
	"context"
	"io"
	"os"
	"testing"

	"github.com/vercel/go-bridge/go/bridge"

	locallambda "warble/dev/local/lambda"
)

// Function is a function of one test, and its log.
type Function struct {
	*locallambda.Function
	log *os.File // unlinked: the file is gone with the last process
}

// New makes a function of a binary, until the test ends. Its processes find in
// their environment what env says and AWS_LAMBDA_RUNTIME_API, nothing else. There
// are at most as many as processes says, and each answers one request at a time.
func New(tb testing.TB, binary string, env map[string]string, processes int) *Function {
	tb.Helper()
	log, err := os.CreateTemp("", "lambda-")
	if err != nil {
		tb.Fatalf("make the function's log: %v", err)
	}
	os.Remove(log.Name())
	environment := []string{} // nil would be this process's own
	for name, value := range env {
		environment = append(environment, name+"="+value)
	}
	f := &Function{locallambda.New(binary, environment, processes, 1, log), log}
	tb.Cleanup(func() {
		f.Close()
		log.Close()
	})
	return f
}

// Invoke has a process answer a request: it is a localvercel.Function.
func (f *Function) Invoke(ctx context.Context, request *bridge.Request) (bridge.Response, error) {
	return f.Function.Invoke(ctx, "", request)
}

// Log is what the processes wrote so far, to standard output and error.
func (f *Function) Log() string {
	log, err := io.ReadAll(io.NewSectionReader(f.log, 0, 1<<62))
	if err != nil {
		return err.Error()
	}
	return string(log)
}
