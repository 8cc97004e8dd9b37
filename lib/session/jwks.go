package session

import (
	"context"
	"crypto/rsa"
	"errors"
	"sync"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwks"
	"github.com/clerk/clerk-sdk-go/v2/jwt"

	"warble/lib/clerkapi"
	"warble/lib/problem"
)

const (
	// keyLifetime is how long the instance's keys are used before they are fetched
	// again. A key that Clerk has withdrawn is accepted for that long at most.
	keyLifetime = time.Hour
	// fetchInterval is the least time between two fetches, whatever key a token
	// names. A new key is accepted after that time at most.
	fetchInterval = 30 * time.Second
	// firstInterval is the interval until the first key is loaded: until then
	// nobody who is signed in can do anything.
	firstInterval = 2 * time.Second
	// fetchTimeout bounds a fetch; it leaves the request time for its query.
	fetchTimeout = 2 * time.Second
)

// keySet caches the instance's JWKS, which is fetched when it is needed. While
// Clerk cannot be reached, keys stay valid beyond their lifetime.
type keySet struct {
	client *jwks.Client
	now    func() time.Time

	mu      sync.Mutex
	keys    map[string]*clerk.JSONWebKey // by kid
	fetched time.Time                    // the last success
	tried   time.Time                    // the last attempt
	failure error                        // of the last attempt, as a problem
}

// keyOf returns the key that token says it is signed with, before anything it
// says is verified.
func (s *keySet) keyOf(ctx context.Context, token string) (*clerk.JSONWebKey, error) {
	unverified, err := jwt.Decode(ctx, &jwt.DecodeParams{Token: token})
	if err != nil {
		return nil, errors.New("the token cannot be decoded")
	}
	return s.key(ctx, unverified.KeyID)
}

// key returns the key named kid. Its error is a problem when the keys cannot be
// fetched, so that nobody can tell whether there is such a key.
func (s *keySet) key(ctx context.Context, kid string) (*clerk.JSONWebKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	known := s.keys[kid]
	interval := fetchInterval
	if s.keys == nil {
		interval = firstInterval
	}
	if (known == nil || now.Sub(s.fetched) > keyLifetime) && now.Sub(s.tried) >= interval {
		s.tried = now
		if s.failure = s.fetch(ctx); s.failure == nil {
			s.fetched, known = now, s.keys[kid]
		}
	}
	switch {
	case known != nil:
		return known, nil
	case s.failure != nil: // the key may be a new one
		return nil, s.failure
	}
	return nil, errors.New("no key of the instance has the token's kid")
}

func (s *keySet) fetch(ctx context.Context) error {
	set, err := s.client.Get(ctx, &jwks.GetParams{})
	if err != nil {
		cause := clerkapi.Failure(err)
		if errors.As(cause, new(*problem.Problem)) {
			return cause
		}
		return problem.Unavailable("Your session cannot be checked right now. Try again in a moment.", cause)
	}
	keys := map[string]*clerk.JSONWebKey{}
	for _, key := range set.Keys {
		if _, ok := key.Key.(*rsa.PublicKey); ok && key.Algorithm == "RS256" {
			keys[key.KeyID] = key
		}
	}
	s.keys = keys
	return nil
}
