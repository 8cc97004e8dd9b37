package fakevercel

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vercel/go-bridge/go/bridge"
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
			"/api/cached": InProcess(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "public, s-maxage=1")
			}),
		},
	})
	t.Cleanup(server.Close)
	return server
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("X-From", "function")
	w.WriteHeader(http.StatusTeapot)
	fmt.Fprintf(w, "%s %s %s %s %s %s", r.Method, r.URL, r.Host, r.RemoteAddr, r.Header.Get("X-Vercel-Id"), body)
}

func get(t *testing.T, server *httptest.Server, method, path, body string) (status int, header http.Header, text string) {
	t.Helper()
	connection, err := net.Dial("tcp", server.Listener.Addr().String()) // paths as they are, not as a client cleans them
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprintf(connection, "%s %s HTTP/1.1\r\nHost: warble.test\r\nX-Vercel-Id: forged\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", method, path, len(body), body)
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

func TestRoutesApplyInOrderAsOnVercel(t *testing.T) {
	server := serve(t, `[
		{"src": "^/.*$", "headers": {"X-All": "1", "X-From": "route"}, "continue": true},
		{"src": "/api/things", "methods": ["GET"], "dest": "/api/echo"},
		{"src": "/api/things/([0-9]+)", "dest": "/api/echo"},
		{"src": "/api/(?<name>pan..)", "dest": "/api/$name"},
		{"src": "/file/(.*)", "dest": "/$1.js"},
		{"src": "/old", "dest": "/new-but-missing"},
		{"src": "/gone", "status": 410},
		{"src": "/(p|q)/([0-9]+)/", "status": 308, "headers": {"Location": "/$1/$2"}},
		{"src": "/u/[^/]+", "dest": "/index.html"},
		{"src": "^/api(/.*)?$", "status": 404}
	]`)
	for _, test := range []struct {
		method, path string
		status       int
		text         string // in the answer
	}{
		{"GET", "/api/things?x=1", 418, "GET /api/things?x=1 warble.test 127.0.0.1 dev1::"},
		{"POST", "/api/things", 404, ""},                                 // another method is another route
		{"GET", "/api/things/", 404, ""},                                 // expressions are anchored
		{"GET", "/x/api/things", 404, "lost"},                            // at both ends
		{"PUT", "/api/things/42?a=%zz", 418, "PUT /api/things/42?a=%zz"}, // the caller's path is kept
		{"GET", "/api/echo", 404, ""},                                    // a function's own name is a path like any other
		{"GET", "/api/panic", 500, "FUNCTION_INVOCATION_FAILED"},
		{"GET", "/api/things?x=#%zz", 500, "FUNCTION_INVOCATION_FAILED"}, // the bridge cannot parse it, and dies
		{"GET", "/file/a", 200, "let a"},
		{"GET", "/old", 404, "lost"},
		{"GET", "/gone", 410, ""},
		{"GET", "/q/7/?x=1", 308, "Redirecting"},
		{"GET", "/u/user_1", 200, "home"},
		{"GET", "/", 200, "home"}, {"GET", "/index.html", 200, "home"}, {"GET", "/docs", 200, "docs"}, {"GET", "/over.js", 200, "let a"},
		{"GET", "/a.js", 200, "let a"}, {"HEAD", "/a.js", 200, ""}, {"POST", "/a.js", 405, ""},
		{"GET", "/missing", 404, "lost"}, {"GET", "/404.html", 200, "lost"},
		{"GET", "/../secret", 404, ""}, {"GET", "/%2e%2e/secret", 404, ""}, {"GET", "/..%2fsecret", 404, ""}, {"GET", "/a.js%00", 404, ""},
	} {
		status, header, text := get(t, server, test.method, test.path, "")
		if status != test.status || !strings.Contains(text, test.text) || strings.Contains(text, "secret") {
			t.Errorf("%s %s = %d %q; want %d %q", test.method, test.path, status, text, test.status, test.text)
		}
		if location := header.Get("Location"); (location == "/q/7?x=1") != (status == 308) {
			t.Errorf("%s %s leads to %q", test.method, test.path, location)
		}
		if header.Get("X-All") != "1" {
			t.Errorf("%s %s has not the headers of the first route: %v", test.method, test.path, header)
		}
		if status == 418 && header.Get("X-From") != "function" {
			t.Errorf("a route's header replaces the function's own")
		}
		if strings.Contains(text, "forged") || !strings.HasPrefix(header.Get("X-Vercel-Id"), "dev1::") {
			t.Errorf("%s %s: a caller chooses its request id: %v %q", test.method, test.path, header, text)
		}
	}
}

func TestBodiesReachFunctionsWholeAndBounded(t *testing.T) {
	server := serve(t, `[{"src": "/api/e", "dest": "/api/echo"}]`)
	if _, _, text := get(t, server, "POST", "/api/e", "\x00\xff{}"); !strings.HasSuffix(text, "\x00\xff{}") {
		t.Errorf("body %q", text)
	}
	if status, _, _ := get(t, server, "POST", "/api/e", strings.Repeat("x", maxBody+1)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body over Vercel's limit = %d; want 413", status)
	}
}

func TestWhatTheCDNIsToldStaysThere(t *testing.T) {
	server := serve(t, `[{"src": "/c", "dest": "/api/cached"}]`)
	if _, header, _ := get(t, server, "GET", "/c", ""); header.Get("Cache-Control") != "public, max-age=0, must-revalidate" {
		t.Errorf("Cache-Control %q", header.Get("Cache-Control"))
	}
}

func TestARouteForSomeHeadersIsForThoseAlone(t *testing.T) {
	server := serve(t, `[{"src": "^/x$", "has": [{"type": "header", "key": "user-agent", "value": ".*(Bot/|Crawler).*"}], "dest": "/api/echo"}, {"src": "^/x$", "dest": "/a.js"}]`)
	for agent, want := range map[string]int{"Some Bot/1.0": 418, "Crawler": 418, "bot/1.0": 200, "Robot": 200, "": 200} {
		request, err := http.NewRequest("GET", server.URL+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("User-Agent", agent)
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("User-Agent %q = %d; want %d", agent, response.StatusCode, want)
		}
	}
}

func TestRoutesThatVercelWouldServeOtherwiseAreRefused(t *testing.T) {
	for _, text := range []string{
		`{"routes":[{"src":"/x","has":[{"type":"query","key":"a","value":"b"}],"dest":"/y"}]}`,
		`{"routes":[{"src":"/x","missing":[{"type":"header","key":"a","value":"b"}],"dest":"/y"}]}`,
		`{"routes":[{"src":"(","dest":"/y"}]}`, `{"rewrites":[]}`, `{"version":3,"routes":[]}`, `{`, ``,
	} {
		if _, err := ReadConfig(filepath.Join(write(t, map[string]string{"vercel.json": text}), "vercel.json")); err == nil {
			t.Errorf("%s is read", text)
		}
	}
	if _, err := ReadConfig("/nowhere/config.json"); err == nil {
		t.Error("a missing file is read")
	}
}

func TestFunctionsThatFailAreA500LikeVercels(t *testing.T) {
	for name, function := range map[string]Function{
		"error": func(context.Context, *bridge.Request) (bridge.Response, error) { return bridge.Response{}, io.EOF },
		"not base64": func(context.Context, *bridge.Request) (bridge.Response, error) {
			return bridge.Response{StatusCode: 200, Body: "*"}, nil
		},
	} {
		server := &Server{Functions: map[string]Function{"/f": function}, Routes: builderRoutes}
		if err := compile(server.Routes); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest("GET", "/f", nil))
		if w.Code != 500 {
			t.Errorf("%s = %d; want 500", name, w.Code)
		}
	}
}

func FuzzPathsReachNoFileOutsideAndNoOtherFunction(f *testing.F) {
	for _, seed := range []string{"/", "/api/posts", "/api/posts/42", "/api/posts/list", "/../go.mod", "/%2e%2e/go.mod", "//", "/api/posts/%34", "/\x00", "/api/posts/4\n", "/api/posts/\x7f", "/api/%zz", "/p/1#%zz", "/u/user_%/feed.xml"} {
		f.Add("GET", seed)
	}
	dir := f.TempDir()
	os.WriteFile(filepath.Join(dir, "outside"), []byte("outside"), 0o666)
	os.Mkdir(filepath.Join(dir, "public"), 0o777)
	config, err := ReadConfig("../../../vercel.json")
	if err != nil {
		f.Fatal(err)
	}
	tell := func(name string) Function {
		return func(_ context.Context, request *bridge.Request) (bridge.Response, error) {
			text, _ := json.Marshal([]string{name, request.Method, request.Path})
			return bridge.Response{StatusCode: 200, Body: base64.StdEncoding.EncodeToString(text)}, nil
		}
	}
	server := &Server{Routes: config.Routes, Static: filepath.Join(dir, "public"), Functions: map[string]Function{}}
	for _, name := range []string{"list", "create", "get", "update", "delete", "clear", "feed", "share"} {
		server.Functions["/api/posts/"+name] = tell(name)
	}
	writes := map[string]string{"create": "POST", "update": "PATCH", "delete": "DELETE", "clear": "DELETE"}
	f.Fuzz(func(t *testing.T, method, path string) {
		r, err := http.NewRequest(method, "http://warble.test", http.NoBody)
		if err != nil {
			return
		}
		if r.URL.Opaque = path; !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(path, "?") {
			return
		}
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set("User-Agent", "Twitterbot/1.0") // shared links are for robots
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if strings.Contains(w.Body.String(), "outside") {
			t.Fatalf("%s %q reads a file outside of public/", method, path)
		}
		var called []string
		if json.Unmarshal(w.Body.Bytes(), &called) == nil && len(called) == 3 {
			if want, ok := writes[called[0]]; ok && want != method {
				t.Fatalf("%s %q reaches %s", method, path, called[0])
			}
			// The bridge dies of a path that it cannot parse.
			if _, err := http.NewRequest(method, called[2], nil); err != nil {
				t.Fatalf("%s %q kills the bridge: %v", method, path, err)
			}
		}
	})
}
