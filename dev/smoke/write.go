package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwks"
	"github.com/clerk/clerk-sdk-go/v2/jwt"
	"github.com/clerk/clerk-sdk-go/v2/session"
	"github.com/clerk/clerk-sdk-go/v2/user"

	"warble/lib/clerkapi"
	"warble/lib/env"
)

// write publishes a post as a signed-in person, reads, edits, repeats and deletes
// it. In production it does so with WRITE=1 only. Production is all that is not a
// preview on *.vercel.app with a pk_test_ key.
func (s *smoke) write(ctx context.Context) {
	token := env.Get("TOKEN")
	switch {
	case token == "" && env.Get("CLERK_SECRET_KEY") == "":
		s.note("nothing was written: set TOKEN, a session token (in the browser's console: await Clerk.session.getToken()), or CLERK_SECRET_KEY of a development instance")
	case s.production && env.Get("WRITE") != "1":
		s.note("nothing was written: this is production (no preview on *.vercel.app with a pk_test_ key). WRITE=1 publishes a post here and deletes it at once")
	case token == "":
		if err := s.asTestUser(ctx); err != nil {
			s.wrong(fmt.Sprintf("Clerk's Backend API: %v", err), noTestUser)
		}
	case s.isOfThePage(ctx, token):
		s.publish(ctx, func() (string, error) { return token, nil })
	}
}

// isOfThePage tells whether a token can be good here, by what it says of itself.
func (s *smoke) isOfThePage(ctx context.Context, token string) bool {
	unverified, err := jwt.Decode(ctx, &jwt.DecodeParams{Token: token})
	switch {
	case err != nil || unverified.Expiry == nil:
		s.wrong("TOKEN cannot be decoded", noToken)
	case time.Now().After(time.Unix(*unverified.Expiry, 0)):
		s.wrong("TOKEN ended at "+time.Unix(*unverified.Expiry, 0).UTC().Format(time.TimeOnly)+" UTC", endedToken)
	case unverified.Issuer != s.page.issuer:
		s.wrong(fmt.Sprintf("TOKEN is of %s, the page's key of %s", unverified.Issuer, s.page.issuer), otherToken)
	default:
		return true
	}
	return false
}

// asTestUser publishes as a user whom it makes in a development instance, as Clerk
// documents it for tests, and deletes. Its error is that there was none.
func (s *smoke) asTestUser(ctx context.Context) error {
	if !strings.HasPrefix(env.Get("CLERK_SECRET_KEY"), "sk_test_") {
		return errors.New("CLERK_SECRET_KEY is not a development instance's (sk_test_): users are not made in production")
	}
	backend, err := clerkapi.Backend(timeout)
	if err != nil {
		return err
	}
	set, err := (&jwks.Client{Backend: backend}).Get(ctx, &jwks.GetParams{})
	if err != nil {
		return fmt.Errorf("GET /jwks: %w", clerkapi.Failure(err))
	}
	if s.keys != nil && !slices.ContainsFunc(set.Keys, func(key *clerk.JSONWebKey) bool { return s.keys[key.KeyID] }) {
		return fmt.Errorf("CLERK_SECRET_KEY is of another instance than the page's key, whose host is %s", s.page.host)
	}
	// Clerk sends no mail to addresses with +clerk_test. Whether a user name is
	// needed, or refused, is the instance's setting.
	users, sessions := &user.Client{Backend: backend}, &session.Client{Backend: backend}
	name := "smoke" + strings.ToLower(rand.Text()[:10])
	params := user.CreateParams{EmailAddresses: &[]string{name + "+clerk_test@example.com"}, SkipPasswordRequirement: clerk.Bool(true), SkipLegalChecks: clerk.Bool(true)}
	made, err := users.Create(ctx, &params)
	if err != nil && strings.Contains(err.Error(), "username") {
		params.Username = &name
		made, err = users.Create(ctx, &params)
	}
	if err != nil {
		return fmt.Errorf("POST /users: %w", err)
	}
	after := context.WithoutCancel(ctx) // what was made goes, also after Ctrl-C
	defer func() {
		if _, err := users.Delete(after, made.ID); err != nil {
			s.wrong(fmt.Sprintf("Clerk does not delete the test user %s: %v", made.ID, err), userStays)
		}
	}()
	begun, err := sessions.Create(ctx, &session.CreateParams{UserID: made.ID})
	if err != nil {
		return fmt.Errorf("POST /sessions: %w", err)
	}
	s.publish(ctx, func() (string, error) {
		token, err := sessions.CreateToken(after, &session.CreateTokenParams{ID: begun.ID})
		if err != nil {
			return "", err
		}
		return token.JWT, nil
	})
	return nil
}

const (
	firstText  = "A test by make smoke. It is deleted within seconds."
	secondText = "A test by make smoke, edited. It is deleted within seconds."
)

// publish goes through the life of one post. Whatever fails, the post is deleted.
func (s *smoke) publish(ctx context.Context, newToken func() (string, error)) {
	key := rand.Text()
	posts := map[string]bool{} // paths of those that are there
	var call func(ctx context.Context, method, path, text string) *answer
	call = func(ctx context.Context, method, path, text string) *answer {
		token, err := newToken()
		if err != nil {
			s.wrong(fmt.Sprintf("Clerk's Backend API, POST /sessions/…/tokens: %v", err), noSession)
			return &answer{}
		}
		body, _ := json.Marshal(map[string]string{"content": text}) // strings encode
		if text == "" {
			body = nil
		}
		a := s.ask(ctx, method, path, string(body), "Authorization", "Bearer "+token, "Idempotency-Key", key)
		if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil && a.status == http.StatusTooManyRequests && seconds <= 10 {
			time.Sleep(time.Duration(seconds) * time.Second) // the person has just published
			return call(ctx, method, path, text)
		}
		var post struct{ ID int64 }
		switch {
		case method == "POST" && a.status < 300 && json.Unmarshal(a.body, &post) == nil:
			posts[fmt.Sprint("/api/posts/", post.ID)] = true
		case method == "DELETE" && (a.status == http.StatusNoContent || a.status == http.StatusNotFound):
			delete(posts, path)
		}
		return a
	}
	published, good := false, 0
	defer func() {
		after := context.WithoutCancel(ctx)
		if !published { // perhaps it was all the same: its key tells
			call(after, "POST", "/api/posts", firstText)
		}
		for path := range posts {
			call(after, "DELETE", path, "")
		}
		for path := range posts {
			s.wrong("DELETE "+path+" does not succeed", postStays)
		}
	}()

	// step is one request. It returns whether the answer is as promised, and counts it.
	step := func(method, path, text string, status int, has string) bool {
		a := call(ctx, method, path, text)
		switch {
		case s.isBroken(a):
		case a.status == http.StatusUnauthorized:
			s.wrong(a.says(), refusesSession)
		case a.cached() || a.status == status && status < 300 && status != http.StatusNoContent && a.header.Get("Cache-Control") != "private, no-store":
			s.wrong(fmt.Sprintf("%s to a session has Cache-Control %q and Age %q", a.says(), a.header.Get("Cache-Control"), a.header.Get("Age")), keepsTooMuch)
		case a.status != status || !strings.Contains(string(a.body), has):
			s.wrong(fmt.Sprintf("%s, where %d is promised with %q", a.says(), status, has), publishingFails)
		default:
			if status == http.StatusCreated && !strings.Contains(string(a.body), `"author":`) {
				s.wrong(a.says()+" without an author", noAuthor)
			}
			good++
			return true
		}
		return false
	}
	if published = step("POST", "/api/posts", firstText, http.StatusCreated, firstText); !published {
		return
	}
	at := slices.Collect(maps.Keys(posts))[0]
	good = 0
	step("GET", at, "", http.StatusOK, firstText)
	step("PATCH", at, secondText, http.StatusOK, secondText)
	step("GET", at, "", http.StatusOK, secondText)
	step("POST", "/api/posts", firstText, http.StatusOK, secondText) // the same key: the same post
	step("GET", "/api/posts", "", http.StatusOK, secondText)
	step("GET", "/feed.xml", "", http.StatusOK, secondText)
	step("DELETE", at, "", http.StatusNoContent, "")
	step("GET", at, "", http.StatusNotFound, "")
	s.note("a post was published; of reading, editing, repeating, finding and deleting it %d of 8 steps are as promised", good)
	// What a session was sent is nobody else's.
	const shared = "/api/posts?limit=97"
	step("GET", shared, "", http.StatusOK, "")
	if a := s.ask(ctx, "GET", shared, ""); strings.Contains(a.header.Get("Cache-Control"), "private") {
		s.wrong(fmt.Sprintf("%s has Cache-Control %q for somebody else too", a.what, a.header.Get("Cache-Control")), keepsTooMuch)
	}
}
