package session

import (
	"sync"
	"time"
)

// maxTokens bounds the tokens in memory: at some 1 KB each, 1 MB.
const maxTokens = 1000

// tokenCache keeps valid tokens until they expire. ClerkJS sends one token for
// most of its minute, and verifying it is the larger part of what a session
// costs: somebody who publishes, edits and deletes causes that cost once.
type tokenCache struct {
	mu     sync.Mutex
	tokens map[string]session
}

type session struct {
	user            User
	authorizedParty string // azp: the origin of the page that the token was made for; "" where it names none
	expires         time.Time
}

// get returns the session of a token that is in the cache and has not expired. The
// caller checks its authorized party, since the origin differs by request.
func (c *tokenCache) get(token string, now time.Time) (cached session, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cached, ok = c.tokens[token]
	return cached, ok && now.Before(cached.expires)
}

func (c *tokenCache) add(token string, verified session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tokens == nil || len(c.tokens) >= maxTokens {
		c.tokens = map[string]session{} // tokens in use come back with their next request
	}
	c.tokens[token] = verified
}
