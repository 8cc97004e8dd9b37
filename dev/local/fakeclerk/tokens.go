package fakeclerk

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/go-jose/go-jose/v3/jwt"
)

// tokenLife is how long Clerk's session tokens live.
const tokenLife = 60 * time.Second

// newSigningKey makes the key that signs session tokens.
func newSigningKey() jose.JSONWebKey {
	private, _ := rsa.GenerateKey(rand.Reader, 2048) // fails for keys that are too small
	return jose.JSONWebKey{Key: private, KeyID: newID("ins"), Algorithm: string(jose.RS256), Use: "sig"}
}

func (c *Clerk) publicPEM() string {
	der, _ := x509.MarshalPKIXPublicKey(c.Key.Public().Key) // fails for unknown kinds of keys
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// SignClaims signs any claims. It panics on claims that are no JSON, which is the
// calling test's mistake.
func (c *Clerk) SignClaims(claims map[string]any) string {
	token := ""
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: c.Key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err == nil {
		token, err = jwt.Signed(signer).Claims(claims).CompactSerialize()
	}
	if err != nil {
		panic(fmt.Sprintf("local clerk: sign %v: %v", claims, err))
	}
	return token
}

// sessionToken is what ClerkJS's getToken ends up with: version 2 claims, and the
// user's public metadata, as an instance has it whose session token is customised
// with {"metadata": "{{user.public_metadata}}"}. Without a party it has no azp, as a
// token of the Backend API's.
func (c *Clerk) sessionToken(sessionID, userID, party string) string {
	now := time.Now()
	claims := map[string]any{
		"exp": now.Add(tokenLife).Unix(),
		"iat": now.Unix(),
		"iss": "https://" + c.host,
		"jti": rand.Text(),
		"nbf": now.Add(-10 * time.Second).Unix(), // Clerk's allowance for clocks that differ
		"sid": sessionID,
		"sts": "active",
		"sub": userID,
		"v":   2,
	}
	if party != "" {
		claims["azp"] = party
	}
	if u := c.userByID(userID); u != nil {
		claims["metadata"] = u.publicMetadata()
	}
	return c.SignClaims(claims)
}

// Token is a good token of a new session of a user, as a page on Origin gets
// it. The user need not be one whom the Backend API knows.
func (c *Clerk) Token(userID string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessionToken(newID("sess"), userID, c.origin)
}
