package fakevercel

import (
	"context"
	"encoding/json"
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

	"github.com/vercel/go-bridge/go/bridge"

	"warble/dev/local/lambda"
)

const (
	// concurrency is how many requests the functions answer at the same time.
	concurrency = 32
	// interval is the time from one look for saved files to the next. It is less than
	// anybody needs from an editor to a browser; a look takes 0.4 ms of a processor.
	interval = 100 * time.Millisecond
)

// Project serves a project's folder as Vercel would deploy it now. The functions
// run in a process of their own, with this one's environment. A saved Go file,
// go.mod or vercel.json takes effect within interval, and requests wait for the build;
// what does not compile answers with the compiler's message. Its fields are set before Open.
type Project struct {
	Root    string            // has vercel.json, api/ and public/; what is built goes to its dev/.cache
	Overlay map[string]string // path → file served in place of public/'s own
	Race    bool              // build the functions with the race detector
	Log     io.Writer         // of the functions and the compiler
	Looked  func()            // called with each look for saved files

	server atomic.Pointer[Server]
	built  string // the sources that the functions are built of

	// building is held for reading while the functions answer a request, and for
	// writing while they are built: requests wait for that, and it for requests.
	building  sync.RWMutex
	err       error // why the functions cannot answer
	functions *lambda.Function
}

// Open builds the functions, and looks for saved files from then on. Functions that do
// not compile are no error: they answer so. A build ends with ctx.
func (p *Project) Open(ctx context.Context) error {
	p.functions = lambda.New("", os.Environ(), 1, concurrency, p.Log)
	p.rebuild(ctx)
	if p.server.Load() == nil {
		return p.err // there are no routes
	}
	go func() {
		for range time.Tick(interval) {
			begun := time.Now()
			if p.rebuild(ctx) && p.err == nil {
				fmt.Fprintf(p.Log, "The functions were built again in %.1f s.\n", time.Since(begun).Seconds())
			}
			p.Looked()
		}
	}()
	return nil
}

// sources tells what the functions are built of: names, sizes and times of change.
func (p *Project) sources() string {
	var found strings.Builder
	for _, name := range []string{"go.mod", "go.sum", "vercel.json", "api", "lib"} {
		// What cannot be read is for the build to say.
		top := filepath.Join(p.Root, name)
		filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || path != top && filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			if info, err := entry.Info(); err == nil {
				fmt.Fprintln(&found, path, info.Size(), info.ModTime().UnixNano())
			}
			return nil
		})
	}
	return found.String()
}

// rebuild builds the functions if a source has changed, until none was saved
// meanwhile, and tells whether it did. Requests that come from now on wait for it.
func (p *Project) rebuild(ctx context.Context) bool {
	now := p.sources()
	if now == p.built {
		return false
	}
	p.building.Lock()
	defer p.building.Unlock()
	for ; now != p.built; now = p.sources() {
		p.built = now
		p.build(ctx)
	}
	p.functions.Kill()
	if p.err != nil {
		fmt.Fprintf(p.Log, "\nThe functions do not compile:\n\n%v\n\n", p.err)
	}
	return true
}

// build reads the functions and routes as they are now, and compiles the functions.
// Routes that cannot be read leave those of before.
func (p *Project) build(ctx context.Context) {
	config, err := ReadConfig(filepath.Join(p.Root, "vercel.json"))
	if p.err = err; err != nil {
		return
	}
	server := &Server{Routes: config.Routes, Static: filepath.Join(p.Root, "public"), Overlay: p.Overlay, Functions: map[string]Function{}}
	handlers, err := findHandlers(p.Root)
	for _, h := range handlers {
		server.Functions[h.Path] = func(ctx context.Context, request *bridge.Request) (bridge.Response, error) {
			return p.invoke(ctx, h.Path, request)
		}
	}
	p.server.Store(server)
	if p.err = err; err == nil {
		p.functions.Binary, p.err = buildProgram(ctx, p.Root, handlers, p.Race)
	}
}

// Functions is how many there are.
func (p *Project) Functions() int { return len(p.server.Load().Functions) }

func (p *Project) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.server.Load().ServeHTTP(w, r) }

// invoke has the functions answer, once they are built. When they do not compile, the
// compiler's message is the answer, in the form of all their errors.
func (p *Project) invoke(ctx context.Context, path string, request *bridge.Request) (bridge.Response, error) {
	p.building.RLock()
	defer p.building.RUnlock()
	if p.err == nil {
		return p.functions.Invoke(ctx, path, request)
	}
	return InProcess(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusInternalServerError)
		json.NewEncoder(w).Encode(map[string]any{"status": http.StatusInternalServerError, "detail": "The functions do not compile:\n" + p.err.Error()})
	})(ctx, request)
}

// Close ends the functions' process.
func (p *Project) Close() { p.functions.Kill() }
