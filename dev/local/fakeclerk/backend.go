package fakeclerk

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/clerk/clerk-sdk-go/v2"
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

func (c *Clerk) withSecret(answer answerer) answerer {
	return func(w http.ResponseWriter, r *http.Request) (any, *refusal) {
		if r.Header.Get("Authorization") != "Bearer "+c.secret {
			return nil, refuse(http.StatusUnauthorized, "authentication_invalid", "",
				"The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct.")
		}
		return answer(w, r)
	}
}

func (c *Clerk) listUsers(_ http.ResponseWriter, r *http.Request) (any, *refusal) {
	limit, err := strconv.Atoi(cmp.Or(r.Form.Get("limit"), "10")) // Clerk's default
	if err != nil || limit < 1 || limit > 500 {
		return nil, refuseField("form_param_value_invalid", "limit", "limit must be 1 to 500.")
	}
	users := []*clerk.User{}
	for _, u := range c.matching(r) {
		users = append(users, c.showUser(u))
	}
	return users[:min(limit, len(users))], nil
}

func (c *Clerk) countUsers(_ http.ResponseWriter, r *http.Request) (any, *refusal) {
	return object{"object": "total_count", "total_count": len(c.matching(r))}, nil
}

// matching is all users, or those of them that user_id parameters name.
func (c *Clerk) matching(r *http.Request) []*user {
	ids := r.Form["user_id"]
	return slices.DeleteFunc(slices.Clone(c.Users), func(u *user) bool {
		return len(ids) > 0 && !slices.Contains(ids, u.ID)
	})
}

func (c *Clerk) getKeys(http.ResponseWriter, *http.Request) (any, *refusal) {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{c.Key.Public()}}, nil
}

// createUser makes a user without a password, who can have sessions through
// createSession only. As an instance does that asks for user names, it refuses a
// user without one.
func (c *Clerk) createUser(_ http.ResponseWriter, r *http.Request) (any, *refusal) {
	var wanted struct{ Username string }
	if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil || wanted.Username == "" {
		return nil, refuseField("form_data_missing", "username", `["username"] data doesn't match user requirements set for this instance`)
	}
	u := &user{Person: Person{ID: newID("user"), Username: wanted.Username}, Password: newID("password")}
	c.Users = append(c.Users, u)
	return c.showUser(u), nil
}

var noUser = refuse(http.StatusNotFound, "resource_not_found", "", "There is no such user.")

func (c *Clerk) removeUser(_ http.ResponseWriter, r *http.Request) (any, *refusal) {
	u := c.userByID(r.PathValue("id"))
	if u == nil {
		return nil, noUser
	}
	return c.forget(u), nil
}

// createSession makes a session that no browser has.
func (c *Clerk) createSession(_ http.ResponseWriter, r *http.Request) (any, *refusal) {
	var wanted struct {
		UserID string `json:"user_id"`
	}
	err := json.NewDecoder(r.Body).Decode(&wanted)
	u := c.userByID(wanted.UserID)
	if err != nil || u == nil {
		return nil, noUser
	}
	cl := &client{ID: newID("client")}
	c.Clients[newID("key")] = cl
	startSession(cl, u)
	return &clerk.Session{Object: "session", ID: cl.Session.ID, UserID: u.ID, Status: "active"}, nil
}

// createSessionToken makes a token that names no page: nobody's browser asked for it.
func (c *Clerk) createSessionToken(_ http.ResponseWriter, r *http.Request) (any, *refusal) {
	for _, cl := range c.Clients {
		if cl.Session != nil && cl.Session.ID == r.PathValue("id") {
			return &clerk.SessionToken{Object: "token", JWT: c.sessionToken(cl.Session.ID, cl.Session.UserID, "")}, nil
		}
	}
	return nil, refuse(http.StatusNotFound, "resource_not_found", "", "There is no such session.")
}
