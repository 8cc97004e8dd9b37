package contract

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"warble/dev/local/fakevercel"
	"warble/dev/testkit"
)

func TestOpenAPIDescribesTheRoutesOfVercelJSON(t *testing.T) {
	description, err := testkit.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	example := strings.NewReplacer("{id}", "42", "{userId}", "user_1")
	paths := []string{"/api/posts", "/api/posts/42", "/feed.xml", "/u/user_1/feed.xml", "/p/42"}
	var described []string
	for path, item := range description.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+example.Replace(path))
		}
	}
	var config struct{ Routes []fakevercel.Route }
	text, err := os.ReadFile(filepath.Join(testkit.Root(), "vercel.json"))
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil {
		t.Fatal(err)
	}
	var routed []string
	for _, route := range config.Routes {
		if len(route.Methods) == 0 || !strings.HasPrefix(route.Dest, "/api/") {
			continue // headers, pages, and what is answered 404 or 405
		}
		source := regexp.MustCompile(route.Src)
		at := slices.IndexFunc(paths, source.MatchString)
		if at < 0 {
			t.Fatalf("route %s is for a path that this test does not know: add it", route.Src)
		}
		for _, method := range route.Methods {
			routed = append(routed, method+" "+paths[at])
		}
	}
	slices.Sort(described)
	slices.Sort(routed)
	if !slices.Equal(described, routed) {
		t.Errorf("openapi.json describes %q\nvercel.json routes %q", described, routed)
	}
}
