// Package artifact is Warble as Vercel deploys it: built by Vercel's own CLI,
// and for tests served here, behind the routes of that build, by the binaries
// that it made of the functions.
package artifact

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/sys/unix"

	"warble/dev/local/fakeclerk"
	"warble/dev/local/fakevercel"
	"warble/dev/testkit"
)

// PublishableKey is the one that the page is built with.
var PublishableKey = "pk_test_" + base64.StdEncoding.EncodeToString([]byte(fakeclerk.DefaultHost+"$"))

// Output is what `vercel build` made of a copy of the tree.
type Output struct {
	Tree      string            // the copy's folder
	Config    string            // config.json, which has the routes
	Static    string            // the folder of the static files
	Functions map[string]string // the functions' binaries by path, such as /api/posts/list
}

// Build builds the tree as it is. That takes about 15 s, and so what was built of
// the same sources is taken from dev/.cache, by test processes at the same time
// too.
func Build(tb testing.TB) *Output {
	tb.Helper()
	output, err := build()
	if err != nil {
		tb.Fatal(err)
	}
	return output
}

var build = sync.OnceValues(func() (*Output, error) {
	cache := filepath.Join(testkit.Root(), "dev/.cache/artifact")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.Create(filepath.Join(cache, "lock"))
	if err != nil {
		return nil, err
	}
	defer lock.Close() // which unlocks it
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	temporary, err := os.MkdirTemp(cache, "temporary-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temporary)
	tree := filepath.Join(temporary, "tree")
	if err := copySources(tree); err != nil {
		return nil, fmt.Errorf("copy the tree: %w", err)
	}
	kept, err := keptAs(cache, tree)
	if err != nil {
		return nil, fmt.Errorf("hash the sources: %w", err)
	}
	if _, err := os.Stat(kept); err != nil {
		if err := runVercel(tree); err != nil {
			return nil, err
		}
		if err := os.Rename(temporary, kept); err != nil {
			return nil, err
		}
		builds, _ := filepath.Glob(filepath.Join(cache, "build-*"))
		for _, old := range builds {
			if info, err := os.Stat(old); err == nil && time.Since(info.ModTime()) > time.Hour { // nobody tests it any more
				os.RemoveAll(old)
			}
		}
	}
	return read(filepath.Join(kept, "tree"))
})

// self is this file: what it does is part of what is built.
//
//go:embed artifact.go
var self string

// keptAs is the folder of the build of a tree: its name has a hash of all that the
// build depends on.
func keptAs(cache, tree string) (string, error) {
	hash, err := dirhash.HashDir(tree, "", dirhash.Hash1)
	if err != nil {
		return "", err
	}
	packages, err := os.ReadFile(filepath.Join(testkit.Root(), "dev/npm/package-lock.json"))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Append(packages, self, hash, PublishableKey, runtime.Version()))
	return filepath.Join(cache, fmt.Sprintf("build-%x", sum[:16])), nil
}

// vercel is Vercel's command line, of dev/npm, in a folder.
func vercel(dir string, environment map[string]string, args ...string) (*exec.Cmd, error) {
	program := filepath.Join(testkit.Root(), "dev/npm/node_modules/.bin/vercel")
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("vercel's command line is missing: `make test` installs it: %w", err)
	}
	command := exec.Command(program, args...)
	command.Dir = dir
	// Go finds its caches and proxy in the environment; a developer's own
	// project must not get into what is built.
	command.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "CLERK_") || strings.HasPrefix(variable, "NEXT_PUBLIC_") || strings.HasPrefix(variable, "VERCEL_")
	})
	command.Env = append(command.Env, "VERCEL_TELEMETRY_DISABLED=1", "NO_UPDATE_NOTIFIER=1")
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+value)
	}
	return command, nil
}

// runVercel runs `vercel build` in a copy of the sources.
func runVercel(tree string) error {
	command, err := vercel(tree, map[string]string{"CLERK_PUBLISHABLE_KEY": PublishableKey, "CLERK_SECRET_KEY": "sk_test_not-used-by-the-build", "DATABASE_URL": "mysql://not:used@by.the.build/warble",
		"CI": "1", "VERCEL_PROJECT_PRODUCTION_URL": "warble.example"}, // as in Vercel's own builds
		"build", "--yes", "--standalone", "--global-config", filepath.Join(filepath.Dir(tree), "config"))
	if err != nil {
		return err
	}
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("vercel build: %w\n%s", err, said)
	}
	return nil
}

// read finds what `vercel build` wrote in a tree.
func read(tree string) (*Output, error) {
	dir := filepath.Join(tree, ".vercel/output")
	output := &Output{tree, filepath.Join(dir, "config.json"), filepath.Join(dir, "static"), map[string]string{}}
	functions := filepath.Join(dir, "functions")
	err := filepath.WalkDir(functions, func(file string, _ fs.DirEntry, err error) error {
		if path, ok := strings.CutSuffix(file, ".func/bootstrap"); ok {
			output.Functions[strings.TrimPrefix(path, functions)] = file
		}
		return err
	})
	return output, err
}

// copySources copies what Vercel builds from, and the project's settings as
// `vercel link` writes them: without those the CLI asks for an account.
func copySources(tree string) error {
	if err := os.MkdirAll(filepath.Join(tree, ".vercel"), 0o755); err != nil {
		return err
	}
	if err := testkit.CopySources(tree); err != nil {
		return err
	}
	ignored, err := os.ReadFile(filepath.Join(testkit.Root(), ".vercelignore"))
	if err != nil {
		return err
	}
	// A build in the original may have left its configuration.
	for _, path := range append(strings.Fields(string(ignored)), "/public/config.js") {
		if !strings.HasPrefix(path, "/") {
			continue // of a comment
		}
		if err := os.RemoveAll(filepath.Join(tree, path)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(tree, ".vercel/project.json"),
		[]byte(`{"projectId":"prj_x","orgId":"team_x","settings":{"framework":null}}`), 0o644)
}

// Deployment is the artifact, serving.
type Deployment struct {
	URL       string                       // its origin, http://127.0.0.1:port
	Handler   http.Handler                 // what serves there
	Functions map[string]*testkit.Function // by path
}

// Start serves the artifact until the test ends. Its functions see env and
// nothing else of the environment, and have so many processes each at most.
func Start(tb testing.TB, env map[string]string, processes int) *Deployment {
	tb.Helper()
	output := Build(tb)
	config, err := fakevercel.ReadConfig(output.Config)
	if err != nil {
		tb.Fatal(err)
	}
	d := &Deployment{Functions: map[string]*testkit.Function{}}
	handler := &fakevercel.Server{Routes: config.Routes, Static: output.Static, Functions: map[string]fakevercel.Function{}}
	for path, binary := range output.Functions {
		function := testkit.NewFunction(tb, binary, env, processes)
		d.Functions[path], handler.Functions[path] = function, function.Invoke
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("the functions' log:\n%s", d.Log())
		}
	})
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	d.URL, d.Handler = server.URL, handler
	return d
}

// Log is what the functions' processes wrote so far, function by function.
func (d *Deployment) Log() string {
	var log strings.Builder
	for _, path := range slices.Sorted(maps.Keys(d.Functions)) {
		log.WriteString(d.Functions[path].Log())
	}
	return log.String()
}
