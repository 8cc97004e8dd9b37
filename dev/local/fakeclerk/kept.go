package fakeclerk

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"warble/dev/local/keep"
)

// state is what an instance keeps.
type state struct {
	KeyID      string
	PrivateKey []byte // PKCS #1
	Users      []*user
	Clients    map[string]*client
}

// open begins with what the file keeps, or else with the demo people and a new key.
func (c *Clerk) open(cfg Config) error {
	found := false
	if cfg.File != "" {
		var err error
		if found, err = keep.Load(cfg.File, cfg.Log, c.restore); err != nil {
			return fmt.Errorf("read the people of the local Clerk: %w", err)
		}
		c.kept = keep.Follow(cfg.File, cfg.Log, c.state)
	}
	if !found {
		c.key, c.users, c.clients = newSigningKey(), demoUsers(), map[string]*client{}
	}
	return nil
}

// Close writes the file for the last time.
func (c *Clerk) Close() error { return c.kept.Close() }

func (c *Clerk) state() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return json.MarshalIndent(state{c.key.id, x509.MarshalPKCS1PrivateKey(c.key.private), c.users, c.clients}, "", "  ")
}

// restore is the way back from state. Sessions past their life end here, and browsers
// without one are forgotten.
func (c *Clerk) restore(text []byte) (err error) {
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	c.key.id, c.users, c.clients = s.KeyID, s.Users, map[string]*client{}
	if c.key.private, err = x509.ParsePKCS1PrivateKey(s.PrivateKey); err != nil {
		return err
	}
	if slices.ContainsFunc(s.Users, func(u *user) bool { return u == nil || u.ID == "" || u.Username == "" }) {
		return errors.New("a person has no name")
	}
	for key, cl := range s.Clients {
		if cl == nil || slices.Contains(cl.Sessions, nil) {
			return errors.New("a session is empty")
		}
		cl.Sessions = slices.DeleteFunc(cl.Sessions, func(s *session) bool {
			s.user = c.userByID(s.UserID)
			return s.user == nil || time.Since(s.Created) > sessionLife
		})
		if len(cl.Sessions) > 0 {
			c.clients[key] = cl
		}
	}
	return nil
}
