package testkit

import (
	"maps"
	"net/http/httptest"
	"testing"

	"warble/dev/local/fakeclerk"
)

// ClerkOrigin is the page that the local Clerk's sessions are for, unless a test
// says another. It is not where Warble is served: a session's origin need only
// be one of ours.
const ClerkOrigin = "https://warble.example"

// Clerk is a local Clerk instance, serving.
type Clerk struct {
	*fakeclerk.Clerk
	url string
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
	instance := fakeclerk.New(config)
	server := httptest.NewServer(instance)
	tb.Cleanup(server.Close)
	return &Clerk{instance, server.URL}
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
