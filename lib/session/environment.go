package session

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"net/url"
	"strings"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwks"

	"warble/lib/clerkapi"
	"warble/lib/env"
)

// fromEnvironment reads the Clerk instance that the functions belong to. Its
// errors are problems that name the variable.
func fromEnvironment() (*instance, error) {
	issuer, err := readIssuer()
	if err != nil {
		return nil, err
	}
	origins, err := readOrigins()
	if err != nil {
		return nil, err
	}
	i := &instance{issuer: issuer, origins: origins}
	name, text, err := env.Read("CLERK_JWT_KEY")
	if err != nil {
		return nil, err
	}
	if text != "" {
		key, ok := parseKey(text)
		if !ok {
			return nil, env.Wrong(name, "is no RSA public key in PEM")
		}
		i.key = func(context.Context, string) (*clerk.JSONWebKey, error) { return key, nil }
		return i, nil
	}
	backend, err := clerkapi.Backend(fetchTimeout)
	if err != nil {
		return nil, err
	}
	i.key = (&keySet{client: &jwks.Client{Backend: backend}, now: time.Now}).keyOf
	return i, nil
}

// readIssuer returns who issues the instance's session tokens: the proxy in front
// of Clerk's Frontend API where one is set, else the Frontend API's origin.
func readIssuer() (string, error) {
	name, proxy, err := env.Read("CLERK_PROXY_URL", "NEXT_PUBLIC_CLERK_PROXY_URL")
	if err != nil {
		return "", err
	}
	if proxy != "" {
		if u, err := url.Parse(proxy); err != nil || u.Scheme != "https" || u.Host == "" {
			return "", env.Wrong(name, "is no https:// address")
		}
		return strings.TrimSuffix(proxy, "/"), nil
	}
	host, err := clerkapi.FrontendHost()
	return "https://" + host, err
}

// readOrigins returns the origins whose pages may use any address of ours: the
// deployment's own, as Vercel's variables name them without a scheme, for a proxy
// in front that changes the host; and those that we are told.
func readOrigins() (map[string]bool, error) {
	origins := map[string]bool{}
	for _, name := range []string{"VERCEL_URL", "VERCEL_BRANCH_URL", "VERCEL_PROJECT_PRODUCTION_URL"} {
		host := strings.ToLower(env.Get(name))
		switch {
		case host == "":
		case strings.HasPrefix(host, "localhost:"), strings.HasPrefix(host, "127.0.0.1:"):
			origins["http://"+host] = true // `vercel dev`, which has no TLS and changes Host
		default:
			origins["https://"+host] = true
		}
	}
	name, parties, err := env.Read("CLERK_AUTHORIZED_PARTIES")
	if err != nil {
		return nil, err
	}
	for origin := range strings.SplitSeq(parties, ",") {
		origin = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(origin), "/"))
		if origin == "" {
			continue
		}
		if u, err := url.Parse(origin); err != nil || u.Scheme+"://"+u.Host != origin || u.Host == "" {
			return nil, env.Wrong(name, "has an entry that is no origin")
		}
		origins[origin] = true
	}
	return origins, nil
}

// parseKey takes the instance's public key as dashboards and shells hand it on:
// PEM, PEM with "\n" in place of line ends, or what stands between header and
// footer.
func parseKey(text string) (key *clerk.JSONWebKey, ok bool) {
	text = strings.NewReplacer(`\n`, "", `"`, "", "-----BEGIN PUBLIC KEY-----", "", "-----END PUBLIC KEY-----", "").Replace(text)
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, false
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, false
	}
	public, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, false
	}
	return &clerk.JSONWebKey{Key: public, Algorithm: "RS256"}, true
}
