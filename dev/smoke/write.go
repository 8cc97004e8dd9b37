package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
			s.find(fmt.Sprintf("Clerk's Backend API: %v", err), noTestUser)
		}
	default:
		s.asPersonOf(ctx, token)
	}
}

// asPersonOf publishes as the person of a token, if that can be good here by what it
// says of itself.
func (s *smoke) asPersonOf(ctx context.Context, token string) {
	claims, err := jwt.Decode(ctx, &jwt.DecodeParams{Token: token})
	switch {
	case err != nil || claims.Expiry == nil:
		s.find("TOKEN cannot be decoded", noToken)
	case time.Now().Unix() > *claims.Expiry:
		s.find("TOKEN ended at "+time.Unix(*claims.Expiry, 0).UTC().Format(time.TimeOnly)+" UTC", endedToken)
	case claims.Issuer != s.issuer:
		s.find(fmt.Sprintf("TOKEN is of %s, the page's key of %s", claims.Issuer, s.issuer), otherToken)
	default:
		s.publish(ctx, func() (string, error) { return token, nil })
	}
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
	if s.clerkKeys != "" && !slices.ContainsFunc(set.Keys, func(key *clerk.JSONWebKey) bool { return strings.Contains(s.clerkKeys, strconv.Quote(key.KeyID)) }) {
		return fmt.Errorf("CLERK_SECRET_KEY is of another instance than the page's key, whose host is %s", s.clerkHost)
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
			s.find(fmt.Sprintf("Clerk does not delete the test user %s: %v", made.ID, err), userStays)
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
	first  = "A test by make smoke. It is deleted within seconds."
	second = "A test by make smoke, edited. It is deleted within seconds."
)

func content(text string) string { return `{"content": "` + text + `"}` }

// publish goes through the life of one post. Whatever fails, the post is deleted.
func (s *smoke) publish(ctx context.Context, newToken func() (string, error)) {
	headers := map[string]string{"Content-Type": "application/json", "Idempotency-Key": rand.Text()}
	posts := map[string]bool{} // paths of those that are there
	ask := func(ctx context.Context, c *check) *answer {
		var err error
		if c.session, err = newToken(); err != nil {
			s.find(fmt.Sprintf("Clerk's Backend API, POST /sessions/…/tokens: %v", clerkapi.Failure(err)), noSession)
			return &answer{}
		}
		c.headers, c.means = headers, publishingFails
		a := s.ask(ctx, *c)
		if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil && a.status == 429 && seconds <= 10 {
			time.Sleep(time.Duration(seconds) * time.Second) // the person has just published
			a = s.ask(ctx, *c)
		}
		var post struct{ ID int64 }
		switch {
		case c.method == "POST" && a.status < 300 && json.Unmarshal(a.body, &post) == nil:
			posts[fmt.Sprint("/api/posts/", post.ID)] = true
		case c.method == "DELETE" && (a.status == 204 || a.status == 404):
			delete(posts, c.path)
		}
		return a
	}
	create := check{method: "POST", path: "/api/posts", body: content(first), status: 201, has: first}
	published := false
	defer func() {
		after := context.WithoutCancel(ctx)
		if !published { // perhaps it was all the same: its key tells
			ask(after, &create)
		}
		for path := range posts {
			ask(after, &check{method: "DELETE", path: path})
		}
		for path := range posts {
			s.find("DELETE "+path+" does not succeed", postStays)
		}
	}()

	s.judge(create, ask(ctx, &create))
	if published = len(posts) > 0; !published {
		return
	}
	at := slices.Collect(maps.Keys(posts))[0]
	const shared = "/api/posts?limit=97" // which nobody has asked for before
	steps, kept := []check{
		{method: "GET", path: at, status: 200, has: first},
		{method: "PATCH", path: at, body: content(second), status: 200, has: second},
		{method: "GET", path: at, status: 200, has: second},
		{method: "POST", path: "/api/posts", name: "again under its key", body: content(first), status: 200, has: second},
		{method: "GET", path: shared, status: 200, has: second},
		{method: "GET", path: "/feed.xml", status: 200, has: second},
		{method: "DELETE", path: at, status: 204},
		{method: "GET", path: at, status: 404},
	}, 0
	for _, c := range steps {
		if a := ask(ctx, &c); s.judge(c, a) {
			kept++
		}
	}
	s.note("a post was published; of reading, editing, repeating, finding and deleting it %d of %d steps are as promised", kept, len(steps))
	// What a session was sent is nobody else's.
	s.check(ctx, check{method: "GET", path: shared, status: 200})
}
