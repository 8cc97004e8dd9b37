// Package lambda runs functions as AWS Lambda does, which Vercel's functions run
// on: a process fetches what it is to answer from a Runtime API, which this package
// serves on loopback. It neither limits memory and CPU nor freezes idle processes.
package lambda

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vercel/go-bridge/go/bridge"

	"warble/dev/local/process"
)

// timeout ends an invocation. Our functions answer within 5 s.
const timeout = time.Minute

// Function is a program and its processes, which are started when requests come.
// Its methods are safe for concurrent use.
type Function struct {
	Binary string // may be replaced while no request is under way; Kill then makes it take effect

	env         []string
	concurrency int
	log         io.Writer
	turns       chan struct{} // holds one for each invocation that is under way

	mu        sync.Mutex // guards processes, and their busy
	processes []*Process
}

// Process is a function's process with a Runtime API of its own. Its methods
// are safe for concurrent use.
type Process struct {
	Begun time.Time // when it was about to be started

	*process.Process
	busy    int                       // requests under way
	waiting atomic.Pointer[time.Time] // set by its first request for an event
	calls   chan call
	taken   sync.Map // id → where the process's answer goes
}

// A call is an event and where its answer goes, which has room for the one.
type call struct {
	event  []byte
	answer chan answer
}

type answer struct {
	body []byte
	err  error
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
		return response, fmt.Errorf("start the function's process: %w", err)
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
func (f *Function) take() (p *Process, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at := slices.IndexFunc(f.living(), func(p *Process) bool { return p.busy < f.concurrency }); at >= 0 {
		p = f.processes[at]
	} else if p, err = f.start(); err != nil {
		return nil, err
	} else {
		f.processes = append(f.processes, p)
	}
	p.busy++
	return p, nil
}

// start starts a process. It ends when it is killed, and with this one.
func (f *Function) start() (*Process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Process{Begun: time.Now(), calls: make(chan call)}
	server := &http.Server{Handler: p.runtimeAPI()}
	go server.Serve(listener)

	command := exec.Command(f.Binary)
	command.Dir, command.Stdout, command.Stderr = filepath.Dir(f.Binary), f.log, f.log
	command.Env = append(slices.Clone(f.env), "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String())
	if f.concurrency > 1 {
		command.Env = append(command.Env, fmt.Sprint("AWS_LAMBDA_MAX_CONCURRENCY=", f.concurrency))
	}
	if p.Process, err = process.Start(command); err != nil {
		server.Close()
		return nil, err
	}
	go func() {
		<-p.Ended()
		server.Close()
	}()
	return p, nil
}

// runtimeAPI is what a process asks for events and tells its answers.
func (p *Process) runtimeAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		p.waiting.CompareAndSwap(nil, &now)
		select {
		case c := <-p.calls:
			id := rand.Text()
			p.taken.Store(id, c.answer)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", id)
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(timeout).UnixMilli(), 10))
			w.Write(c.event)
		case <-r.Context().Done():
		}
	})
	// The outcome is "response" or "error".
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{outcome}", func(w http.ResponseWriter, r *http.Request) {
		var a answer
		a.body, a.err = io.ReadAll(r.Body)
		if r.PathValue("outcome") == "error" {
			a.err = fmt.Errorf("the function failed: %s", a.body)
		}
		if to, ok := p.taken.LoadAndDelete(r.PathValue("id")); ok { // once
			to.(chan answer) <- a
		}
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}

// invoke has the process answer a request.
func (p *Process) invoke(path string, request *bridge.Request) (response bridge.Response, err error) {
	// The bridge takes an API Gateway event whose body is the request. Both are of strings, which encode.
	body, _ := json.Marshal(request)
	event, _ := json.Marshal(map[string]string{"Action": "Invoke", "path": path, "body": string(body)})
	c := call{event, make(chan answer, 1)}
	late := time.After(timeout)
	for calls := p.calls; ; {
		select {
		case calls <- c:
			calls = nil // taken
		case a := <-c.answer:
			if a.err == nil {
				a.err = json.Unmarshal(a.body, &response)
			}
			return response, a.err
		case <-p.Ended():
			return response, fmt.Errorf("the function's process ended: %s", p.State())
		case <-late:
			return response, fmt.Errorf("the function gave no answer in %v", timeout)
		}
	}
}

// Waiting is when the process first asked for an event: its runtime and our
// packages were ready then. It is nil before that.
func (p *Process) Waiting() *time.Time { return p.waiting.Load() }

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
func (f *Function) Pids() (pids []int) {
	for _, p := range f.Running() {
		pids = append(pids, p.Pid())
	}
	return pids
}

// Kill ends the processes with what they are doing, and returns when they have
// ended. The next request starts a new one.
func (f *Function) Kill() {
	for _, p := range f.Running() {
		p.Kill()
	}
}
