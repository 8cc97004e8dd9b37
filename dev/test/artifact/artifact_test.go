package artifact_test

import (
	"debug/elf"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/semver"

	"warble/dev/local/fakevercel"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
)

// files returns the files below a folder for which keep is true, as the paths of
// requests for them.
func files(t *testing.T, dir string, keep func(path string) bool) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && keep(path) {
			found = append(found, "/"+path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}

// A file under api/ that is no function is a route to nowhere; a function that
// is no file of ours is one that anybody can call.
func TestEveryFileUnderAPIIsAFunctionAndNothingElseIs(t *testing.T) {
	o := artifact.Build(t)
	want := files(t, filepath.Join(o.Tree, "api"), func(path string) bool {
		return strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go")
	})
	for i := range want {
		want[i] = "/api" + strings.TrimSuffix(want[i], ".go")
	}
	if got := slices.Sorted(maps.Keys(o.Functions)); !slices.Equal(got, want) || len(got) == 0 {
		t.Errorf("functions %q; want %q", got, want)
	}
}

// Otherwise `make run` and every test on it would route as Vercel does not.
func TestBuiltRoutes(t *testing.T) {
	o := artifact.Build(t)
	ours, err := fakevercel.ReadConfig(filepath.Join(o.Tree, "vercel.json"))
	if err != nil {
		t.Fatal(err)
	}
	built, err := fakevercel.ReadConfig(o.Config)
	if err != nil {
		t.Fatal(err)
	}
	text := func(routes []fakevercel.Route) string {
		var text strings.Builder
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.Encode(routes) // strings, numbers and lists
		return strings.TrimSpace(text.String())
	}
	if want, got := text(ours.Routes), text(built.Routes); got != want || len(ours.Routes) == 0 {
		t.Errorf("routes read from vercel.json are\n%s, built they are\n%s", want, got)
	}
	if got := text(built.Builders); got != builders {
		t.Errorf("behind a project's own routes the builder puts\n%s; fakevercel.Server does what these say:\n%s", got, builders)
	}
}

// builders are the routes that `vercel build` adds.
const builders = `[{"handle":"filesystem"},{"src":"^/api(/.*)?$","status":404},{"handle":"error"},` +
	`{"src":"^(?!/api).*$","dest":"/404.html","status":404},{"handle":"miss"},{"src":"^/api/(.+)(?:\\.(?:go))$","dest":"/api/$1","check":true}]`

// Sources, the schema or a developer's file among the static files could be read by
// everybody.
func TestStaticFilesAreThePageAndItsConfiguration(t *testing.T) {
	own := func(path string) bool { return !strings.HasPrefix(path, "js/") } // weight_test.go has the modules
	got := files(t, artifact.Build(t).Static, own)
	want := append(files(t, filepath.Join(testkit.Root(), "public"), func(path string) bool {
		return own(path) && path != "jsconfig.json" && path != "config.js" // the editor's, and a build's
	}), "/config.js")
	slices.Sort(want)
	if !slices.Equal(got, want) || len(got) < 5 {
		t.Errorf("static files %q; want %q", got, want)
	}
}

const (
	// maxBinary is what we allow a function, in bytes: it is fetched and read
	// at each cold start.
	maxBinary = 10_000_000
	// glibc is the C library of Lambda's machines, Amazon Linux 2023. With a C
	// compiler at hand, Vercel's builder links package net with C's.
	glibc = "v2.34"
)

func TestFunctionsStartOnLambda(t *testing.T) {
	for path, binary := range artifact.Build(t).Functions {
		info, err := os.Stat(binary)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > maxBinary || info.Mode()&0o111 == 0 {
			t.Errorf("%s: %d bytes, mode %v; want at most %d, executable", path, info.Size(), info.Mode(), maxBinary)
		}
		file, err := elf.Open(binary)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if file.Class != elf.ELFCLASS64 || file.Machine != elf.EM_X86_64 || file.Type != elf.ET_EXEC {
			t.Errorf("%s is %v %v %v; want a program for linux/amd64", path, file.Class, file.Machine, file.Type)
		}
		needs, err := file.DynamicVersionNeeds()
		if err != nil && !errors.Is(err, elf.ErrNoSymbols) { // which a static binary has not
			t.Fatal(err)
		}
		for _, library := range needs {
			for _, version := range library.Needs {
				needed := strings.Replace(version.Dep, "GLIBC_", "v", 1)
				if library.Name != "libc.so.6" || !semver.IsValid(needed) || semver.Compare(needed, glibc) > 0 {
					t.Errorf("%s needs %s of %s, which Lambda has not", path, version.Dep, library.Name)
				}
			}
		}
	}
}
