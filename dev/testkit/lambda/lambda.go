// Package lambda runs functions as AWS Lambda does, which Vercel's functions
// run on: their binaries, as `vercel build` makes them, are started as
// processes when requests come.
//
// It stands in for Lambda on one machine. It neither limits memory and CPU nor
// freezes idle processes; Pids is there for tests that do.
package lambda

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vercel/go-bridge/go/bridge"

	locallambda "warble/dev/local/lambda"
)

// Function is a function and its processes. Its methods are safe for
// concurrent use.
type Function struct {
	binary string
	env    []string
	turns  chan struct{} // holds one for each invocation that is under way
	log    *os.File      // unlinked: the file is gone with the last process

	mu        sync.Mutex
	closed    bool
	instances []*instance
}

type instance struct {
	*locallambda.Process
	idle bool // guarded by the function's mutex
}

// New makes a function of a binary, until the test ends. Its processes find in
// their environment what env says and AWS_LAMBDA_RUNTIME_API, nothing else. There
// are at most as many as processes says, each answers one request at a time, and
// one is started when a request finds none idle.
func New(tb testing.TB, binary string, env map[string]string, processes int) *Function {
	tb.Helper()
	log, err := os.CreateTemp("", "lambda-")
	if err != nil {
		tb.Fatalf("make the function's log: %v", err)
	}
	os.Remove(log.Name())
	f := &Function{binary: binary, env: []string{}, turns: make(chan struct{}, processes), log: log}
	for name, value := range env {
		f.env = append(f.env, name+"="+value)
	}
	tb.Cleanup(f.close)
	return f
}

// Invoke has a process answer a request: it is a localvercel.Function. It waits
// for an idle process as long as ctx lasts; an answer that is under way is
// waited for in any case, since Vercel too lets it finish. A process that ends,
// reports an error or takes longer than a minute is an error, and the next
// request gets another.
func (f *Function) Invoke(ctx context.Context, request *bridge.Request) (response bridge.Response, err error) {
	select {
	case f.turns <- struct{}{}:
		defer func() { <-f.turns }()
	case <-ctx.Done():
		return response, ctx.Err()
	}
	i, err := f.take()
	if err != nil {
		return response, err
	}
	if response, err = i.Process.Invoke("", request); err != nil {
		i.Kill() // a panic is reported, and then the process ends
		return response, err
	}
	f.mu.Lock()
	i.idle = true
	f.mu.Unlock()
	return response, nil
}

// take returns a process for the caller alone: an idle one, or a new one.
func (f *Function) take() (*instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errors.New("the function is closed")
	}
	f.instances = slices.DeleteFunc(f.instances, func(i *instance) bool { return !i.Running() })
	for _, i := range f.instances {
		if i.idle {
			i.idle = false
			return i, nil
		}
	}
	command := exec.Command(f.binary)
	command.Dir, command.Env = filepath.Dir(f.binary), slices.Clone(f.env)
	command.Stdout, command.Stderr = f.log, f.log
	process, err := locallambda.Start(command, 1, f.log)
	if err != nil {
		return nil, err
	}
	i := &instance{Process: process}
	f.instances = append(f.instances, i)
	return i, nil
}

// Pids are the ids of the living processes, the oldest first.
func (f *Function) Pids() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	var pids []int
	for _, i := range f.instances {
		if i.Running() {
			pids = append(pids, i.Pid())
		}
	}
	return pids
}

// Start is how a process came up.
type Start struct {
	Pid     int
	Begun   time.Time // when it was about to be started
	Waiting time.Time // when it first asked for an event: its runtime and our packages were ready
}

// Starts tells it of the living processes that have asked, the oldest first.
func (f *Function) Starts() []Start {
	f.mu.Lock()
	defer f.mu.Unlock()
	var starts []Start
	for _, i := range f.instances {
		if waiting := i.Waiting(); waiting != nil && i.Running() {
			starts = append(starts, Start{i.Pid(), i.Begun, *waiting})
		}
	}
	return starts
}

// Log is what the processes wrote so far, to standard output and error.
func (f *Function) Log() string {
	log, err := io.ReadAll(io.NewSectionReader(f.log, 0, 1<<62))
	if err != nil {
		return err.Error()
	}
	return string(log)
}

// Kill ends the processes with what they are doing, and returns when they have
// ended. The next request starts a new one.
func (f *Function) Kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.instances {
		i.Kill()
	}
}

func (f *Function) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.Kill()
	f.log.Close()
}
