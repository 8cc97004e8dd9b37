// Package session is who is asking: it verifies Clerk's session tokens.
package session

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwt"

	"warble/lib/handler"
	"warble/lib/post"
	"warble/lib/problem"
)

// leeway is how far Clerk's clock and ours may be apart. It is what Clerk's own
// JavaScript and Python SDKs allow unless told (clockSkewInMs, clock_skew_in_ms:
// 5000), so that a token is good here exactly when it is elsewhere. Its Go SDK
// allows none.
const leeway = 5 * time.Second

// User is the Clerk user who sent a request.
type User struct {
	ID        string // "user_…"; "" where no session was presented
	Moderator bool   // may delete anybody's posts
}

// Optional returns the Clerk user who sent r, or the zero User when r presents no
// session. One that is presented must be good: else the error is a 401.
func Optional(r *http.Request) (User, error) {
	if len(r.Header.Values("Authorization")) == 0 {
		return User{}, nil
	}
	return Required(r)
}

// Required returns the Clerk user who sent r. Without a good session the error
// is a 401; when Clerk is not configured, or cannot be asked for its key, it is
// a 500 or 503.
func Required(r *http.Request) (User, error) {
	return required(r, configured)
}

func required(r *http.Request, configured func() (*instance, error)) (User, error) {
	token, err := bearer(r.Header.Values("Authorization"))
	if err != nil {
		return User{}, unauthorized(err)
	}
	i, err := configured()
	if err != nil {
		return User{}, err
	}
	user, err := i.verify(r.Context(), token, handler.Origin(r))
	if err != nil && !errors.As(err, new(*problem.Problem)) {
		err = unauthorized(err)
	}
	return user, err
}

func unauthorized(cause error) error {
	return &problem.Problem{
		Status: http.StatusUnauthorized,
		Detail: "There is no valid session. Sign in, and send a current Clerk session token as Authorization: Bearer.",
		Cause:  cause,
	}
}

func bearer(authorization []string) (token string, err error) {
	if len(authorization) != 1 {
		return "", fmt.Errorf("%d Authorization headers instead of one", len(authorization))
	}
	scheme, token, _ := strings.Cut(authorization[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", errors.New("the Authorization scheme is not Bearer")
	}
	// A compact JWS and nothing else: the library would take its JSON form too,
	// and leave out white space.
	token = strings.TrimSpace(token)
	if strings.Count(token, ".") != 2 || strings.ContainsAny(token, "{ \t\r\n") {
		return "", errors.New("the bearer token is not a compact JWT")
	}
	return token, nil
}

// configured is the Clerk instance of the environment, which is read once.
var configured = sync.OnceValues(fromEnvironment)

// instance has what is needed to verify the sessions of a Clerk instance.
type instance struct {
	issuer  string                                                             // the Frontend API's origin
	origins map[string]bool                                                    // accepted whichever origin a request came to
	key     func(ctx context.Context, token string) (*clerk.JSONWebKey, error) // for RS256
	cache   tokenCache
}

// verify returns the user of a session token. origin is the one that the request
// came to: pages of that origin may use their token there.
func (i *instance) verify(ctx context.Context, token, origin string) (User, error) {
	if cached, ok := i.cache.get(token, time.Now()); ok {
		if err := i.checkAuthorizedParty(cached.authorizedParty, origin); err != nil {
			return User{}, err
		}
		return cached.user, nil
	}
	key, err := i.key(ctx, token)
	if err != nil {
		return User{}, err
	}
	claims, err := jwt.Verify(ctx, &jwt.VerifyParams{
		Token:  token,
		JWK:    key,
		Leeway: leeway,
		// The SDK knows an exact issuer as its proxy's URL only; otherwise it
		// would take any that looks like one of Clerk's.
		ProxyURL: &i.issuer,
	})
	if err != nil {
		return User{}, fmt.Errorf("the token is refused: %w", err)
	}
	extra, err := readExtraClaims(token)
	switch {
	case err != nil:
		return User{}, fmt.Errorf("the token's claims: %w", err)
	case claims.Expiry == nil:
		return User{}, errors.New("the token has no exp")
	case claims.SessionID == "":
		return User{}, errors.New("the token has no sid: it is no session's")
	case !post.IsUserID(claims.Subject):
		return User{}, errors.New("the token's sub is no user's id")
	case extra.Status == "pending":
		return User{}, errors.New("the session is pending: its user has a task left to do at Clerk")
	}
	if err := i.checkAuthorizedParty(claims.AuthorizedParty, origin); err != nil {
		return User{}, err
	}
	user := User{ID: claims.Subject, Moderator: extra.isModerator()}
	i.cache.add(token, session{user, claims.AuthorizedParty, time.Unix(*claims.Expiry, 0).Add(leeway)})
	return user, nil
}

// checkAuthorizedParty returns an error unless the page that a token was made for is of the
// origin that the request came to, or of another of ours. Several sites can share
// a Clerk instance: a token of one is not good for the others.
func (i *instance) checkAuthorizedParty(party, origin string) error {
	party = strings.ToLower(party)
	if party == "" || party == origin || i.origins[party] {
		return nil
	}
	return errors.New("the token's azp is another site's: neither the origin that the request came to nor in CLERK_AUTHORIZED_PARTIES")
}

// extraClaims are those of a session token that the SDK does not know.
type extraClaims struct {
	Status   string          `json:"sts"`
	Metadata json.RawMessage `json:"metadata"` // the user's public metadata, where the instance's session token is customised so
}

// readExtraClaims reads them from a verified token. The SDK's own way to read
// further claims would decode all claims once more.
func readExtraClaims(token string) (extraClaims, error) {
	var claims extraClaims
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	return claims, err
}

// isModerator reads metadata.role, as Clerk's guide to roles in the session token
// has it. Metadata of another form is no role.
func (c extraClaims) isModerator() bool {
	var metadata struct {
		Role any `json:"role"`
	}
	return json.Unmarshal(c.Metadata, &metadata) == nil && (metadata.Role == "moderator" || metadata.Role == "admin")
}
