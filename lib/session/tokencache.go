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
	expires time.Time
}

// user returns whose token it is, if it was good and has not expired.
func (s *seen) user(token string, now time.Time) (user User, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.tokens[token]
	return known.user, ok && now.Before(known.expires)
}

func (s *seen) add(token string, user User, expires time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens == nil || len(s.tokens) >= maxSeen {
		s.tokens = map[string]session{} // the good ones come back at their next request
	}
	s.tokens[token] = session{user, expires}
}
