package fakevercel

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A route to nowhere would be a 404 in production that no other test asks for.
func TestEveryRouteLeadsToAFunctionOrFile(t *testing.T) {
	root := "../../.."
	config, err := ReadConfig(filepath.Join(root, "vercel.json"))
	if err != nil {
		t.Fatal(err)
	}
	functions, err := findFunctions(root)
	if err != nil || len(functions) == 0 {
		t.Fatalf("functions %v, %v", functions, err)
	}
	for _, route := range config.Routes {
		if route.Dest == "" || route.Check {
			continue
		}
		_, err := os.Stat(filepath.Join(root, "public", route.Dest))
		if err != nil && !slices.Contains(functions, route.Dest) {
			t.Errorf("route %s leads to %s, which is no function and no file", route.Src, route.Dest)
		}
	}
}

// A file that Vercel makes no function of would work on this machine only, or
// the other way round.
func TestFunctionsAreFoundAsVercelsBuilderFindsThem(t *testing.T) {
	root := write(t, map[string]string{
		"go.mod":               "module example",
		"api/one.go":           "package api\nimport \"net/http\"\nfunc helper(w http.ResponseWriter, r *http.Request) {}\nfunc One(w http.ResponseWriter, r *http.Request) {}\nfunc Two(w http.ResponseWriter, r *http.Request) {}",
		"api/one_test.go":      "package api",
		"api/_draft.go":        "package api",
		"api/.hidden/a.go":     "package hidden",
		"api/deep/er/three.go": "package er\nimport \"net/http\"\ntype T int\nfunc (T) Method(w http.ResponseWriter, r *http.Request) {}\nfunc Three(http.ResponseWriter, *http.Request) {}",
		"api/notes.txt":        "no function",
	})
	functions, err := findFunctions(root)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, function := range functions {
		h, err := readHandler(root, "example", function)
		if err != nil {
			t.Errorf("%s: %v", function, err)
		}
		found = append(found, strings.Join([]string{h.Path, h.Import, h.Name}, " "))
	}
	if want := []string{"/api/deep/er/three example/api/deep/er Three", "/api/one example/api One"}; !slices.Equal(found, want) {
		t.Errorf("found %q; want %q", found, want)
	}
}
