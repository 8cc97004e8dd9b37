package fakeclerk

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/go-jose/go-jose/v3"
)

// state is what may outlive an instance.
type state struct {
	Key     jose.JSONWebKey
	Users   []*user
	Clients map[string]*client // by cookie or dev browser, one a browser
}

// Watch has changed called after each request that may have changed something.
func (c *Clerk) Watch(changed func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = changed
}

// Dump returns the key, the people and their sessions, for Load.
func (c *Clerk) Dump() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return json.MarshalIndent(c.state, "", "  ")
}

// Load replaces all that Dump returns. Browsers without a session are forgotten.
func (c *Clerk) Load(dump []byte) error {
	var s state
	if err := json.Unmarshal(dump, &s); err != nil {
		return err
	}
	if slices.ContainsFunc(s.Users, func(u *user) bool { return u == nil || u.ID == "" || u.Username == "" }) {
		return errors.New("a person has no name")
	}
	if _, ok := s.Key.Key.(*rsa.PrivateKey); !ok || s.Clients == nil {
		return errors.New("a key is missing")
	}
	maps.DeleteFunc(s.Clients, func(_ string, cl *client) bool { return cl == nil || cl.Session == nil })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = s
	return nil
}
