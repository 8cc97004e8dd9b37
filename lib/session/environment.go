package session

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwks"

	"warble/lib/clerkapi"
	"warble/lib/problem"
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
	if text := os.Getenv("CLERK_JWT_KEY"); text != "" {
		key, err := parseKey(text)
		if err != nil {
			return nil, err
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
// of Clerk's Frontend API where one is set, else the Frontend API's origin, which a
// publishable key encodes: pk_test_ or pk_live_, then the host and "$" in base64.
func readIssuer() (string, error) {
	proxy := cmp.Or(os.Getenv("CLERK_PROXY_URL"), os.Getenv("NEXT_PUBLIC_CLERK_PROXY_URL"))
	if proxy != "" {
		if u, err := url.Parse(proxy); err != nil || u.Scheme != "https" || u.Host == "" {
			return "", problem.Misconfigured("CLERK_PROXY_URL", "must be the https:// address of the proxy, as in Clerk's dashboard, Domains; or not be set")
		}
		return strings.TrimSuffix(proxy, "/"), nil
	}
	const name = "CLERK_PUBLISHABLE_KEY"
	key := cmp.Or(os.Getenv(name), os.Getenv("NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY"))
	if key == "" {
		return "", problem.Misconfigured(name, "is missing: set it to the publishable key (pk_…) from Clerk's dashboard, API keys")
	}
	_, encoded, ok := strings.Cut(strings.TrimPrefix(key, "pk_"), "_")
	decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	host, ends := strings.CutSuffix(string(decoded), "$")
	if !strings.HasPrefix(key, "pk_") || !ok || err != nil || !ends || host == "" || strings.ContainsAny(host, "/$ ") {
		return "", problem.Misconfigured(name, "is malformed: copy the publishable key (pk_…) again from Clerk's dashboard, API keys")
	}
	return "https://" + host, nil
}

// readOrigins returns the origins whose pages may use any address of ours: the
// deployment's own, as Vercel's variables name them without a scheme, for a proxy
// in front that changes the host; and those that we are told.
func readOrigins() (map[string]bool, error) {
	origins := map[string]bool{}
	for _, name := range []string{"VERCEL_URL", "VERCEL_BRANCH_URL", "VERCEL_PROJECT_PRODUCTION_URL"} {
		host := strings.ToLower(os.Getenv(name))
		switch {
		case host == "":
		case strings.HasPrefix(host, "localhost:"), strings.HasPrefix(host, "127.0.0.1:"):
			origins["http://"+host] = true // `vercel dev`, which has no TLS and changes Host
		default:
			origins["https://"+host] = true
		}
	}
	for origin := range strings.SplitSeq(os.Getenv("CLERK_AUTHORIZED_PARTIES"), ",") {
		origin = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(origin), "/"))
		if origin == "" {
			continue
		}
		if u, err := url.Parse(origin); err != nil || u.Scheme+"://"+u.Host != origin || u.Host == "" {
			return nil, problem.Misconfigured("CLERK_AUTHORIZED_PARTIES", "must be origins such as https://example.com, with commas between them")
		}
		origins[origin] = true
	}
	return origins, nil
}

// parseKey takes the instance's public key as dashboards and shells hand it on:
// PEM, PEM with "\n" in place of line ends, or what stands between header and
// footer.
func parseKey(text string) (*clerk.JSONWebKey, error) {
	malformed := problem.Misconfigured("CLERK_JWT_KEY", "is malformed: copy the JWKS public key (PEM) from Clerk's dashboard, API keys; or remove it, and the key is fetched with CLERK_SECRET_KEY")
	text = strings.NewReplacer(`\n`, "", `"`, "", "-----BEGIN PUBLIC KEY-----", "", "-----END PUBLIC KEY-----", "").Replace(text)
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, malformed
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, malformed
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, malformed
	}
	return &clerk.JSONWebKey{Key: key, Algorithm: "RS256"}, nil
}
