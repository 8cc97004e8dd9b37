package fakeclerk

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	clientCookie = "__client" // Clerk's name for it

	// Clerk's limits, but for the user name's least: "ada" has three.
	minUsername, maxUsername = 3, 64
	minPassword, maxPassword = 8, 72

	sessionLife = 7 * 24 * time.Hour // Clerk's default
)

// A client is one browser: its sign-in under way and its live sessions.
type client struct {
	ID       string
	Created  time.Time
	signIn   *signIn
	Sessions []*session
}

type signIn struct {
	id        string
	user      *user
	sessionID string // once complete
}

type session struct {
	ID      string
	UserID  string
	user    *user
	Created time.Time // when the password was given
}

// frontend is the part of Clerk's Frontend API that ClerkJS asks for when
// people sign up, in and out with a password, and edit their profile.
func (c *Clerk) frontend() map[string]answerer {
	return map[string]answerer{
		"GET /.well-known/jwks.json": c.getKeys,

		"POST /v1/dev_browser":  c.newDevBrowser,
		"GET /v1/environment":   c.getEnvironment,
		"PATCH /v1/environment": c.getEnvironment,

		"POST /v1/client/sign_ins":                           c.createSignIn,
		"POST /v1/client/sign_ins/{id}/attempt_first_factor": c.attemptPassword,
		"POST /v1/client/sign_ups":                           c.signUp,

		"GET /v1/client":                       c.getClient,
		"DELETE /v1/client":                    c.signOut,
		"DELETE /v1/client/sessions":           c.signOut,
		"POST /v1/client/sessions/{id}/touch":  c.withSession(c.touchSession),
		"POST /v1/client/sessions/{id}/tokens": c.withSession(c.newToken),
		"POST /v1/client/sessions/{id}/remove": c.withSession(c.endSession),
		"GET /v1/me/sessions/active":           c.withSession(c.activeSessions),
		"PATCH /v1/me":                         c.withSession(c.editUser),
		"DELETE /v1/me":                        c.withSession(c.deleteUser),
		"POST /v1/me/profile_image":            c.withSession(c.setPicture),
		"DELETE /v1/me/profile_image":          c.withSession(c.removePicture),
	}
}

// newDevBrowser answers for keys of *.accounts.dev hosts, whose ClerkJS then
// sends the id along instead of relying on a cookie.
func (c *Clerk) newDevBrowser(http.ResponseWriter, *http.Request) (any, *apiError) {
	return map[string]any{"object": "dev_browser", "id": newID("dvb")}, nil
}

// clientKey is the secret that a browser is known by, or "".
func clientKey(r *http.Request) string {
	if devBrowser := r.Form.Get("__clerk_db_jwt"); devBrowser != "" {
		return devBrowser
	}
	if cookie, err := r.Cookie(clientCookie); err == nil {
		return cookie.Value
	}
	return ""
}

// clientOf is the browser's client, or nil when it has none yet.
func (c *Clerk) clientOf(r *http.Request) *client { return c.Clients[clientKey(r)] }

// ensureClient makes the browser's client when it has none, and a cookie for
// it. The page is of our own site in both forms: the same origin in the proxy's,
// a parent domain of ours when deployed.
func (c *Clerk) ensureClient(w http.ResponseWriter, r *http.Request) *client {
	if cl := c.clientOf(r); cl != nil {
		return cl
	}
	cl := &client{ID: newID("client"), Created: time.Now()}
	key := r.Form.Get("__clerk_db_jwt")
	if key == "" {
		key = newID("key")
		http.SetCookie(w, &http.Cookie{Name: clientCookie, Value: key, Path: "/", MaxAge: int(sessionLife.Seconds()),
			HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil})
	}
	c.Clients[key] = cl
	return cl
}

// wrapped is the form of most answers: the resource, and the client as it now
// is, so that ClerkJS need not ask for it.
func (c *Clerk) wrapped(resource any, cl *client) map[string]any {
	return map[string]any{"response": resource, "client": c.clientJSON(cl)}
}

func (c *Clerk) clientJSON(cl *client) any {
	if cl == nil {
		return nil
	}
	sessions := []any{}
	var last, signIn any
	for _, s := range cl.Sessions {
		sessions = append(sessions, c.sessionJSON(s))
		last = s.ID
	}
	if cl.signIn != nil && cl.signIn.sessionID == "" {
		signIn = c.signInJSON(cl.signIn)
	}
	return map[string]any{
		"object": "client", "id": cl.ID, "sessions": sessions, "last_active_session_id": last,
		"sign_in": signIn, "created_at": cl.Created.UnixMilli(), "updated_at": time.Now().UnixMilli(),
	}
}

func (c *Clerk) getClient(_ http.ResponseWriter, r *http.Request) (any, *apiError) {
	return map[string]any{"response": c.clientJSON(c.clientOf(r))}, nil
}

// Signing in

// createSignIn takes the identifier, and the password too where ClerkJS had it
// filled in by the browser.
func (c *Clerk) createSignIn(w http.ResponseWriter, r *http.Request) (any, *apiError) {
	if err := c.refuseSecondSession(r); err != nil {
		return nil, err
	}
	u := c.userByIdentifier(r.Form.Get("identifier"))
	if u == nil {
		return nil, refuse("form_identifier_not_found", "identifier", "Couldn't find your account.")
	}
	cl := c.ensureClient(w, r)
	cl.signIn = &signIn{id: newID("sia"), user: u}
	if r.Form.Get("strategy") == "password" {
		return c.checkPassword(cl, r.Form.Get("password"))
	}
	return c.wrapped(c.signInJSON(cl.signIn), cl), nil
}

func (c *Clerk) attemptPassword(_ http.ResponseWriter, r *http.Request) (any, *apiError) {
	cl := c.clientOf(r)
	if cl == nil || cl.signIn == nil || cl.signIn.id != r.PathValue("id") {
		return nil, &apiError{http.StatusNotFound, "resource_not_found", "No such sign-in: start again.", ""}
	}
	if err := c.refuseSecondSession(r); err != nil {
		return nil, err
	}
	if r.Form.Get("strategy") != "password" {
		return nil, refuse("strategy_for_user_invalid", "strategy", "The local Clerk knows passwords only.")
	}
	return c.checkPassword(cl, r.Form.Get("password"))
}

func (c *Clerk) checkPassword(cl *client, password string) (any, *apiError) {
	if password != cl.signIn.user.Password {
		return nil, refuse("form_password_incorrect", "password", "Password is incorrect. Try again, or use another method.")
	}
	cl.signIn.sessionID = startSession(cl, cl.signIn.user).ID
	return c.wrapped(c.signInJSON(cl.signIn), cl), nil
}

// refuseSecondSession keeps to one person a browser, Clerk's default. ClerkJS
// reacts to the code by showing who is signed in.
func (c *Clerk) refuseSecondSession(r *http.Request) *apiError {
	if cl := c.clientOf(r); cl == nil || len(cl.Sessions) == 0 {
		return nil
	}
	return &apiError{http.StatusBadRequest, "session_exists", "You're already signed in.", ""}
}

func (c *Clerk) signInJSON(s *signIn) any {
	status := "needs_first_factor"
	if s.sessionID != "" {
		status = "complete"
	}
	return map[string]any{
		"object": "sign_in", "id": s.id, "status": status, "identifier": s.user.Username,
		"supported_identifiers":   []string{"username"},
		"supported_first_factors": []any{map[string]any{"strategy": "password"}},
		"created_session_id":      orNil(s.sessionID),
		"user_data":               c.publicUserData(s.user),
	}
}

// Signing up

var usernamePattern = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// checkUsername refuses a name that nobody may take.
func (c *Clerk) checkUsername(username string) *apiError {
	switch {
	case len(username) < minUsername || len(username) > maxUsername:
		return refuse("form_username_invalid_length", "username",
			fmt.Sprintf("Username must be between %d and %d characters long.", minUsername, maxUsername))
	case !usernamePattern.MatchString(username):
		return refuse("form_username_invalid_character", "username", "Username can only contain letters, numbers and '_' or '-'.")
	case c.userByIdentifier(username) != nil:
		return refuse("form_identifier_exists", "username", "That username is taken. Please try another.")
	}
	return nil
}

// signUp takes everything in the one call that ClerkJS makes of its form.
func (c *Clerk) signUp(w http.ResponseWriter, r *http.Request) (any, *apiError) {
	if err := c.refuseSecondSession(r); err != nil {
		return nil, err
	}
	username, password := r.Form.Get("username"), r.Form.Get("password")
	if err := c.checkUsername(username); err != nil {
		return nil, err
	}
	switch length := utf8.RuneCountInString(password); {
	case length < minPassword:
		return nil, refuse("form_password_length_too_short", "password", fmt.Sprintf("Passwords must be %d characters or more.", minPassword))
	case length > maxPassword:
		return nil, refuse("form_password_length_too_long", "password", fmt.Sprintf("Passwords must be %d characters or less.", maxPassword))
	}
	u := &user{
		Person:   Person{ID: newID("user"), Username: strings.ToLower(username), FirstName: r.Form.Get("first_name"), LastName: r.Form.Get("last_name")},
		Password: password,
		Created:  time.Now(),
	}
	c.Users = append(c.Users, u)
	cl := c.ensureClient(w, r)
	s := startSession(cl, u)
	return c.wrapped(map[string]any{
		"object": "sign_up", "id": newID("sua"), "status": "complete",
		"created_user_id": u.ID, "created_session_id": s.ID,
	}, cl), nil
}

// Sessions

func startSession(cl *client, u *user) *session {
	s := &session{newID("sess"), u.ID, u, time.Now()}
	cl.Sessions = append(cl.Sessions, s)
	return s
}

// withSession finds the browser's own session: the one in the path, if there is one.
// ClerkJS reacts to the 401 by asking who is signed in.
func (c *Clerk) withSession(answer func(*http.Request, *client, *session) (any, *apiError)) answerer {
	return func(_ http.ResponseWriter, r *http.Request) (any, *apiError) {
		if cl := c.clientOf(r); cl != nil {
			for _, s := range cl.Sessions {
				if id := r.PathValue("id"); id == "" || id == s.ID {
					return answer(r, cl, s)
				}
			}
		}
		return nil, &apiError{http.StatusUnauthorized, "authentication_invalid", "You are signed out.", ""}
	}
}

func (c *Clerk) touchSession(_ *http.Request, cl *client, s *session) (any, *apiError) {
	return c.wrapped(c.sessionJSON(s), cl), nil
}

func (c *Clerk) newToken(r *http.Request, _ *client, s *session) (any, *apiError) {
	party := cmp.Or(r.Header.Get("Origin"), c.origin)
	return map[string]any{"object": "token", "jwt": c.sessionToken(s.ID, s.user.ID, party, s.Created)}, nil
}

func (c *Clerk) endSession(_ *http.Request, cl *client, s *session) (any, *apiError) {
	cl.Sessions = slices.DeleteFunc(cl.Sessions, func(other *session) bool { return other == s })
	ended := c.sessionJSON(s)
	ended["status"] = "removed"
	return c.wrapped(ended, cl), nil
}

func (c *Clerk) signOut(_ http.ResponseWriter, r *http.Request) (any, *apiError) {
	cl := c.clientOf(r)
	if cl != nil {
		cl.Sessions, cl.signIn = nil, nil
	}
	return map[string]any{"response": c.clientJSON(cl)}, nil
}

// activeSessions is what the user profile lists as devices.
func (c *Clerk) activeSessions(_ *http.Request, _ *client, own *session) (any, *apiError) {
	active := []any{}
	for _, cl := range c.Clients {
		for _, s := range cl.Sessions {
			if s.user == own.user {
				body := c.sessionJSON(s)
				body["latest_activity"] = map[string]any{"object": "session_activity", "device_type": "This computer", "is_mobile": false, "ip_address": "127.0.0.1", "city": "loopback"}
				active = append(active, body)
			}
		}
	}
	return active, nil
}

// The profile

// editUser changes what a form of the profile has. The picture has its own.
func (c *Clerk) editUser(r *http.Request, cl *client, s *session) (any, *apiError) {
	u := s.user
	if username := r.Form.Get("username"); r.Form.Has("username") && !strings.EqualFold(username, u.Username) {
		if err := c.checkUsername(username); err != nil {
			return nil, err
		}
		u.Username = strings.ToLower(username)
	}
	for field, name := range map[string]*string{"first_name": &u.FirstName, "last_name": &u.LastName} {
		if r.Form.Has(field) {
			*name = r.Form.Get(field)
		}
	}
	return c.wrapped(c.userJSON(u), cl), nil
}

// setPicture keeps the picture that a browser sends as it is.
func (c *Clerk) setPicture(r *http.Request, cl *client, s *session) (any, *apiError) {
	file, _, err := r.FormFile("file")
	if err != nil {
		return nil, refuse("form_param_missing", "file", "Choose a picture.")
	}
	defer file.Close()
	picture, _ := io.ReadAll(file) // parseForm has it in memory
	switch http.DetectContentType(picture) {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
	default:
		return nil, refuse("form_param_format_invalid", "file", "Choose a picture in PNG, JPEG, GIF or WebP.")
	}
	s.user.Picture, s.user.PictureID = picture, newID("img")
	return c.wrapped(c.pictureJSON(s.user), cl), nil
}

func (c *Clerk) removePicture(_ *http.Request, cl *client, s *session) (any, *apiError) {
	s.user.Picture, s.user.PictureID = nil, ""
	return c.wrapped(c.pictureJSON(s.user), cl), nil
}

func (c *Clerk) pictureJSON(u *user) any {
	return map[string]any{"object": "image", "id": orNil(u.PictureID), "name": u.Username, "public_url": c.imageURL(u)}
}

func (c *Clerk) deleteUser(_ *http.Request, cl *client, s *session) (any, *apiError) {
	return c.wrapped(c.forget(s.user), cl), nil
}

// forget removes a person, and ends their sessions in every browser.
func (c *Clerk) forget(u *user) map[string]any {
	c.Users = slices.DeleteFunc(c.Users, func(other *user) bool { return other == u })
	for _, each := range c.Clients {
		each.Sessions = slices.DeleteFunc(each.Sessions, func(s *session) bool { return s.user == u })
		if each.signIn != nil && each.signIn.user == u {
			each.signIn = nil
		}
	}
	return map[string]any{"object": "user", "id": u.ID, "deleted": true}
}

func (c *Clerk) sessionJSON(s *session) map[string]any {
	return map[string]any{
		"object": "session", "id": s.ID, "status": "active", "user": c.userJSON(s.user), "public_user_data": c.publicUserData(s.user),
		"factor_verification_age":     []int{int(time.Since(s.Created).Minutes()), -1},
		"last_active_organization_id": nil,
		"expire_at":                   s.Created.Add(sessionLife).UnixMilli(), "abandon_at": s.Created.Add(sessionLife).UnixMilli(),
		"last_active_at": time.Now().UnixMilli(), "created_at": s.Created.UnixMilli(), "updated_at": s.Created.UnixMilli(),
	}
}

func (c *Clerk) publicUserData(u *user) map[string]any {
	return map[string]any{
		"user_id": u.ID, "username": u.Username, "identifier": u.Username,
		"first_name": orNil(u.FirstName), "last_name": orNil(u.LastName),
		"image_url": c.imageURL(u), "has_image": true,
	}
}
