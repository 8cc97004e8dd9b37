package artifact_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
)

// ours are the headers of vercel.json, but for Cache-Control: vercel dev sets
// that of files itself.
var ours = []string{"Content-Security-Policy", "Cross-Origin-Opener-Policy", "Permissions-Policy", "Referrer-Policy",
	"Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options"}

// The two match a route's expression in two ways. What is right in one only is
// found by readers, or by whoever develops with `vercel dev`. The page has all of ours.
func TestVercelDevSendsTheHeadersOfADeployment(t *testing.T) {
	environment := map[string]string{"CLERK_PUBLISHABLE_KEY": artifact.PublishableKey, "CLERK_SECRET_KEY": "sk_test_none", "DATABASE_URL": "mysql://nobody@127.0.0.1:1/none"}
	deployed := artifact.Start(t, environment, 1).URL
	port := testkit.FreePort()
	artifact.StartDev(t, port, environment)
	dev := fmt.Sprint("http://127.0.0.1:", port)
	get := func(url string) *http.Response {
		response, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response
	}
	all := append(slices.Clone(ours), "Content-Type", "Cache-Control", "X-Robots-Tag") // the functions' own
	for path, headers := range map[string][]string{
		"/": ours, "/index.html": ours, "/app.css": ours, "/config.js": ours, "/favicon.svg": ours, "/mark.svg": ours, "/wave.svg": ours,
		"/og.png": ours, "/robots.txt": ours, "/openapi.json": ours, "/u/user_a": ours, "/p/1": ours, "/p/1/": ours, "/u/user_a/": ours,
		"/feed.xml": all, "/api": all, "/api/posts": all, // each takes vercel dev seconds
		"/p/0": nil, "/nowhere": nil, "/apiary": nil, // vercel dev's error pages have none
	} {
		want, got := get(deployed+path), get(dev+path)
		if got.StatusCode != want.StatusCode {
			t.Errorf("%s is %d in vercel dev, %d deployed", path, got.StatusCode, want.StatusCode)
		}
		for _, name := range headers {
			if got, want := got.Header.Get(name), want.Header.Get(name); got != want || path == "/" && want == "" {
				t.Errorf("%s has %s %q in vercel dev, %q deployed", path, name, got, want)
			}
		}
	}
}
