package contract

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"warble/dev/local/fakevercel"
	"warble/dev/testkit"
)

// example makes an address of a path in openapi.json.
var example = strings.NewReplacer("{id}", "42", "{userId}", "user_2aZ9")

// Who reads openapi.json calls what it describes, and reaches the function for it.
// The function's name is in the operation's.
func TestVercelJSONRoutesWhatOpenAPIDescribes(t *testing.T) {
	description := testkit.OpenAPI(t)
	config, err := fakevercel.ReadConfig(filepath.Join(testkit.Root(), "vercel.json"))
	if err != nil {
		t.Fatal(err)
	}
	server := &fakevercel.Server{Routes: config.Routes, Static: t.TempDir(), Functions: map[string]fakevercel.Function{}}
	unreached := map[string]bool{}
	for _, route := range config.Routes {
		if name := path.Base(route.Dest); strings.HasPrefix(route.Dest, "/api/") {
			unreached[name] = true
			server.Functions[route.Dest] = fakevercel.InProcess(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) })
		}
	}
	for address, item := range description.Paths.Map() {
		for method, operation := range item.Operations() {
			r := httptest.NewRequest(method, example.Replace(address), nil)
			r.Header.Set("User-Agent", "Twitterbot/1.0")
			w := httptest.NewRecorder()
			server.ServeHTTP(w, r)
			name := w.Body.String()
			if w.Code != http.StatusOK || !strings.Contains(strings.ToLower(operation.OperationID), name) {
				t.Errorf("%s %s, %s in openapi.json, reaches %q (%d)", method, address, operation.OperationID, name, w.Code)
			}
			delete(unreached, name)
		}
	}
	if len(unreached) > 0 {
		t.Errorf("openapi.json has no operation for the functions %v", unreached)
	}
}
