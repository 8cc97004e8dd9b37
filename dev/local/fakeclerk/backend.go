package fakeclerk

import (
	"cmp"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v3"
)

// backend is the part of Clerk's Backend API that our functions may call, and
// what Clerk documents for tests: users, their sessions and session tokens.
func (c *Clerk) backend() map[string]answerer {
	return map[string]answerer{
		"GET /v1/users":       c.listUsers,
		"GET /v1/users/count": c.countUsers,
		"GET /v1/jwks":        c.getKeys,

		"POST /v1/users":                c.createUser,
		"DELETE /v1/users/{id}":         c.removeUser,
		"POST /v1/sessions":             c.createSession,
		"POST /v1/sessions/{id}/tokens": c.createSessionToken,
	}
}

// Calls is how often a Backend API path ("/v1/users") was asked for, refused
// calls included.
func (c *Clerk) Calls(path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[path]
}

func (c *Clerk) counted(answer answerer) answerer {
	return func(w http.ResponseWriter, r *http.Request) (any, *apiError) {
		c.calls[r.URL.Path]++
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+c.secret)) != 1 {
			return nil, &apiError{http.StatusUnauthorized, "authentication_invalid",
				"The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct.", ""}
		}
		return answer(w, r)
	}
}

func (c *Clerk) listUsers(_ http.ResponseWriter, r *http.Request) (any, *apiError) {
	limit, err := strconv.Atoi(cmp.Or(r.Form.Get("limit"), "10")) // Clerk's default
	if err != nil || limit < 1 || limit > 500 {
		return nil, refuse("form_param_value_invalid", "limit", "limit must be 1 to 500.")
	}
	users := c.matching(r)
	answer := []any{}
	for _, u := range users[:min(limit, len(users))] {
		body := c.userJSON(u)
		body["private_metadata"] = map[string]any{"note": "private note on " + u.Username}
		answer = append(answer, body)
	}
	return answer, nil
}

func (c *Clerk) countUsers(_ http.ResponseWriter, r *http.Request) (any, *apiError) {
	return map[string]any{"object": "total_count", "total_count": len(c.matching(r))}, nil
}

// matching is all users, or those of them that user_id parameters name.
func (c *Clerk) matching(r *http.Request) []*user {
	ids := r.Form["user_id"]
	return slices.DeleteFunc(slices.Clone(c.Users), func(u *user) bool {
		return len(ids) > 0 && !slices.Contains(ids, u.ID)
	})
}

func (c *Clerk) getKeys(http.ResponseWriter, *http.Request) (any, *apiError) {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{c.Key.Public()}}, nil
}

// createUser makes a user without a password, who can have sessions through
// createSession only. As an instance does that asks for user names, it refuses a
// user without one.
func (c *Clerk) createUser(_ http.ResponseWriter, r *http.Request) (any, *apiError) {
	var wanted struct {
		Emails   []string `json:"email_address"`
		Username string   `json:"username"`
	}
	if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil || len(wanted.Emails) != 1 {
		return nil, refuse("form_param_missing", "email_address", "email_address must be a list of one address.")
	}
	if wanted.Username == "" {
		return nil, refuse("form_data_missing", "username", `["username"] data doesn't match user requirements set for this instance`)
	}
	u := &user{Person: Person{ID: newID("user"), Username: wanted.Username, Email: wanted.Emails[0]}, Password: newID("password"), Created: time.Now()}
	c.Users = append(c.Users, u)
	return c.userJSON(u), nil
}

func (c *Clerk) removeUser(_ http.ResponseWriter, r *http.Request) (any, *apiError) {
	u := c.userByID(r.PathValue("id"))
	if u == nil {
		return nil, &apiError{http.StatusNotFound, "resource_not_found", "There is no such user.", ""}
	}
	return c.forget(u), nil
}

func (c *Clerk) createSession(_ http.ResponseWriter, r *http.Request) (any, *apiError) {
	var wanted struct {
		UserID string `json:"user_id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil || c.userByID(wanted.UserID) == nil {
		return nil, &apiError{http.StatusNotFound, "resource_not_found", "There is no such user.", ""}
	}
	id := newID("sess")
	c.backendSessions[id] = wanted.UserID
	return map[string]any{"object": "session", "id": id, "user_id": wanted.UserID, "status": "active"}, nil
}

// createSessionToken makes a token that names no page: nobody's browser asked for it.
func (c *Clerk) createSessionToken(_ http.ResponseWriter, r *http.Request) (any, *apiError) {
	id := r.PathValue("id")
	userID := c.backendSessions[id]
	if c.userByID(userID) == nil {
		return nil, &apiError{http.StatusNotFound, "resource_not_found", "There is no such session.", ""}
	}
	return map[string]any{"object": "token", "jwt": c.sessionToken(id, userID, "", time.Now())}, nil
}
