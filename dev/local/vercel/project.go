package vercel

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/vercel/go-bridge/go/bridge"

	"warble/dev/local/lambda"
)

const (
	// concurrency is how many requests the functions answer at the same time.
	concurrency = 32
	// quiet is how long nothing may be saved before a build: editors save with
	// several steps, and several files at once.
	quiet = 30 * time.Millisecond
)

// Project serves a project's folder as Vercel would deploy it now. The functions
// run in a process of their own. A saved Go file, go.mod or vercel.json takes
// effect with the next request; what does not compile answers with the
// compiler's message. Its fields are set before Open.
type Project struct {
	Root    string            // has vercel.json, api/ and public/
	Overlay map[string]string // path → file served in place of public/'s own
	Env     []string          // of the functions' process
	Race    bool              // build the functions with the race detector
	Cache   string            // folder of the generated program
	Log     io.Writer         // of the functions and the compiler
	Saved   func(name string) // called for each saved file in Root itself; may be nil

	watcher *fsnotify.Watcher
	mu      sync.Mutex
	current *build
	closed  bool
}

// A build is one state of the sources.
type build struct {
	server *Server
	cancel context.CancelFunc
	done   chan struct{} // closed when the fields below are set, or the build was canceled
	binary string
	err    error // why there is none

	process  *lambda.Process // guarded by the project's mutex
	inFlight sync.WaitGroup  // added to under the project's mutex, while the build is current
}

// Open builds the functions, and watches the folder until Close. Functions that
// do not compile are no error: they answer so.
func (p *Project) Open() error {
	var err error
	if p.watcher, err = fsnotify.NewWatcher(); err != nil {
		return fmt.Errorf("watch the files: %w", err)
	}
	if err := p.watcher.Add(p.Root); err != nil {
		return fmt.Errorf("watch the files: %w", err)
	}
	for _, folder := range []string{"api", "lib"} {
		if err := p.watch(filepath.Join(p.Root, folder)); err != nil {
			return fmt.Errorf("watch the files: %w", err)
		}
	}
	first := p.rebuild(0)
	<-first.done
	go func() {
		for {
			select {
			case event, ok := <-p.watcher.Events:
				if !ok {
					return
				}
				p.changed(event)
			case err, ok := <-p.watcher.Errors:
				if !ok {
					return
				}
				fmt.Fprintln(p.Log, "The files cannot be watched:", err)
			}
		}
	}()
	return nil
}

// watch adds a folder and those in it to what is watched.
func (p *Project) watch(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.IsDir() {
			return err
		}
		return p.watcher.Add(path)
	})
}

func (p *Project) changed(event fsnotify.Event) {
	if event.Op == fsnotify.Chmod {
		return
	}
	name, err := filepath.Rel(p.Root, event.Name)
	if err != nil {
		return
	}
	info, err := os.Stat(event.Name)
	isFolder := err == nil && info.IsDir()
	folder, _, inside := strings.Cut(filepath.ToSlash(name), "/")
	sources := folder == "api" || folder == "lib"
	switch {
	case sources && isFolder:
		if err := p.watch(event.Name); err != nil {
			fmt.Fprintln(p.Log, "The files cannot be watched:", err)
		}
		p.rebuild(quiet) // files may have been in it before it was watched
	case sources && inside && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"),
		sources && event.Has(fsnotify.Remove|fsnotify.Rename), // perhaps a folder
		name == "go.mod", name == "go.sum", name == "vercel.json":
		p.rebuild(quiet)
	case !inside && p.Saved != nil:
		p.Saved(name)
	}
}

// rebuild begins a build in the place of the current one. Requests that come
// from now on wait for it.
func (p *Project) rebuild(wait time.Duration) *build {
	ctx, cancel := context.WithCancel(context.Background())
	b := &build{cancel: cancel, done: make(chan struct{})}
	sources, err := findSources(p.Root)
	if err == nil {
		b.server, err = p.server(sources)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		cancel()
		return b
	}
	old := p.current
	p.current = b
	if old != nil {
		old.cancel()
		go p.retire(old)
	}
	go func() {
		defer close(b.done)
		defer cancel()
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		begun := time.Now()
		program := filepath.Join(p.Cache, "main.go")
		if err == nil {
			err = generate(p.Root, program, sources)
		}
		if err == nil {
			b.binary, err = buildProgram(ctx, p.Root, program, p.Race)
		}
		switch {
		case ctx.Err() != nil: // a newer build is under way
		case err != nil:
			b.err = err
			fmt.Fprintf(p.Log, "\nThe functions do not compile:\n\n%v\n\n", err)
		case old != nil:
			fmt.Fprintf(p.Log, "The functions were built again in %.1f s.\n", time.Since(begun).Seconds())
		}
	}()
	return b
}

// server answers for the sources, behind the routes of vercel.json as it is now.
func (p *Project) server(sources []source) (*Server, error) {
	routes, err := ReadRoutes(filepath.Join(p.Root, "vercel.json"))
	if err != nil {
		return nil, err
	}
	s := &Server{Routes: routes, Static: filepath.Join(p.Root, "public"), Overlay: p.Overlay, Functions: map[string]Function{}}
	for _, source := range sources {
		s.Functions[source.Path] = func(ctx context.Context, request *bridge.Request) (bridge.Response, error) {
			return p.invoke(ctx, source.Path, request)
		}
	}
	return s, nil
}

// Functions is how many there are.
func (p *Project) Functions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current.server == nil {
		return 0
	}
	return len(p.current.server.Functions)
}

func (p *Project) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	b := p.current
	p.mu.Unlock()
	if b.server == nil {
		<-b.done
		http.Error(w, fmt.Sprint(b.err), http.StatusInternalServerError)
		return
	}
	b.server.ServeHTTP(w, r)
}

// invoke has the newest functions answer, as soon as they are built.
func (p *Project) invoke(ctx context.Context, path string, request *bridge.Request) (bridge.Response, error) {
	for {
		p.mu.Lock()
		b := p.current
		if p.closed {
			p.mu.Unlock()
			return bridge.Response{}, errors.New("the server is closing")
		}
		b.inFlight.Add(1)
		p.mu.Unlock()
		response, again, err := p.ask(ctx, b, path, request)
		b.inFlight.Done()
		if !again {
			return response, err
		}
	}
}

// ask has a build's process answer. A build that was canceled means again.
func (p *Project) ask(ctx context.Context, b *build, path string, request *bridge.Request) (response bridge.Response, again bool, err error) {
	select {
	case <-b.done:
	case <-ctx.Done():
		return response, false, ctx.Err()
	}
	if b.err != nil {
		return compilerMessage(b.err), false, nil
	}
	if b.binary == "" {
		return response, true, nil
	}
	process, err := p.process(b)
	if err != nil {
		return response, false, err
	}
	if response, err = process.Invoke(path, request); err != nil {
		process.Kill() // a panic is reported, and then the process ends
	}
	return response, false, err
}

// process returns the build's process: a new one when there is none, or it died.
func (p *Project) process(b *build) (*lambda.Process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.process != nil && b.process.Running() {
		return b.process, nil
	}
	command := exec.Command(b.binary)
	command.Dir, command.Env = p.Root, append([]string(nil), p.Env...)
	command.Stdout, command.Stderr = p.Log, p.Log
	var err error
	b.process, err = lambda.Start(command, concurrency, p.Log)
	return b.process, err
}

// compilerMessage is the answer of functions that do not compile, in the form
// of all their errors.
func compilerMessage(err error) bridge.Response {
	// Strings and a number: encoding them cannot fail.
	body, _ := json.MarshalIndent(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{"about:blank", http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError,
		"The functions do not compile:\n" + err.Error()}, "", " ")
	return bridge.Response{
		StatusCode: http.StatusInternalServerError,
		Headers:    map[string][]string{"Content-Type": {"application/problem+json"}, "Cache-Control": {"no-store"}},
		Body:       base64.StdEncoding.EncodeToString(body),
	}
}

// retire ends a build's process when its last request is answered.
func (p *Project) retire(b *build) {
	b.inFlight.Wait()
	p.mu.Lock()
	process := b.process
	p.mu.Unlock()
	if process != nil {
		process.Kill()
	}
}

// Close ends the functions' process and the watching.
func (p *Project) Close() error {
	p.mu.Lock()
	p.closed = true
	b := p.current
	p.mu.Unlock()
	b.cancel()
	p.mu.Lock()
	process := b.process
	p.mu.Unlock()
	if process != nil {
		process.Kill()
	}
	return p.watcher.Close()
}
