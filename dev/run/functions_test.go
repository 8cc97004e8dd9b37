package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	localvercel "warble/dev/local/vercel"
)

func root(t *testing.T) string {
	t.Helper()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := findRoot(wd)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// A function without an entry would be deployed and never run here; an entry
// without a file would run here and not be deployed.
func TestEveryFunctionIsServed(t *testing.T) {
	dir := root(t)
	var files []string
	err := filepath.WalkDir(filepath.Join(dir, "api"), func(file string, entry os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") {
			path, _ := filepath.Rel(dir, strings.TrimSuffix(file, ".go"))
			files = append(files, "/"+filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	served := slices.Sorted(maps.Keys(functions))
	slices.Sort(files)
	if !slices.Equal(files, served) {
		t.Errorf("files under api/ are %q, functions served %q; want the same", files, served)
	}
}

// A route to nowhere would be a 404 in production that no other test asks for.
func TestEveryRouteLeadsToAFunctionOrFile(t *testing.T) {
	dir := root(t)
	routes, err := localvercel.ReadRoutes(filepath.Join(dir, "vercel.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range routes {
		if route.Dest == "" || route.Check {
			continue
		}
		_, isFunction := functions[route.Dest]
		_, err := os.Stat(filepath.Join(dir, "public", route.Dest))
		if !isFunction && err != nil {
			t.Errorf("route %s leads to %s, which is no function and no file", route.Src, route.Dest)
		}
	}
}
