// Package lambda starts functions for tests, as local/lambda runs them: their
// binaries, as `vercel build` makes them.
package lambda

import (
	"context"
	"testing"

	"github.com/vercel/go-bridge/go/bridge"

	locallambda "warble/dev/local/lambda"
	"warble/dev/testkit"
)

// Function is a function of one test, and its log.
type Function struct {
	*locallambda.Function
	log testkit.Log
}

// New makes a function of a binary, until the test ends. Its processes find in
// their environment what env says and AWS_LAMBDA_RUNTIME_API, nothing else. There
// are at most as many as processes says, and each answers one request at a time.
func New(tb testing.TB, binary string, env map[string]string, processes int) *Function {
	tb.Helper()
	log := testkit.NewLog(tb)
	var environment []string
	for name, value := range env {
		environment = append(environment, name+"="+value)
	}
	f := &Function{locallambda.New(binary, environment, processes, 1, log.File), log}
	tb.Cleanup(f.Close)
	return f
}

// Invoke has a process answer a request: it is a localvercel.Function.
func (f *Function) Invoke(ctx context.Context, request *bridge.Request) (bridge.Response, error) {
	return f.Function.Invoke(ctx, "", request)
}

// Log is what the processes wrote so far, to standard output and error.
func (f *Function) Log() string { return f.log.String() }
