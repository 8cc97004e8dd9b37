package testkit

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	localclerk "warble/dev/local/clerk"
)

// ClerkOrigin is the page that the local Clerk's sessions are for, unless a test
// says another. It is not where Warble is served: a session's origin need only
// be one of ours.
const ClerkOrigin = "https://warble.example"

// Clerk is a local Clerk instance whose Backend API a test can replace, as with
// one that fails.
type Clerk struct {
	*localclerk.Clerk
	url string

	mu        sync.Mutex
	instead   http.HandlerFunc // answers in the Backend API's place, or nil
	recovered chan struct{}    // closed by RestoreBackend
}

// StartClerk serves a local Clerk instance until the test ends. Without an
// Origin, config gets ClerkOrigin.
func StartClerk(tb testing.TB, config localclerk.Config) *Clerk {
	tb.Helper()
	if config.Origin == "" {
		config.Origin = ClerkOrigin
	}
	instance, err := localclerk.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	c := &Clerk{Clerk: instance}
	server := httptest.NewServer(http.HandlerFunc(c.serve))
	tb.Cleanup(server.Close)
	tb.Cleanup(c.RestoreBackend) // server.Close waits for requests that hang
	c.url = server.URL
	return c
}

// Environment is what functions need to work with this instance and a database,
// with no interval between posts. What more says goes first; a variable that is
// empty there is unset.
func (c *Clerk) Environment(databaseURL string, more map[string]string) map[string]string {
	environment := c.Env()
	environment["CLERK_API_URL"] = c.url
	environment["DATABASE_URL"] = databaseURL
	environment["POST_INTERVAL"] = "0"
	maps.Copy(environment, more)
	maps.DeleteFunc(environment, func(_, value string) bool { return value == "" })
	return environment
}

// ReplaceBackend has answer take the Backend API's place until RestoreBackend.
// With nil, requests hang until then.
func (c *Clerk) ReplaceBackend(answer http.HandlerFunc) {
	c.RestoreBackend()
	recovered := make(chan struct{})
	if answer == nil {
		answer = func(http.ResponseWriter, *http.Request) { <-recovered }
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.instead, c.recovered = answer, recovered
}

// RestoreBackend ends ReplaceBackend.
func (c *Clerk) RestoreBackend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.recovered != nil {
		close(c.recovered)
	}
	c.instead, c.recovered = nil, nil
}

func (c *Clerk) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	answer := c.instead
	c.mu.Unlock()
	if answer == nil {
		answer = c.ServeHTTP
	}
	answer(w, r)
}
