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

	"warble/lib/post"
	"warble/lib/problem"
)

// leeway is how far Clerk's clock and ours may be apart.
const leeway = 5 * time.Second

// Optional returns the Clerk user who sent r, or "" when r presents no session.
// One that is presented must be good: else the error is a 401.
func Optional(r *http.Request) (userID string, err error) {
	if len(r.Header.Values("Authorization")) == 0 {
		return "", nil
	}
	return Required(r)
}

// Required returns the Clerk user who sent r. Without a good session the error
// is a 401; when Clerk is not configured, or cannot be asked for its key, it is
// a 500 or 503.
func Required(r *http.Request) (userID string, err error) {
	return required(r, ours)
}

func required(r *http.Request, ours func() (*instance, error)) (userID string, err error) {
	token, err := bearer(r.Header.Values("Authorization"))
	if err != nil {
		return "", refused(err)
	}
	i, err := ours()
	if err != nil {
		return "", err
	}
	userID, err = i.verify(r.Context(), token)
	if err != nil && !errors.As(err, new(*problem.Problem)) {
		err = refused(err)
	}
	return userID, err
}

func refused(cause error) error {
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

// ours is the process's own Clerk instance: read from the environment once.
var ours = sync.OnceValues(fromEnvironment)

// instance is what there is to know of a Clerk instance to verify its sessions.
type instance struct {
	issuer  string                                                             // the Frontend API's origin
	origins map[string]bool                                                    // our own: whose pages may use a token
	key     func(ctx context.Context, token string) (*clerk.JSONWebKey, error) // for RS256
	seen    seen
}

func (i *instance) verify(ctx context.Context, token string) (userID string, err error) {
	if len(i.origins) == 0 {
		return "", errors.New("no origin of ours is known: let Vercel expose its system environment variables (VERCEL_URL), or set CLERK_AUTHORIZED_PARTIES")
	}
	if userID, ok := i.seen.user(token, time.Now()); ok {
		return userID, nil
	}
	key, err := i.key(ctx, token)
	if err != nil {
		return "", err
	}
	claims, err := jwt.Verify(ctx, &jwt.VerifyParams{
		Token:  token,
		JWK:    key,
		Leeway: leeway,
		// The SDK knows an exact issuer as its proxy's URL only; otherwise it
		// would take any that looks like one of Clerk's.
		ProxyURL: &i.issuer,
		AuthorizedPartyHandler: func(azp string) bool {
			return azp == "" || i.origins[strings.ToLower(azp)]
		},
	})
	if err != nil {
		return "", fmt.Errorf("the token is refused: %w", err)
	}
	status, err := status(token)
	switch {
	case err != nil:
		return "", fmt.Errorf("the token's sts: %w", err)
	case claims.Expiry == nil:
		return "", errors.New("the token has no exp")
	case claims.SessionID == "":
		return "", errors.New("the token has no sid: it is no session's")
	case !post.IsUserID(claims.Subject):
		return "", errors.New("the token's sub is no user's id")
	case status == "pending":
		return "", errors.New("the session is pending: its user has a task left to do at Clerk")
	}
	i.seen.add(token, claims.Subject, time.Unix(*claims.Expiry, 0).Add(leeway))
	return claims.Subject, nil
}

// status reads the claim sts of a verified token, which the SDK does not know.
// As its custom claims, they cost a third decoding of all the others.
func status(token string) (string, error) {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		return "", err
	}
	var claims struct {
		Status string `json:"sts"`
	}
	err = json.Unmarshal(payload, &claims)
	return claims.Status, err
}
