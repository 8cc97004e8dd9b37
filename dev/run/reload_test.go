package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
)

// startCopy runs Warble in a copy of the repository, whose folder it returns too.
func startCopy(t *testing.T, environment map[string]string) (p *testkit.Product, root string) {
	t.Helper()
	root = t.TempDir()
	for _, name := range []string{"api", "lib", "public"} {
		if err := os.CopyFS(filepath.Join(root, name), os.DirFS(filepath.Join(testkit.Root(), name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum", "schema.sql", "vercel.json"} {
		content, err := os.ReadFile(filepath.Join(testkit.Root(), name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, name), string(content))
	}
	// ClerkJS, which is fetched once for all.
	cache := filepath.Join(root, "dev/.cache")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(testkit.Root(), "dev/.cache/clerk-js"), filepath.Join(cache, "clerk-js")); err != nil {
		t.Fatal(err)
	}
	return testkit.StartIn(t, root, environment), root
}

// replace changes a file of the copy as an editor saves it.
func replace(t *testing.T, root, name, old, new string) {
	t.Helper()
	file := filepath.Join(root, name)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s has no %q", name, old)
	}
	write(t, file, strings.Replace(string(text), old, new, 1))
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// waitFor fetches a URL until the answer is as wanted.
func waitFor(t *testing.T, p *testkit.Product, path string, want func(status int, text string) bool) {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		status, text := fetch(t, p.URL+path)
		if want(status, text) {
			return
		}
		if time.Since(begun) > time.Minute {
			t.Fatalf("%s stays at %d %s\n%s", path, status, text, p.Log())
		}
	}
}

// waitForLog waits until the terminal shows a text so many times.
func waitForLog(t *testing.T, p *testkit.Product, text string, times int) {
	t.Helper()
	for begun := time.Now(); strings.Count(p.Log(), text) < times; time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatalf("the terminal does not show %q:\n%s", text, p.Log())
		}
	}
}

// signIn signs ada in, with the password, and returns a session token.
func signIn(t *testing.T, p *testkit.Product) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	post := func(path string, form url.Values, answer any) {
		t.Helper()
		response, err := client.PostForm(p.URL+fakeclerk.Prefix+"/v1/client/"+path, form)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(answer); err != nil || response.StatusCode != 200 {
			t.Fatalf("%s = %d, %v", path, response.StatusCode, err)
		}
	}
	var signIn struct {
		Response struct {
			Session string `json:"created_session_id"`
		}
	}
	post("sign_ins", url.Values{"strategy": {"password"}, "identifier": {"ada"}, "password": {fakeclerk.Password}}, &signIn)
	var token struct{ JWT string }
	post("sessions/"+signIn.Response.Session+"/tokens", nil, &token)
	return token.JWT
}

func publish(t *testing.T, p *testkit.Product, token, content string) (status int) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"content": content})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest("POST", p.URL+"/api/posts", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func TestASavedFunctionShowsAndKeepsPostsAndSessions(t *testing.T) {
	p, root := startCopy(t, map[string]string{"POST_INTERVAL": "0"})
	token := signIn(t, p)
	if status := publish(t, p, token, "before the change"); status != 201 {
		t.Fatalf("publish = %d\n%s", status, p.Log())
	}
	order := func(text string) (ids string) {
		for _, match := range regexp.MustCompile(`"id":(\d+)`).FindAllStringSubmatch(text, -1) {
			ids += match[1]
		}
		return ids
	}
	if _, text := fetch(t, p.URL+"/api/posts"); order(text) != "4321" {
		t.Fatalf("feed %s", text)
	}

	replace(t, root, "api/posts/list.go", "ORDER BY created_at DESC, id DESC", "ORDER BY created_at ASC, id ASC")
	waitFor(t, p, "/api/posts", func(_ int, text string) bool {
		return order(text) == "1234" && strings.Contains(text, "before the change")
	})
	if status := publish(t, p, token, "after the change"); status != 201 {
		t.Errorf("with a session of before the change, publish = %d\n%s", status, p.Log())
	}
	// What functions share, too.
	replace(t, root, "lib/problem/problem.go", "There is no such post.", "No post has this number.")
	waitFor(t, p, "/api/posts/99", func(_ int, text string) bool { return strings.Contains(text, "No post has this number.") })
}

func TestACompileErrorIsTheAnswerUntilItIsMended(t *testing.T) {
	p, root := startCopy(t, nil)
	replace(t, root, "api/posts/list.go", "[]post.Post, 0", "[]post.Pst, 0")
	waitForLog(t, p, "undefined: post.Pst", 1)
	status, text := fetch(t, p.URL+"/api/posts")
	var problem struct{ Detail string }
	if err := json.Unmarshal([]byte(text), &problem); err != nil || status != 500 ||
		!strings.Contains(problem.Detail, "do not compile") || !strings.Contains(problem.Detail, "api/posts/list.go:") || !strings.Contains(problem.Detail, "undefined: post.Pst") {
		t.Errorf("feed of functions that do not compile = %d %s; want the compiler's message", status, text)
	}
	if _, said, _ := strings.Cut(p.Log(), "do not compile"); strings.Contains(said, os.TempDir()+"/") {
		t.Errorf("the message has more than names in the repository:\n%s", said)
	}
	if status, _ := fetch(t, p.URL+"/"); status != 200 {
		t.Errorf("the page = %d", status)
	}
	// A text that is no Go at all is the parser's to refuse.
	replace(t, root, "api/posts/get.go", "package posts", "pakage posts")
	waitForLog(t, p, "api/posts/get.go:1:1", 1)
	replace(t, root, "api/posts/get.go", "pakage posts", "package posts")
	replace(t, root, "api/posts/list.go", "[]post.Pst, 0", "[]post.Post, 0")
	waitFor(t, p, "/api/posts", func(status int, _ string) bool { return status == 200 })
}

func TestANewFunctionWithARouteWorksWithNoOtherFileEdited(t *testing.T) {
	p, root := startCopy(t, nil)
	replace(t, root, "vercel.json", `{ "src": "^/api(/[\\w./-]*)?$", "dest": "/api/posts/get" },`,
		`{ "src": "^/api/about$", "dest": "/api/about/about" }, { "src": "^/api(/[\\w./-]*)?$", "dest": "/api/posts/get" },`)
	write(t, filepath.Join(root, "api/about/about.go"), `package about

import "net/http"

// Not the function: Vercel's builder takes the first with a handler's parameters.
func Name(http.ResponseWriter) string { return "about" }

func Show(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	w.Write([]byte(Name(w) + " " + r.URL.Path))
}

func Another(http.ResponseWriter, *http.Request) {}
`)
	waitFor(t, p, "/api/about", func(status int, text string) bool { return status == 200 && text == "about /api/about" })

	write(t, filepath.Join(root, "api/about/other.go"), "package about\n")
	waitForLog(t, p, "api/about/other.go: no exported func(http.ResponseWriter, *http.Request)", 1)
	if err := os.Remove(filepath.Join(root, "api/about/other.go")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, p, "/api/about", func(status int, _ string) bool { return status == 200 })
}

func TestAWrongStatementIsShownWithTheDatabasesError(t *testing.T) {
	p, root := startCopy(t, nil)
	replace(t, root, "api/posts/list.go", "ORDER BY", "ORDR BY")
	waitFor(t, p, "/api/posts", func(status int, _ string) bool { return status == 503 })
	for _, want := range []string{"refuses a statement", "syntax error", "ORDR BY created_at DESC"} {
		if !strings.Contains(p.Log(), want) {
			t.Errorf("the terminal has no %q:\n%s", want, p.Log())
		}
	}
	if _, text := fetch(t, p.URL+"/api/posts"); strings.Contains(text, "ORDR") {
		t.Errorf("the answer tells readers of the statement: %s", text)
	}
}

func TestAChangedSchemaSaysWhatToDo(t *testing.T) {
	p, root := startCopy(t, nil)
	replace(t, root, "schema.sql", "  slot BIGINT NULL,", "  slot BIGINT NULL,\n  mood VARCHAR(10) NULL,")
	waitForLog(t, p, "schema.sql was changed", 1)
	advice := regexp.MustCompile(`another terminal: DATABASE_URL=(\S+) make push`).FindStringSubmatch(p.Log())
	if advice == nil {
		t.Fatalf("the terminal does not name the command:\n%s", p.Log())
	}
	binary := filepath.Join(t.TempDir(), "push")
	build := exec.Command("go", "build", "-tags=gms_pure_go", "-o", binary, "./push")
	build.Dir = filepath.Join(testkit.Root(), "dev")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, want := range []string{"ADD COLUMN `mood`", "Nothing to do"} {
		push := exec.Command(binary)
		push.Dir = filepath.Join(root, "dev")
		push.Env = append(os.Environ(), "DATABASE_URL="+advice[1])
		if said, err := push.CombinedOutput(); err != nil || !strings.Contains(string(said), want) {
			t.Errorf("make push: %v\n%s\nwant %q", err, said, want)
		}
	}
	if status, text := fetch(t, p.URL+"/api/posts"); status != 200 || !strings.Contains(text, "Jacquard") {
		t.Errorf("the posts are gone: %d %s", status, text)
	}
}
