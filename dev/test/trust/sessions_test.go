package trust

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	localclerk "warble/dev/local/clerk"
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

// forget drops the tokens that were signed so far.
func (s *site) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

func TestANewSigningKeySignsNobodyOutForLong(t *testing.T) {
	s := fetchesKeys(t)
	s.must(200, s.as(ada), "GET", "/api/posts", "")
	old, unseen := s.as(ada), s.as(grace)
	if err := s.clerk.RotateKey(); err != nil {
		t.Fatal(err)
	}
	s.forget()
	s.must(201, s.as(ada), "POST", "/api/posts", content(private)) // a process that starts now
	// One that knows the old key asks again when it may; until then Clerk's own
	// overlap of keys is what people rely on, and the old key is good.
	s.must(200, old, "GET", "/api/posts", "")
	begun := time.Now()
	for {
		got, err := s.send(s.as(ada), "GET", "/api/posts", "")
		if err == nil && got.status == 200 {
			break
		}
		if err != nil || got.status != 401 || time.Since(begun) > timeout {
			t.Fatalf("with the new key after %v: %d %s, %v", time.Since(begun), got.status, got.text, err)
		}
		time.Sleep(time.Second)
	}
	// A token that was good stays so for the rest of its minute; one that comes
	// now does not become it.
	s.must(401, unseen, "GET", "/api/posts", "")
}

func TestStrangersKeysMakeNobodyFetchWithoutLimit(t *testing.T) {
	s := fetchesKeys(t)
	stranger, err := localclerk.New(localclerk.Config{Origin: "https://warble.example"})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	s.must(200, s.as(ada), "GET", "/api/posts", "")
	s.must(201, s.as(ada), "POST", "/api/posts", content(private))
	var sent int
	for range 20 {
		if err := stranger.RotateKey(); err != nil { // another kid
			t.Fatal(err)
		}
		token := "Bearer " + stranger.Token(ada)
		var sending sync.WaitGroup
		for range 10 {
			sent += 10
			sending.Go(func() {
				for range 5 {
					for _, call := range [][2]string{{"GET", ""}, {"POST", content(private)}} {
						if got, err := s.send(token, call[0], "/api/posts", call[1]); err != nil || got.status != 401 {
							t.Errorf("with a stranger's key: %d %s, %v; want 401", got.status, got.text, err)
						}
					}
				}
			})
		}
		sending.Wait()
		s.must(200, s.as(ada), "GET", "/api/posts", "") // while the known one is good
	}
	fetches := s.clerk.Calls("/v1/jwks")
	if most := 2 * (1 + int(time.Since(begun)/fetchInterval)); fetches > most || fetches < 2 {
		t.Errorf("%d fetches by two processes in %v; want at most %d", fetches, time.Since(begun), most)
	}
	fmt.Printf("trust: %d requests with unknown keys made two processes fetch keys %d times\n", sent, fetches)
}

func TestClerksKeysOutOfReachSignNobodyOutWhoseKeyIsKnown(t *testing.T) {
	s := fetchesKeys(t)
	s.must(200, s.as(ada), "GET", "/api/posts", "")
	s.clerkAPI.fail(refuse(500))
	s.must(200, s.as(ada), "GET", "/api/posts", "")

	// A process that knows no key cannot tell: that is neither a 401, at which
	// the page would sign out, nor a 500.
	for name, answer := range outages {
		s.clerkAPI.fail(answer)
		if answer == nil {
			s.clerkAPI.hang()
		}
		s.Functions["/api/posts/create"].Kill()
		got := s.must(503, s.as(ada), "POST", "/api/posts", content(private))
		if !got.isProblem() || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: %v %s; want a problem with Retry-After", name, got.header, got.text)
		}
		s.must(401, "", "POST", "/api/posts", content(private)) // that needs no key
	}
	s.clerkAPI.heal()
	for begun := time.Now(); ; time.Sleep(time.Second) {
		got, err := s.send(s.as(ada), "POST", "/api/posts", content(private))
		if err == nil && got.status == 201 {
			t.Logf("back %v after Clerk was", time.Since(begun).Round(time.Second))
			break
		}
		if err != nil || got.status != 503 || time.Since(begun) > timeout {
			t.Fatalf("%v after Clerk is back: %d %s, %v", time.Since(begun), got.status, got.text, err)
		}
	}
}

// outages are what answers in Clerk's place; nil is nobody.
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
	s.must(201, s.as(ada), "POST", "/api/posts", content(private), "Idempotency-Key", private)
	if got := s.must(200, "", "GET", "/api/posts", ""); got.Posts[0].Author == nil {
		t.Fatalf("with Clerk well there is no author: %s", got.text)
	}
	feed := s.must(200, "", "GET", "/api/posts", "")
	calls := map[string]func(){
		"/api/posts/list": func() {
			for range 5 { // of which one asks Clerk
				if got := s.must(200, "", "GET", "/api/posts", ""); len(got.Posts) != 1 || got.Posts[0].Author != nil {
					t.Errorf("the feed is %s", got.text)
				}
			}
		},
		"/api/posts/get": func() { s.must(200, "", "GET", at(feed.Posts[0].ID), "") },
		"/api/posts/create": func() {
			s.must(200, s.as(ada), "POST", "/api/posts", content(private), "Idempotency-Key", private)
		},
	}
	for name, answer := range outages {
		s.clerkAPI.fail(answer)
		if answer == nil {
			s.clerkAPI.hang()
		}
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
