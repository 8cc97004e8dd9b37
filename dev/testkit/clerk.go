package testkit

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"warble/dev/local/fakeclerk"
)

// ClerkOrigin is the page that the local Clerk's sessions are for, unless a test
// says another. It is not where Warble is served: a session's origin need only
// be one of ours.
const ClerkOrigin = "https://warble.example"

// Clerk is a local Clerk instance whose Backend API a test can replace, as with
// one that fails.
type Clerk struct {
	*fakeclerk.Clerk
	url     string
	instead atomic.Pointer[http.HandlerFunc] // answers in its place, or nil
}

// StartClerk serves a local Clerk instance until the test ends. Without an
// Origin, config gets ClerkOrigin. Where config names a folder of scripts, ClerkJS
// is fetched into it first.
func StartClerk(tb testing.TB, config fakeclerk.Config) *Clerk {
	tb.Helper()
	if config.Origin == "" {
		config.Origin = ClerkOrigin
	}
	if config.Scripts != "" {
		if err := fakeclerk.FetchScripts(tb.Context(), config.Scripts); err != nil {
			tb.Fatal(err)
		}
	}
	c := &Clerk{Clerk: fakeclerk.New(config)}
	server := httptest.NewServer(http.HandlerFunc(c.serve))
	tb.Cleanup(server.Close)
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
// With nil, requests hang until their callers give up.
func (c *Clerk) ReplaceBackend(answer http.HandlerFunc) {
	if answer == nil {
		answer = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	}
	c.instead.Store(&answer)
}

// RestoreBackend ends ReplaceBackend.
func (c *Clerk) RestoreBackend() { c.instead.Store(nil) }

func (c *Clerk) serve(w http.ResponseWriter, r *http.Request) {
	if answer := c.instead.Load(); answer != nil {
		(*answer)(w, r)
		return
	}
	c.ServeHTTP(w, r)
}
