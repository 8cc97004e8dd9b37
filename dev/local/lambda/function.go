package lambda

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"

	"github.com/vercel/go-bridge/go/bridge"
)

// Function is a program and its processes, which are started when requests come.
// Its methods are safe for concurrent use.
type Function struct {
	Binary string // may be replaced while no request is under way; Kill then makes it take effect

	env         []string
	concurrency int
	log         io.Writer
	turns       chan struct{} // holds one for each invocation that is under way

	mu        sync.Mutex // guards what follows, and the processes' busy
	closed    bool
	processes []*Process
}

// New makes a function whose output goes to log. Its processes find in their
// environment what env says and what AWS Lambda adds. There are at most as many as
// processes says, and each answers as many requests at the same time as concurrency
// says. One is started when a request finds none that is free.
func New(binary string, env []string, processes, concurrency int, log io.Writer) *Function {
	return &Function{Binary: binary, env: env, concurrency: concurrency, log: log, turns: make(chan struct{}, processes*concurrency)}
}

// Invoke has a process answer a request. The path is the function's, such as
// /api/posts/list, for a program that has several. It waits for a free process as
// long as ctx lasts; an answer that is under way is waited for in any case, since
// Vercel too lets it finish. A process that ends, reports an error or takes longer
// than a minute is an error, and the next request gets another.
func (f *Function) Invoke(ctx context.Context, path string, request *bridge.Request) (response bridge.Response, err error) {
	select {
	case f.turns <- struct{}{}:
		defer func() { <-f.turns }()
	case <-ctx.Done():
		return response, ctx.Err()
	}
	p, err := f.take()
	if err != nil {
		return response, err
	}
	if response, err = p.invoke(path, request); err != nil {
		p.Kill() // a panic is reported, and then the process ends
	}
	f.mu.Lock()
	p.busy--
	f.mu.Unlock()
	return response, err
}

// take returns a process that is free, or a new one.
func (f *Function) take() (*Process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errors.New("the function is closed")
	}
	for _, p := range f.living() {
		if p.busy < f.concurrency {
			p.busy++
			return p, nil
		}
	}
	command := exec.Command(f.Binary)
	command.Dir, command.Env = filepath.Dir(f.Binary), slices.Clone(f.env)
	command.Stdout, command.Stderr = f.log, f.log
	p, err := start(command, f.concurrency, f.log)
	if err != nil {
		return nil, err
	}
	p.busy++
	f.processes = append(f.processes, p)
	return p, nil
}

// living forgets the processes that have ended.
func (f *Function) living() []*Process {
	f.processes = slices.DeleteFunc(f.processes, func(p *Process) bool { return !p.Running() })
	return f.processes
}

// Running are the living processes, the oldest first.
func (f *Function) Running() []*Process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.living())
}

// Pids are the ids of the living processes, the oldest first.
func (f *Function) Pids() []int {
	var pids []int
	for _, p := range f.Running() {
		pids = append(pids, p.Pid())
	}
	return pids
}

// Kill ends the processes with what they are doing, and returns when they have
// ended. The next request starts a new one.
func (f *Function) Kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.processes {
		p.Kill()
	}
}

// Close is Kill, after which nothing is started.
func (f *Function) Close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.Kill()
}
