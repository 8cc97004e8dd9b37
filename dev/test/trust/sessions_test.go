package trust

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
)

// The interval in which an instance fetches the keys of sessions once at most,
// and how long tests wait for something that is to happen at its end.
const (
	fetchInterval = 30 * time.Second
	timeout       = 2 * time.Minute
)

// fetchesKeys deploys functions without CLERK_JWT_KEY, a process each.
func fetchesKeys(t *testing.T) *site {
	t.Helper()
	t.Parallel()
	return deploy(t, 1, map[string]string{"CLERK_JWT_KEY": ""})
}

func TestANewSigningKeySignsNobodyOutForLong(t *testing.T) {
	s := fetchesKeys(t)
	s.Must(200, ada, "GET", "/api/posts", "")
	old, unseen := s.bearer(ada), s.bearer(grace)
	s.clerk.RotateKey()
	s.ForgetTokens()
	s.Must(201, ada, "POST", "/api/posts", testkit.Content(private)) // a process that starts now
	// One that knows the old key asks again when it may; until then Clerk's own
	// overlap of keys is what people rely on, and the old key is good.
	s.Must(200, nobody, "GET", "/api/posts", "", "Authorization", old)
	begun := time.Now()
	for {
		got, err := s.Try(ada, "GET", "/api/posts", "")
		if err == nil && got.Status == 200 {
			break
		}
		if err != nil || got.Status != 401 || time.Since(begun) > timeout {
			t.Fatalf("with the new key after %v: %d %s, %v", time.Since(begun), got.Status, got.Text, err)
		}
		time.Sleep(time.Second)
	}
	// A token that was good stays so for the rest of its minute; one that comes
	// now does not become it.
	s.Must(401, nobody, "GET", "/api/posts", "", "Authorization", unseen)
}

func TestStrangersKeysMakeNobodyFetchWithoutLimit(t *testing.T) {
	s := fetchesKeys(t)
	stranger, err := fakeclerk.New(fakeclerk.Config{Origin: testkit.ClerkOrigin})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	s.Must(200, ada, "GET", "/api/posts", "")
	s.Must(201, ada, "POST", "/api/posts", testkit.Content(private))
	var sent int
	for range 20 {
		stranger.RotateKey() // another kid
		token := "Bearer " + stranger.Token(ada)
		var sending sync.WaitGroup
		for range 10 {
			sent += 10
			sending.Go(func() {
				for range 5 {
					for _, call := range [][2]string{{"GET", ""}, {"POST", testkit.Content(private)}} {
						if got, err := s.Try(nobody, call[0], "/api/posts", call[1], "Authorization", token); err != nil || got.Status != 401 {
							t.Errorf("with a stranger's key: %d %s, %v; want 401", got.Status, got.Text, err)
						}
					}
				}
			})
		}
		sending.Wait()
		s.Must(200, ada, "GET", "/api/posts", "") // while the known one is good
	}
	fetches := s.clerk.Calls("/v1/jwks")
	if most := 2 * (1 + int(time.Since(begun)/fetchInterval)); fetches > most || fetches < 2 {
		t.Errorf("%d fetches by two processes in %v; want at most %d", fetches, time.Since(begun), most)
	}
	fmt.Printf("trust: %d requests with unknown keys made two processes fetch keys %d times\n", sent, fetches)
}

func TestClerksKeysOutOfReachSignNobodyOutWhoseKeyIsKnown(t *testing.T) {
	s := fetchesKeys(t)
	s.Must(200, ada, "GET", "/api/posts", "")
	s.clerk.ReplaceBackend(refuse(500))
	s.Must(200, ada, "GET", "/api/posts", "")

	// A process that knows no key cannot tell: that is neither a 401, at which
	// the page would sign out, nor a 500.
	for name, answer := range outages {
		s.clerk.ReplaceBackend(answer)
		s.Functions["/api/posts/create"].Kill()
		s.Call(ada, "POST", "/api/posts", testkit.Content(private)).WantProblem(t, name, 503)
		s.Must(401, nobody, "POST", "/api/posts", testkit.Content(private)) // that needs no key
	}
	s.clerk.RestoreBackend()
	for begun := time.Now(); ; time.Sleep(time.Second) {
		got, err := s.Try(ada, "POST", "/api/posts", testkit.Content(private))
		if err == nil && got.Status == 201 {
			t.Logf("back %v after Clerk was", time.Since(begun).Round(time.Second))
			break
		}
		if err != nil || got.Status != 503 || time.Since(begun) > timeout {
			t.Fatalf("%v after Clerk is back: %d %s, %v", time.Since(begun), got.Status, got.Text, err)
		}
	}
}

// outages are what answers in Clerk's place; nil answers nothing.
var outages = map[string]http.HandlerFunc{
	"429":     refuse(429),
	"500":     refuse(500),
	"502":     refuse(502),
	"garbage": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>"+private+"</html>") },
	"nonsense": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"keys": 7, "data": "`+private+`"}`)
	},
	"cut off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"hanging": nil,
}

func refuse(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"errors": [{"code": "x", "message": %q}]}`, private)
	}
}

func TestWithoutClerkTheFeedGoesOnWithoutAuthors(t *testing.T) {
	t.Parallel()
	s := deploy(t, 1, nil)
	s.Must(201, ada, "POST", "/api/posts", testkit.Content(private), "Idempotency-Key", private)
	if got := s.Must(200, nobody, "GET", "/api/posts", ""); got.Posts[0].Author == (testkit.Author{}) {
		t.Fatalf("with Clerk well there is no author: %s", got.Text)
	}
	feed := s.Must(200, nobody, "GET", "/api/posts", "")
	calls := map[string]func(){
		"/api/posts/list": func() {
			for range 5 { // of which one asks Clerk
				if got := s.Must(200, nobody, "GET", "/api/posts", ""); len(got.Posts) != 1 || got.Posts[0].Author != (testkit.Author{}) {
					t.Errorf("the feed is %s", got.Text)
				}
			}
		},
		"/api/posts/get": func() { s.Must(200, nobody, "GET", at(feed.Posts[0].ID), "") },
		"/api/posts/create": func() {
			s.Must(200, ada, "POST", "/api/posts", testkit.Content(private), "Idempotency-Key", private)
		},
	}
	for name, answer := range outages {
		s.clerk.ReplaceBackend(answer)
		for path, call := range calls {
			function := s.Functions[path]
			function.Kill() // and with it the authors that are known
			logged := len(function.Log())
			call()
			log := function.Log()[logged:]
			if strings.Count(log, "\n") != 1 || !strings.Contains(log, `"msg":"posts go without authors"`) {
				t.Errorf("%s: %s logs %q; want one line that says so", name, path, log)
			}
		}
	}
}
