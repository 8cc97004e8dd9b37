package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"warble/dev/testkit"
)

// startCopy runs Warble in a copy of the repository, whose folder it returns too.
func startCopy(t *testing.T, environment map[string]string) (p *testkit.Product, root string) {
	t.Helper()
	root = t.TempDir()
	if err := testkit.CopySources(root); err != nil {
		t.Fatal(err)
	}
	linkClerkJS(t, root)
	return testkit.StartIn(t, root, environment), root
}

// linkClerkJS gives a folder the ClerkJS that is fetched once for all.
func linkClerkJS(t *testing.T, root string) {
	t.Helper()
	cache := filepath.Join(root, "dev/.cache")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(testkit.Root(), "dev/.cache/clerk-js"), filepath.Join(cache, "clerk-js")); err != nil {
		t.Fatal(err)
	}
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

// What a developer saves takes effect with the next request, and no restart.
func TestSavedFilesTakeEffect(t *testing.T) {
	p, root := startCopy(t, map[string]string{"POST_INTERVAL": "0"})
	ada := signIn(t, p)
	ada.publish(p, "before the change")
	order := func(text string) (ids string) {
		for _, match := range regexp.MustCompile(`"id":(\d+)`).FindAllStringSubmatch(text, -1) {
			ids += match[1]
		}
		return ids
	}
	if _, text := fetch(t, p.URL+"/api/posts"); order(text) != "4321" {
		t.Fatalf("feed %s", text)
	}

	// A function, and what functions share. Posts and sessions stay.
	replace(t, root, "lib/problem/problem.go", "There is no such post.", "No post has this number.")
	replace(t, root, "api/posts/list.go", "ORDER BY created_at DESC, id DESC", "ORDER BY created_at ASC, id ASC")
	waitFor(t, p, "/api/posts", func(_ int, text string) bool {
		return order(text) == "1234" && strings.Contains(text, "before the change")
	})
	waitFor(t, p, "/api/posts/99", func(_ int, text string) bool { return strings.Contains(text, "No post has this number.") })
	ada.publish(p, "with a session of before the change")

	// A new function needs its route, and no other file edited.
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
	p.WaitFor("api/about/other.go: no exported func(http.ResponseWriter, *http.Request)")
	if err := os.Remove(filepath.Join(root, "api/about/other.go")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, p, "/api/about", func(status int, _ string) bool { return status == 200 })

	// A statement that is wrong is shown with the database's error, and to nobody else.
	replace(t, root, "api/posts/list.go", "ORDER BY", "ORDR BY")
	waitFor(t, p, "/api/posts", func(status int, text string) bool { return status == 503 && !strings.Contains(text, "ORDR") })
	for _, want := range []string{"refuses a statement", "syntax error", "ORDR BY created_at ASC"} {
		p.WaitFor(want)
	}

	// A compile error is the answer until it is mended.
	replace(t, root, "api/posts/list.go", "[]post.Post, 0", "[]post.Pst, 0")
	p.WaitFor("undefined: post.Pst")
	status, text := fetch(t, p.URL+"/api/posts")
	var problem struct{ Detail string }
	if err := json.Unmarshal([]byte(text), &problem); err != nil || status != 500 ||
		!strings.Contains(problem.Detail, "do not compile") || !strings.Contains(problem.Detail, "api/posts/list.go:") || !strings.Contains(problem.Detail, "undefined: post.Pst") {
		t.Errorf("feed of functions that do not compile = %d %s; want the compiler's message", status, text)
	}
	if _, said, _ := strings.Cut(p.Log(), "undefined: post.Pst"); strings.Contains(said, os.TempDir()+"/") {
		t.Errorf("the message has more than names in the repository:\n%s", said)
	}
	if status, _ := fetch(t, p.URL+"/"); status != 200 {
		t.Errorf("the page = %d", status)
	}
	// A text that is no Go at all is the parser's to refuse.
	replace(t, root, "api/posts/get.go", "package posts", "pakage posts")
	p.WaitFor("api/posts/get.go:1:1")
	replace(t, root, "api/posts/get.go", "pakage posts", "package posts")
	replace(t, root, "api/posts/list.go", "[]post.Pst, 0", "[]post.Post, 0")
	replace(t, root, "api/posts/list.go", "ORDR BY", "ORDER BY")
	waitFor(t, p, "/api/posts", func(status int, _ string) bool { return status == 200 })
}
