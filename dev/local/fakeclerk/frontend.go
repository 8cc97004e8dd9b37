package fakeclerk

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

const (
	// Clerk's names for the secret that a browser is known by.
	clientCookie = "__client"
	devBrowser   = "__clerk_db_jwt"

	minPassword = 8                  // characters, as Clerk has it
	sessionLife = 7 * 24 * time.Hour // Clerk's default
)

// username is what Clerk takes for one, but for its least length: "ada" has three.
var username = regexp.MustCompile(`^[A-Za-z0-9_-]{3,64}$`)

// environment is what ClerkJS's components take their shape from: people sign
// up with a user name and a password. What is left out has ClerkJS's own
// default, which is off. Names are shown only when they are required.
//
//go:embed environment.json
var environment json.RawMessage

// A client is one browser: its sign-in under way, or its session.
type client struct {
	ID        string
	SigningIn string   // the user who is asked for the password; "" for nobody
	Session   *session // nil for none
}

type session struct {
	ID, UserID string
	Created    time.Time
}

// A clientAnswerer is an answerer of a browser that may be signed in.
type clientAnswerer = func(*http.Request, *client) (any, *refusal)

// frontend is the part of Clerk's Frontend API that ClerkJS asks for when
// people sign up, in and out with a password, and edit their profile.
func (c *Clerk) frontend() map[string]clientAnswerer {
	return map[string]clientAnswerer{
		"POST /v1/dev_browser": newDevBrowser,
		"/v1/environment":      getEnvironment,

		"POST /v1/client/sign_ins":                           c.signIn,
		"POST /v1/client/sign_ins/{id}/attempt_first_factor": c.signIn,
		"POST /v1/client/sign_ups":                           c.signUp,

		"GET /v1/client":                       c.getClient,
		"DELETE /v1/client/sessions":           c.signOut,
		"POST /v1/client/sessions/{id}/touch":  c.withSession(c.touchSession),
		"POST /v1/client/sessions/{id}/tokens": c.withSession(c.newToken),
		"GET /v1/me/sessions/active":           c.withSession(c.activeSessions),
		"PATCH /v1/me":                         c.withSession(c.editUser),
		"DELETE /v1/me":                        c.withSession(c.deleteUser),
		"/v1/me/profile_image":                 c.withSession(c.setPicture),
	}
}

// newDevBrowser answers for keys of *.accounts.dev hosts, whose ClerkJS then
// sends the id along instead of relying on a cookie.
func newDevBrowser(*http.Request, *client) (any, *refusal) { return object{"id": newID("dvb")}, nil }

func getEnvironment(*http.Request, *client) (any, *refusal) { return environment, nil }

// withClient finds the browser's client. Who signs in or up in a browser that has none
// gets one, and a cookie for it. The page is of our own site in both forms: the same
// origin in the proxy's, a parent domain of ours when deployed.
func (c *Clerk) withClient(answer clientAnswerer) answerer {
	return func(w http.ResponseWriter, r *http.Request) (any, *refusal) {
		key := r.Form.Get(devBrowser)
		for _, cookie := range r.CookiesNamed(clientCookie) {
			key = cmp.Or(key, cookie.Value)
		}
		cl := cmp.Or(c.Clients[key], &client{})
		if cl.ID == "" && strings.HasPrefix(r.URL.Path, "/v1/client/sign_") {
			cl.ID, key = newID("client"), cmp.Or(key, newID("key"))
			http.SetCookie(w, &http.Cookie{Name: clientCookie, Value: key, Path: "/", MaxAge: int(sessionLife.Seconds()),
				HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil})
			c.Clients[key] = cl
		}
		if s := cl.Session; s != nil && (time.Since(s.Created) > sessionLife || c.userByID(s.UserID) == nil) {
			cl.Session = nil
		}
		return answer(r, cl)
	}
}

// wrapped is the form of most answers: the resource, and the client as it now
// is, so that ClerkJS need not ask for it.
func (c *Clerk) wrapped(resource any, cl *client) object {
	return object{"response": resource, "client": c.showClient(cl)}
}

func (c *Clerk) showClient(cl *client) any {
	if cl.ID == "" {
		return nil
	}
	shown := object{"object": "client", "id": cl.ID, "sessions": []any{}}
	if cl.Session != nil {
		shown["sessions"], shown["last_active_session_id"] = []any{c.showSession(cl.Session)}, cl.Session.ID
	} else if u := c.userByID(cl.SigningIn); u != nil {
		shown["sign_in"] = c.showSignIn(u, "needs_first_factor", nil)
	}
	return shown
}

func (c *Clerk) showSession(s *session) object {
	return object{"object": "session", "id": s.ID, "status": "active", "user": c.showUser(c.userByID(s.UserID)),
		"created_at": s.Created.UnixMilli(), "last_active_at": time.Now().UnixMilli()}
}

func (c *Clerk) showSignIn(u *user, status string, sessionID any) object {
	return object{"object": "sign_in", "id": "sia_" + u.ID, "status": status, "identifier": u.Username,
		"supported_first_factors": []any{object{"strategy": "password"}}, "created_session_id": sessionID, "user_data": c.showUser(u)}
}

func (c *Clerk) getClient(_ *http.Request, cl *client) (any, *refusal) {
	return object{"response": c.showClient(cl)}, nil
}

// Signing in and up

// signIn begins a sign-in, and ends it where the request has the password: the second one
// of a sign-in, or the first where the browser filled it in.
func (c *Clerk) signIn(r *http.Request, cl *client) (any, *refusal) {
	u := cmp.Or(c.userByName(r.Form.Get("identifier")), c.userByID(strings.TrimPrefix(r.PathValue("id"), "sia_")))
	switch {
	case u == nil:
		return nil, refuseField("form_identifier_not_found", "identifier", "Couldn't find your account.")
	case cl.Session != nil:
		return nil, sessionExists
	case r.Form.Get("strategy") == "":
		cl.SigningIn = u.ID
		return c.wrapped(c.showSignIn(u, "needs_first_factor", nil), cl), nil
	case r.Form.Get("password") != u.Password:
		return nil, refuseField("form_password_incorrect", "password", "Password is incorrect. Try again, or use another method.")
	}
	startSession(cl, u)
	return c.wrapped(c.showSignIn(u, "complete", cl.Session.ID), cl), nil
}

// sessionExists keeps to one person a browser, Clerk's default. ClerkJS reacts to
// the code by showing who is signed in.
var sessionExists = refuse(http.StatusBadRequest, "session_exists", "", "You're already signed in.")

// checkUsername refuses a name that nobody may take.
func (c *Clerk) checkUsername(name string) *refusal {
	switch {
	case !username.MatchString(name):
		return refuseField("form_username_invalid_character", "username", "Username must have 3 to 64 letters, numbers, '_' or '-'.")
	case c.userByName(name) != nil:
		return refuseField("form_identifier_exists", "username", "That username is taken. Please try another.")
	}
	return nil
}

// signUp takes everything in the one call that ClerkJS makes of its form.
func (c *Clerk) signUp(r *http.Request, cl *client) (any, *refusal) {
	name, password := r.Form.Get("username"), r.Form.Get("password")
	if cl.Session != nil {
		return nil, sessionExists
	}
	if refused := c.checkUsername(name); refused != nil {
		return nil, refused
	}
	if len(password) < minPassword {
		return nil, refuseField("form_password_length_too_short", "password", "Passwords must be 8 characters or more.")
	}
	u := &user{Password: password,
		Person: Person{ID: newID("user"), Username: strings.ToLower(name), FirstName: r.Form.Get("first_name"), LastName: r.Form.Get("last_name")}}
	c.Users = append(c.Users, u)
	startSession(cl, u)
	return c.wrapped(object{"object": "sign_up", "id": newID("sua"), "status": "complete", "created_user_id": u.ID, "created_session_id": cl.Session.ID}, cl), nil
}

func startSession(cl *client, u *user) {
	cl.SigningIn, cl.Session = "", &session{newID("sess"), u.ID, time.Now()}
}

// Sessions and the profile

// withSession finds the browser's own session, which must be the one in the path, if
// there is one. ClerkJS reacts to the 401 by asking who is signed in.
func (c *Clerk) withSession(answer func(*http.Request, *client, *user) (any, *refusal)) clientAnswerer {
	return func(r *http.Request, cl *client) (any, *refusal) {
		if cl.Session == nil || cl.Session.ID != cmp.Or(r.PathValue("id"), cl.Session.ID) {
			return nil, refuse(http.StatusUnauthorized, "authentication_invalid", "", "You are signed out.")
		}
		return answer(r, cl, c.userByID(cl.Session.UserID))
	}
}

func (c *Clerk) touchSession(_ *http.Request, cl *client, _ *user) (any, *refusal) {
	return c.wrapped(c.showSession(cl.Session), cl), nil
}

func (c *Clerk) newToken(r *http.Request, cl *client, u *user) (any, *refusal) {
	return object{"object": "token", "jwt": c.sessionToken(cl.Session.ID, u.ID, cmp.Or(r.Header.Get("Origin"), c.origin))}, nil
}

func (c *Clerk) signOut(_ *http.Request, cl *client) (any, *refusal) {
	cl.Session = nil
	return object{"response": c.showClient(cl)}, nil
}

// activeSessions is what the user profile lists as devices.
func (c *Clerk) activeSessions(_ *http.Request, _ *client, u *user) (any, *refusal) {
	active := []any{}
	for _, cl := range c.Clients {
		if cl.Session != nil && cl.Session.UserID == u.ID {
			shown := c.showSession(cl.Session)
			shown["latest_activity"] = object{"device_type": "This computer", "ip_address": "127.0.0.1", "city": "loopback"}
			active = append(active, shown)
		}
	}
	return active, nil
}

// editUser changes what a form of the profile has. The picture has its own.
func (c *Clerk) editUser(r *http.Request, cl *client, u *user) (any, *refusal) {
	if name := r.Form.Get("username"); r.Form.Has("username") && !strings.EqualFold(name, u.Username) {
		if refused := c.checkUsername(name); refused != nil {
			return nil, refused
		}
		u.Username = strings.ToLower(name)
	}
	for field, name := range map[string]*string{"first_name": &u.FirstName, "last_name": &u.LastName} {
		if r.Form.Has(field) {
			*name = r.Form.Get(field)
		}
	}
	return c.wrapped(c.showUser(u), cl), nil
}

// setPicture keeps the picture that a browser sends as it is. ClerkJS sends no other
// files. Without one, the person has initials again.
func (c *Clerk) setPicture(r *http.Request, cl *client, u *user) (any, *refusal) {
	u.Picture = nil
	if file, _, err := r.FormFile("file"); err == nil {
		defer file.Close()
		u.Picture, _ = io.ReadAll(file) // the form is in memory
	}
	return c.wrapped(object{"object": "image"}, cl), nil
}

func (c *Clerk) deleteUser(_ *http.Request, cl *client, u *user) (any, *refusal) {
	return c.wrapped(c.forget(u), cl), nil
}
