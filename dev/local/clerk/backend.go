package clerk

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"strconv"
)

// backend is the part of Clerk's Backend API that our functions may call.
func (c *Clerk) backend() map[string]answerer {
	return map[string]answerer{
		"GET /v1/users":       c.listUsers,
		"GET /v1/users/count": c.countUsers,
		"GET /v1/jwks":        func(http.ResponseWriter, *http.Request) (any, error) { return c.key.jwks(), nil },
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
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		c.calls[r.URL.Path]++
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+c.secret)) != 1 {
			return nil, &apiError{http.StatusUnauthorized, "authentication_invalid",
				"The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct.", ""}
		}
		return answer(w, r)
	}
}

func (c *Clerk) listUsers(_ http.ResponseWriter, r *http.Request) (any, error) {
	limit := 10 // Clerk's default; 500 is its most
	if s := r.Form.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 500 {
			return nil, &apiError{http.StatusUnprocessableEntity, "form_param_value_invalid", "limit must be 1 to 500.", "limit"}
		}
		limit = n
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

func (c *Clerk) countUsers(_ http.ResponseWriter, r *http.Request) (any, error) {
	return map[string]any{"object": "total_count", "total_count": len(c.matching(r))}, nil
}

// matching is all users, or those of them that user_id parameters name.
func (c *Clerk) matching(r *http.Request) []*user {
	ids := r.Form["user_id"]
	var users []*user
	for _, u := range c.users {
		if len(ids) == 0 || slices.Contains(ids, u.ID) {
			users = append(users, u)
		}
	}
	return users
}
