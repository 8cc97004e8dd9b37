package fakeclerk

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v3"
)

// state is what may outlive an instance.
type state struct {
	Key     jose.JSONWebKey
	Users   []*user
	Clients map[string]*client // by cookie or dev browser, one a browser
}

// Changes is how many requests may have changed something.
func (c *Clerk) Changes() int64 { return c.changes.Load() }

// Dump returns the key, the people and their sessions, for Load.
func (c *Clerk) Dump() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return json.MarshalIndent(c.state, "", "  ")
}

// Load replaces all that Dump returns. Sessions past their life end, and browsers
// without one are forgotten.
func (c *Clerk) Load(dump []byte) error {
	var s state
	if err := json.Unmarshal(dump, &s); err != nil {
		return err
	}
	users := map[string]*user{}
	for _, u := range s.Users {
		if u == nil || u.ID == "" || u.Username == "" {
			return errors.New("a person has no name")
		}
		users[u.ID] = u
	}
	if _, ok := s.Key.Key.(*rsa.PrivateKey); !ok || s.Clients == nil {
		return errors.New("a key is missing")
	}
	for key, cl := range s.Clients {
		if cl == nil || slices.Contains(cl.Sessions, nil) {
			return errors.New("a session is empty")
		}
		cl.Sessions = slices.DeleteFunc(cl.Sessions, func(each *session) bool {
			each.user = users[each.UserID]
			return each.user == nil || time.Since(each.Created) > sessionLife
		})
		if len(cl.Sessions) == 0 {
			delete(s.Clients, key)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = s
	c.env["CLERK_JWT_KEY"] = publicPEM(s.Key)
	return nil
}
