package clerkapi

import (
	"encoding/base64"
	"strings"

	"warble/lib/env"
)

const (
	secretKey      = "CLERK_SECRET_KEY"
	publishableKey = "CLERK_PUBLISHABLE_KEY"
	// integrationsKey is the publishable key's name in the Vercel–Clerk integration.
	integrationsKey = "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY"
)

// The characters of Clerk's keys and of host names. Both are in ASCII.
const (
	letters  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	keyChars = letters + "_-"
)

// SecretKey returns CLERK_SECRET_KEY. Its error is a problem that names it.
func SecretKey() (string, error) {
	name, key, err := env.Read(secretKey)
	rest, live := strings.CutPrefix(key, "sk_live_")
	rest, test := strings.CutPrefix(rest, "sk_test_")
	switch {
	case err != nil:
		return "", err
	case key == "":
		return "", env.Missing(name)
	case strings.HasPrefix(key, "pk_"):
		return "", env.Wrong(name, "is a publishable key (pk_…)")
	case live == test, rest == "":
		return "", env.Wrong(name, "does not start with sk_test_ or sk_live_")
	case !only(rest, keyChars):
		return "", env.Wrong(name, "is damaged: it has a character that no key has")
	}
	return key, nil
}

// FrontendHost returns the host of the Frontend API that the publishable key of
// the environment names. Its error is a problem that names the variable.
func FrontendHost() (string, error) {
	name, key, err := env.Read(publishableKey, integrationsKey)
	if err != nil {
		return "", err
	}
	if key == "" {
		return "", env.Missing(name)
	}
	host, wrong := DecodePublishableKey(key)
	if wrong != "" {
		return "", env.Wrong(name, wrong)
	}
	return host, nil
}

// DecodePublishableKey returns the host that a publishable key has in it: after
// pk_test_ or pk_live_ the host and "$", in base64. What is wrong with a key
// completes the sentence "The key …".
func DecodePublishableKey(key string) (host, wrong string) {
	code, live := strings.CutPrefix(key, "pk_live_")
	code, test := strings.CutPrefix(code, "pk_test_")
	code = strings.TrimRight(code, "=")
	decoded, err := base64.RawStdEncoding.DecodeString(code)
	host, ends := strings.CutSuffix(string(decoded), "$")
	switch {
	case strings.HasPrefix(key, "sk_"):
		return "", "is a secret key (sk_…), which no page may have"
	case live == test:
		return "", "does not start with pk_test_ or pk_live_"
	case !only(code, letters+"+/"):
		return "", "is damaged: it has a character that no key has"
	case err != nil, !ends, !isHost(host):
		return "", "is damaged: there is no host of Clerk's in it"
	}
	return host, ""
}

// isHost tells whether host is one of Clerk's, or the local product's.
func isHost(host string) bool {
	return only(host, letters+".:-") && only(host[:min(len(host), 1)], letters) &&
		(strings.Contains(host, ".") || strings.HasPrefix(host, "localhost"))
}

// only tells whether text has none but these characters.
func only(text, characters string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(characters, r) })
}
