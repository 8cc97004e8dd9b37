//go:build linux

// Package lambda runs functions as AWS Lambda does, which Vercel's functions
// run on: their binaries, as `vercel build` makes them, are started as
// processes and fetch what they are to answer from a Runtime API.
//
// It stands in for Lambda on one machine. It neither limits memory and CPU nor
// freezes idle processes; Pids is there for tests that do.
package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vercel/go-bridge/go/bridge"
)

// timeout ends an invocation, and its process. Our functions answer within 5 s.
const timeout = time.Minute

// Function is a function and its processes. Its methods are safe for
// concurrent use.
type Function struct {
	binary string
	env    []string
	turns  chan struct{} // holds one for each invocation that is under way
	log    *os.File      // has no name: it is gone with the last process

	mu        sync.Mutex
	closed    bool
	instances []*instance
}

// New makes a function of a binary. Its processes find in their environment
// what env says and AWS_LAMBDA_RUNTIME_API, nothing else. There are at most as
// many as processes says, each answers one request at a time, and one is
// started when a request finds none idle. The caller must Close it.
func New(binary string, env map[string]string, processes int) (*Function, error) {
	log, err := os.CreateTemp("", "lambda-")
	if err != nil {
		return nil, fmt.Errorf("make the function's log: %w", err)
	}
	os.Remove(log.Name())
	f := &Function{binary: binary, env: []string{}, turns: make(chan struct{}, processes), log: log}
	for name, value := range env {
		f.env = append(f.env, name+"="+value)
	}
	return f, nil
}

// Invoke has a process answer a request: it is a localvercel.Function. It waits
// for an idle process as long as ctx lasts; an answer that is under way is
// waited for in any case, since Vercel too lets it finish. A process that ends,
// reports an error or takes longer than a minute is an error, and the next
// request gets another.
func (f *Function) Invoke(ctx context.Context, request *bridge.Request) (response bridge.Response, err error) {
	// The bridge takes an API Gateway event whose body is the request.
	body, err := json.Marshal(request)
	if err != nil {
		return response, fmt.Errorf("encode the request: %w", err)
	}
	event, err := json.Marshal(map[string]string{"Action": "Invoke", "body": string(body)})
	if err != nil {
		return response, fmt.Errorf("encode the event: %w", err)
	}

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
	answer, err := i.invoke(event)
	if err != nil {
		i.kill() // a panic is reported, and then the process ends
		return response, err
	}
	f.mu.Lock()
	i.idle = true
	f.mu.Unlock()
	if err := json.Unmarshal(answer, &response); err != nil {
		return response, fmt.Errorf("decode the answer: %w", err)
	}
	return response, nil
}

// take returns a process for the caller alone: an idle one, or a new one.
func (f *Function) take() (*instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errors.New("the function is closed")
	}
	f.instances = slices.DeleteFunc(f.instances, (*instance).isDead)
	for _, i := range f.instances {
		if i.idle {
			i.idle = false
			return i, nil
		}
	}
	i, err := start(f.binary, f.env, f.log)
	if err != nil {
		return nil, err
	}
	f.instances = append(f.instances, i)
	return i, nil
}

// Pids are the ids of the living processes, the oldest first.
func (f *Function) Pids() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	var pids []int
	for _, i := range f.instances {
		if !i.isDead() {
			pids = append(pids, i.process.Pid)
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
		if waiting := i.waiting.Load(); waiting != nil && !i.isDead() {
			starts = append(starts, Start{i.process.Pid, i.begun, *waiting})
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
		i.kill()
	}
}

// Close ends the function: its processes as Kill does, and its log.
func (f *Function) Close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.Kill()
	return f.log.Close()
}

// An instance is a process with a Runtime API of its own.
type instance struct {
	idle    bool // guarded by the function's mutex
	begun   time.Time
	waiting atomic.Pointer[time.Time] // set by its first request for an event
	process *os.Process
	calls   chan *call
	current atomic.Pointer[call] // taken, and not answered yet
	ended   chan struct{}        // closed when the process has ended
	state   string               // how it ended; set before ended is closed
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

func start(binary string, env []string, log *os.File) (*instance, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the runtime api: %w", err)
	}
	i := &instance{begun: time.Now(), calls: make(chan *call), ended: make(chan struct{})}
	server := &http.Server{Handler: i.runtimeAPI(log)}
	go server.Serve(listener)

	cmd := exec.Command(binary)
	cmd.Dir = filepath.Dir(binary)
	cmd.Env = append(slices.Clone(env), "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The kernel ends the process with the thread that started it, as when
		// a test process is killed; so the thread must last that long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() // what it returns is in the state too
			i.state = cmd.ProcessState.String()
			close(i.ended)
		}
		server.Close()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the function's process: %w", err)
	}
	i.process = cmd.Process
	return i, nil
}

// runtimeAPI is what a process asks for events and tells its answers.
func (i *instance) runtimeAPI(log io.Writer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		i.waiting.CompareAndSwap(nil, &now)
		select {
		case c := <-i.calls:
			i.current.Store(c)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", c.id)
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(c.deadline.UnixMilli(), 10))
			w.Write(c.event)
		case <-r.Context().Done():
		}
	})
	const invocation = "POST /2018-06-01/runtime/invocation/{id}"
	mux.HandleFunc(invocation+"/response", i.answered(func(body []byte) answer { return answer{body: body} }))
	mux.HandleFunc(invocation+"/error", i.answered(func(body []byte) answer {
		return answer{err: fmt.Errorf("the function failed: %s", body)}
	}))
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(log, r.Body) // and the process ends
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}

// answered hands a process's answer to whoever called, once.
func (i *instance) answered(read func(body []byte) answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		c := i.current.Load()
		if err != nil || c == nil || c.id != r.PathValue("id") || !i.current.CompareAndSwap(c, nil) {
			http.Error(w, "no such invocation", http.StatusBadRequest)
			return
		}
		c.answer <- read(body)
		w.WriteHeader(http.StatusAccepted)
	}
}

var lastID atomic.Int64

// invoke gives an event to the process and returns its answer.
func (i *instance) invoke(event []byte) ([]byte, error) {
	c := &call{
		id:       strconv.FormatInt(lastID.Add(1), 10),
		event:    event,
		deadline: time.Now().Add(timeout),
		answer:   make(chan answer, 1),
	}
	late := time.NewTimer(timeout)
	defer late.Stop()
	calls := i.calls
	for {
		select {
		case calls <- c:
			calls = nil // taken
		case a := <-c.answer:
			return a.body, a.err
		case <-i.ended:
			return nil, fmt.Errorf("the function's process ended: %s", i.state)
		case <-late.C:
			return nil, fmt.Errorf("the function gave no answer in %v", timeout)
		}
	}
}

func (i *instance) isDead() bool {
	select {
	case <-i.ended:
		return true
	default:
		return false
	}
}

// kill returns when the process has ended.
func (i *instance) kill() {
	i.process.Kill()
	<-i.ended
}
