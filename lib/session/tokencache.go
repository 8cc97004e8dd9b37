package session

import (
	"sync"
	"time"
)

// maxSeen bounds the tokens in memory: at some 1 KB each, 1 MB.
const maxSeen = 1000

// seen keeps the tokens that were good until they expire. ClerkJS sends one
// token for most of its minute, and verifying it is the larger part of what a
// session costs: somebody who publishes, edits and deletes pays once.
type seen struct {
	mu     sync.Mutex
	tokens map[string]session
}

type session struct {
	user    User
	party   string // azp: the origin of the page that the token was made for; "" where it names none
	expires time.Time
}

// session returns the token's, if it was good and has not expired. For which
// origins its party is good is left to the caller: that differs by request.
func (s *seen) session(token string, now time.Time) (known session, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok = s.tokens[token]
	return known, ok && now.Before(known.expires)
}

func (s *seen) add(token string, good session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens == nil || len(s.tokens) >= maxSeen {
		s.tokens = map[string]session{} // the good ones come back at their next request
	}
	s.tokens[token] = good
}
