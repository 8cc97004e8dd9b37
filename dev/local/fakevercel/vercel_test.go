package fakevercel

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write makes files in a folder of the test's own, and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// serve starts a server with a vercel.json of the given routes, some static
// files, and the function /api/echo, which tells what it was sent.
func serve(t *testing.T, routes string) *httptest.Server {
	t.Helper()
	dir := write(t, map[string]string{
		"vercel.json":            `{"routes":` + routes + `}`,
		"public/index.html":      "<h1>home</h1>",
		"public/404.html":        "<h1>lost</h1>",
		"public/a.js":            "let a",
		"public/docs/index.html": "<h1>docs</h1>",
		"secret":                 "secret",
	})
	config, err := ReadConfig(filepath.Join(dir, "vercel.json"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&Server{
		Routes: config.Routes, Static: filepath.Join(dir, "public"), Overlay: map[string]string{"/over.js": filepath.Join(dir, "public/a.js")},
		Functions: map[string]Function{
			"/api/echo":  InProcess(echo),
			"/api/panic": InProcess(func(http.ResponseWriter, *http.Request) { panic("boom") }),
		},
	})
	t.Cleanup(server.Close)
	return server
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("X-From", "function")
	w.Header().Set("Cache-Control", "public, s-maxage=1")
	w.WriteHeader(http.StatusTeapot)
	fmt.Fprintf(w, "%s %s %s %s %s %s", r.Method, r.URL, r.Host, r.RemoteAddr, r.Header.Get("X-Vercel-Id"), body)
}

// send sends a request as it is, where a client would clean its path.
func send(t *testing.T, server *httptest.Server, method, path, body string) (status int, header http.Header, text string) {
	t.Helper()
	connection, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprintf(connection, "%s %s HTTP/1.1\r\nHost: warble.test\r\nUser-Agent: Some Bot/1.0\r\nX-Vercel-Id: forged\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", method, path, len(body), body)
	answer, err := io.ReadAll(connection)
	if err != nil {
		t.Fatal(err)
	}
	head, text, _ := strings.Cut(string(answer), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	fmt.Sscanf(lines[0], "HTTP/1.1 %d", &status)
	header = http.Header{}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		header.Add(name, value)
	}
	return status, header, text
}

// Otherwise make run, and every test on it, would serve what Vercel does not.
func TestRoutesApplyInOrderAsOnVercel(t *testing.T) {
	server := serve(t, `[
		{"src": "^/.*$", "headers": {"X-All": "1", "X-From": "route"}, "continue": true},
		{"src": "/api/things", "methods": ["GET", "POST"], "dest": "/api/echo"},
		{"src": "/api/things/([0-9]+)", "dest": "/api/echo"},
		{"src": "/api/robot", "has": [{"type": "header", "key": "user-agent", "value": ".*Bot/.*"}], "dest": "/api/echo"},
		{"src": "/api/person", "has": [{"type": "header", "key": "user-agent", "value": "Bot"}], "dest": "/api/echo"},
		{"src": "/api/pan", "dest": "/api/panic"},
		{"src": "/file/(.*)", "dest": "/$1.js"},
		{"src": "/old", "dest": "/new-but-missing"},
		{"src": "/gone", "status": 410},
		{"src": "/(p|q)/([0-9]+)/", "status": 308, "headers": {"Location": "/$1/$2"}},
		{"src": "/u/[^/]+", "dest": "/index.html"},
		{"src": "^/api(/.*)?$", "status": 404}
	]`)
	for _, test := range []struct {
		method, path, body string
		status             int
		text               string // in the answer
	}{
		{"GET", "/api/things?x=1", "", 418, "GET /api/things?x=1 warble.test 127.0.0.1 dev1::"},
		{"POST", "/api/things", "\x00\xff{}", 418, "\x00\xff{}"},
		{"POST", "/api/things", strings.Repeat("x", maxBody+1), 413, ""},
		{"PUT", "/api/things", "", 404, ""},                                     // another method is another route
		{"GET", "/gone/too", "", 404, "lost"},                                   // expressions are anchored
		{"GET", "/x/api/things", "", 404, "lost"},                               // at both ends
		{"PUT", "/api/things/42?a=%zz", "", 418, "PUT /api/things/42?a=%zz"},    // the caller's path is kept
		{"GET", "/api/echo", "", 404, ""},                                       // a function's own name is a path like any other
		{"GET", "/api/robot", "", 418, ""}, {"GET", "/api/person", "", 404, ""}, // of a header, too
		{"GET", "/api/pan", "", 500, "FUNCTION_INVOCATION_FAILED"},
		{"GET", "/api/things?x=#%zz", "", 500, "FUNCTION_INVOCATION_FAILED"}, // the bridge cannot parse it, and dies
		{"GET", "/file/a", "", 200, "let a"},
		{"GET", "/old", "", 404, "lost"},
		{"GET", "/gone", "", 410, ""},
		{"GET", "/q/7/?x=1", "", 308, "Redirect"},
		{"GET", "/u/user_1", "", 200, "home"},
		{"GET", "/", "", 200, "home"}, {"GET", "/index.html", "", 200, "home"}, {"GET", "/docs", "", 200, "docs"}, {"GET", "/over.js", "", 200, "let a"},
		{"GET", "/a.js", "", 200, "let a"}, {"HEAD", "/a.js", "", 200, ""}, {"POST", "/a.js", "", 405, ""},
		{"GET", "/missing", "", 404, "lost"}, {"GET", "/404.html", "", 200, "lost"},
		{"GET", "/../secret", "", 404, ""}, {"GET", "/%2e%2e/secret", "", 404, ""}, {"GET", "/..%2fsecret", "", 404, ""}, {"GET", "/a.js%00", "", 404, ""},
	} {
		status, header, text := send(t, server, test.method, test.path, test.body)
		if status != test.status || !strings.Contains(text, test.text) || strings.Contains(text, "secret") {
			t.Errorf("%s %s = %d %q; want %d %q", test.method, test.path, status, text, test.status, test.text)
		}
		if location := header.Get("Location"); (location == "/q/7?x=1") != (status == 308) {
			t.Errorf("%s %s leads to %q", test.method, test.path, location)
		}
		if header.Get("X-All") != "1" {
			t.Errorf("%s %s has not the headers of the first route: %v", test.method, test.path, header)
		}
		if status == 418 && (header.Get("X-From") != "function" || header.Get("Cache-Control") != uncached) {
			t.Errorf("a route's header replaces the function's own, or the CDN's lifetime reaches a browser: %v", header)
		}
		if strings.Contains(text, "forged") || !strings.HasPrefix(header.Get("X-Vercel-Id"), "dev1::") {
			t.Errorf("%s %s: a caller chooses its request id: %v %q", test.method, test.path, header, text)
		}
	}
}

func TestRoutesThatVercelWouldServeOtherwiseAreRefused(t *testing.T) {
	for _, text := range []string{
		`{"routes":[{"src":"/x","has":[{"type":"query","key":"a","value":"b"}],"dest":"/y"}]}`,
		`{"routes":[{"src":"/x","missing":[{"type":"header","key":"a","value":"b"}],"dest":"/y"}]}`,
		`{"routes":[{"src":"(","dest":"/y"}]}`, `{"rewrites":[]}`, `{`, ``,
	} {
		if _, err := ReadConfig(filepath.Join(write(t, map[string]string{"vercel.json": text}), "vercel.json")); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}

// A file that Vercel makes no function of would work on this machine only, or
// the other way round.
func TestFunctionsAreFoundAsVercelsBuilderFindsThem(t *testing.T) {
	handlers, err := findHandlers(write(t, map[string]string{
		"go.mod":               "module example",
		"api/one.go":           "package api\nimport \"net/http\"\nfunc helper(w http.ResponseWriter, r *http.Request) {}\nfunc One(w http.ResponseWriter, r *http.Request) {}\nfunc Two(w http.ResponseWriter, r *http.Request) {}",
		"api/one_test.go":      "package api",
		"api/_draft.go":        "package api",
		"api/.hidden/a.go":     "package hidden",
		"api/deep/er/three.go": "package er\nimport \"net/http\"\ntype T int\nfunc (T) Method(w http.ResponseWriter, r *http.Request) {}\nfunc Three(http.ResponseWriter, *http.Request) {}",
		"api/notes.txt":        "no function",
	}))
	if want := "[{/api/deep/er/three example/api/deep/er Three} {/api/one example/api One}]"; err != nil || fmt.Sprint(handlers) != want {
		t.Errorf("found %v, %v; want %s", handlers, err, want)
	}
}
