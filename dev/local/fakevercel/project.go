package fakevercel

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
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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
// run in a process of their own, with this one's environment. A saved Go file,
// go.mod or vercel.json takes effect with the next request; what does not compile
// answers with the compiler's message. Its fields are set before Open.
type Project struct {
	Root    string            // has vercel.json, api/ and public/; what is built goes to its dev/.cache
	Overlay map[string]string // path → file served in place of public/'s own
	Race    bool              // build the functions with the race detector
	Log     io.Writer         // of the functions and the compiler
	Saved   func(name string) // called for each saved file in Root itself; may be nil

	watcher *fsnotify.Watcher
	server  atomic.Pointer[Server] // nil when the routes or the folder cannot be read

	// building is held for reading while the functions answer a request, and for
	// writing while they are built: requests wait for that, and it for requests.
	building  sync.RWMutex
	err       error // why the functions cannot answer
	functions *lambda.Function
}

// Open builds the functions, and watches the folder until Close. Functions that
// do not compile are no error: they answer so. A build ends with ctx.
func (p *Project) Open(ctx context.Context) error {
	var err error
	if p.watcher, err = fsnotify.NewWatcher(); err != nil {
		return fmt.Errorf("watch the files: %w", err)
	}
	if err := errors.Join(p.watcher.Add(p.Root), p.watch(filepath.Join(p.Root, "api")), p.watch(filepath.Join(p.Root, "lib"))); err != nil {
		return fmt.Errorf("watch the files: %w", err)
	}
	p.functions = lambda.New("", os.Environ(), 1, concurrency, p.Log)
	p.build(ctx)
	p.report()
	go func() {
		for p.sourceSaved(nil) {
			p.rebuild(ctx)
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

// sourceSaved waits until a source of the functions is saved. It returns false
// when timeout comes first, or Close.
func (p *Project) sourceSaved(timeout <-chan time.Time) bool {
	for {
		select {
		case event, ok := <-p.watcher.Events:
			if !ok {
				return false
			}
			if p.isSource(event) {
				return true
			}
		case err, ok := <-p.watcher.Errors:
			if !ok {
				return false
			}
			fmt.Fprintln(p.Log, "The files cannot be watched:", err)
		case <-timeout:
			return false
		}
	}
}

// isSource tells whether a saved file changes the functions or their routes. It
// watches new folders, and calls Saved for other files in Root itself.
func (p *Project) isSource(event fsnotify.Event) bool {
	name, err := filepath.Rel(p.Root, event.Name)
	if err != nil || event.Op == fsnotify.Chmod {
		return false
	}
	folder, _, inside := strings.Cut(filepath.ToSlash(name), "/")
	if folder == "api" || folder == "lib" {
		if info, err := os.Stat(event.Name); err == nil && info.IsDir() {
			if err := p.watch(event.Name); err != nil {
				fmt.Fprintln(p.Log, "The files cannot be watched:", err)
			}
			return true // files may have been in it before it was watched
		}
		return event.Has(fsnotify.Remove|fsnotify.Rename) || // perhaps a folder
			strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
	}
	if name == "go.mod" || name == "go.sum" || name == "vercel.json" {
		return true
	}
	if !inside && p.Saved != nil {
		p.Saved(name)
	}
	return false
}

// rebuild builds until no file was saved meanwhile. Requests that come from now on
// wait for it.
func (p *Project) rebuild(ctx context.Context) {
	p.building.Lock()
	defer p.building.Unlock()
	begun := time.Now()
	for saved := true; saved; saved = p.sourceSaved(time.After(quiet)) {
		for p.sourceSaved(time.After(quiet)) {
		}
		p.build(ctx)
	}
	p.functions.Kill()
	p.report()
	if p.err == nil {
		fmt.Fprintf(p.Log, "The functions were built again in %.1f s.\n", time.Since(begun).Seconds())
	}
}

// build reads the functions and routes as they are now, and compiles the functions.
func (p *Project) build(ctx context.Context) {
	functions, err := findFunctions(p.Root)
	var config Config
	if err == nil {
		config, err = ReadConfig(filepath.Join(p.Root, "vercel.json"))
	}
	if err != nil {
		p.server.Store(nil)
		p.err = err
		return
	}
	server := &Server{Routes: config.Routes, Static: filepath.Join(p.Root, "public"), Overlay: p.Overlay, Functions: map[string]Function{}}
	for _, path := range functions {
		server.Functions[path] = func(ctx context.Context, request *bridge.Request) (bridge.Response, error) {
			return p.invoke(ctx, path, request)
		}
	}
	p.server.Store(server)
	program := filepath.Join(p.Root, "dev/.cache/functions/main.go")
	if p.err = generate(p.Root, program, functions); p.err == nil {
		p.functions.Binary, p.err = buildProgram(ctx, p.Root, program, p.Race)
	}
}

// report writes why there are no functions, if so.
func (p *Project) report() {
	if p.err != nil {
		fmt.Fprintf(p.Log, "\nThe functions do not compile:\n\n%v\n\n", p.err)
	}
}

// Functions is how many there are.
func (p *Project) Functions() int {
	if server := p.server.Load(); server != nil {
		return len(server.Functions)
	}
	return 0
}

func (p *Project) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if server := p.server.Load(); server != nil {
		server.ServeHTTP(w, r)
		return
	}
	p.building.RLock()
	defer p.building.RUnlock()
	http.Error(w, fmt.Sprint(p.err), http.StatusInternalServerError)
}

// invoke has the functions answer, once they are built.
func (p *Project) invoke(ctx context.Context, path string, request *bridge.Request) (bridge.Response, error) {
	p.building.RLock()
	defer p.building.RUnlock()
	if p.err != nil {
		return compilerMessage(p.err), nil
	}
	return p.functions.Invoke(ctx, path, request)
}

// compilerMessage is the answer of functions that do not compile, in the form
// of all their errors.
func compilerMessage(err error) bridge.Response {
	// Strings and a number: encoding them cannot fail.
	body, _ := json.MarshalIndent(map[string]any{
		"type": "about:blank", "title": http.StatusText(http.StatusInternalServerError), "status": http.StatusInternalServerError,
		"detail": "The functions do not compile:\n" + err.Error(),
	}, "", " ")
	return bridge.Response{
		StatusCode: http.StatusInternalServerError,
		Headers:    map[string][]string{"Content-Type": {"application/problem+json"}, "Cache-Control": {"no-store"}},
		Body:       base64.StdEncoding.EncodeToString(body),
	}
}

// Close ends the functions' process and the watching.
func (p *Project) Close() error {
	p.functions.Close()
	return p.watcher.Close()
}
