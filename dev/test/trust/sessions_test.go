package trust

import (
	"net/http"
	"strings"
	"testing"

	"warble/dev/testkit"
)

// What lib/session and lib/profile do in an outage, their own tests show. Here the
// deployed functions find Clerk by their environment alone.
func TestClerkOutOfReachSignsNobodyOutAndKeepsTheFeed(t *testing.T) {
	t.Parallel()
	s := deploy(t, 1, map[string]string{"CLERK_JWT_KEY": ""}) // the keys of sessions come from Clerk
	post := s.Must(201, ada, "POST", "/api/posts", testkit.Content(private), "Idempotency-Key", private)
	if post.Author == (testkit.Author{}) {
		t.Fatalf("with Clerk well there is no author: %s", post.Text)
	}
	s.Must(200, ada, "GET", "/api/posts", "")
	for name, answer := range map[string]http.HandlerFunc{
		"500":     func(w http.ResponseWriter, _ *http.Request) { http.Error(w, private, 500) },
		"cut off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"hanging": nil,
	} {
		s.clerk.ReplaceBackend(answer)
		s.Must(200, ada, "GET", "/api/posts", "") // by a process that knows the key
		// One that knows no key cannot tell: that is neither a 401, at which the
		// page would sign out, nor a 500.
		s.Functions["/api/posts/create"].Kill()
		s.Call(ada, "POST", "/api/posts", testkit.Content(private)).WantProblem(t, name, 503)
		s.Must(401, nobody, "POST", "/api/posts", testkit.Content(private)) // that needs no key

		get := s.Functions["/api/posts/get"]
		get.Kill() // and with it the authors that are known
		logged := len(get.Log())
		for range 3 { // of which one asks Clerk
			if got := s.Must(200, nobody, "GET", at(post.ID), ""); got.Author != (testkit.Author{}) {
				t.Errorf("%s: an author whom nobody told us: %s", name, got.Text)
			}
		}
		if log := get.Log()[logged:]; strings.Count(log, "\n") != 1 || !strings.Contains(log, `"msg":"posts go without authors"`) {
			t.Errorf("%s: the log has %q; want one line that says so", name, log)
		}
	}
	s.clerk.RestoreBackend()
	s.Functions["/api/posts/create"].Kill()
	s.Must(200, ada, "POST", "/api/posts", testkit.Content(private), "Idempotency-Key", private)
}
