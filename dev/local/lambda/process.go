// Package lambda runs functions as AWS Lambda does, which Vercel's functions run
// on: a process fetches what it is to answer from a Runtime API, which this package
// serves on loopback. It neither limits memory and CPU nor freezes idle processes.
package lambda

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"warble/dev/local/process"

	"github.com/vercel/go-bridge/go/bridge"
)

// timeout ends an invocation. Our functions answer within 5 s.
const timeout = time.Minute

// Process is a function's process with a Runtime API of its own. Its methods
// are safe for concurrent use.
type Process struct {
	Begun time.Time // when it was about to be started

	*process.Process
	busy    int                       // requests under way; guarded by the function's mutex
	waiting atomic.Pointer[time.Time] // set by its first request for an event
	calls   chan *call
	taken   sync.Map // id → *call that it has taken and not answered yet
}

// A call is one invocation.
type call struct {
	id       string
	event    []byte
	deadline time.Time
	answer   chan answer // has room for the one
}

type answer struct {
	body []byte
	err  error
}

// start starts a process, whose command must set Env. It may take as many
// requests at the same time as concurrency says. What it reports when it cannot
// begin is written to log. The process ends when it is killed, and with this
// one.
func start(command *exec.Cmd, concurrency int, log io.Writer) (*Process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the runtime api: %w", err)
	}
	p := &Process{Begun: time.Now(), calls: make(chan *call)}
	server := &http.Server{Handler: p.runtimeAPI(log)}
	go server.Serve(listener)

	command.Env = append(command.Env, "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String())
	if concurrency > 1 {
		command.Env = append(command.Env, fmt.Sprint("AWS_LAMBDA_MAX_CONCURRENCY=", concurrency))
	}
	if p.Process, err = process.Start(command); err != nil {
		server.Close()
		return nil, fmt.Errorf("start the function's process: %w", err)
	}
	go func() {
		<-p.Ended()
		server.Close()
	}()
	return p, nil
}

// runtimeAPI is what a process asks for events and tells its answers.
func (p *Process) runtimeAPI(log io.Writer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		p.waiting.CompareAndSwap(nil, &now)
		select {
		case c := <-p.calls:
			p.taken.Store(c.id, c)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", c.id)
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(c.deadline.UnixMilli(), 10))
			w.Write(c.event)
		case <-r.Context().Done():
		}
	})
	// response or error, once
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{outcome}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		c, ok := p.taken.LoadAndDelete(r.PathValue("id"))
		if err != nil || !ok {
			http.Error(w, "no such invocation", http.StatusBadRequest)
			return
		}
		a := answer{body: body}
		if r.PathValue("outcome") == "error" {
			a.err = fmt.Errorf("the function failed: %s", body)
		}
		c.(*call).answer <- a
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(log, r.Body) // and the process ends
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}

// invoke has the process answer a request.
func (p *Process) invoke(path string, request *bridge.Request) (response bridge.Response, err error) {
	// The bridge takes an API Gateway event whose body is the request.
	body, err := json.Marshal(request)
	if err != nil {
		return response, fmt.Errorf("encode the request: %w", err)
	}
	event, _ := json.Marshal(map[string]string{"Action": "Invoke", "path": path, "body": string(body)}) // strings encode
	c := &call{
		id:       rand.Text(),
		event:    event,
		deadline: time.Now().Add(timeout),
		answer:   make(chan answer, 1),
	}
	late := time.After(timeout)
	calls := p.calls
	for {
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
