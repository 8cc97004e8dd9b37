// Package env reads environment variables as people paste them: with a line feed,
// white space or quotes around the value. What is wrong with one is said without
// the value. lib/page/build.sh has the same rules for the build.
package env

import (
	"os"
	"strings"

	"warble/lib/problem"
)

// advice is what to do about each variable that people set.
var advice = map[string]string{
	"DATABASE_URL":                      "set it to mysql://user:password@host/database, as PlanetScale's dashboard gives it (special characters in the password percent-encoded), or to a go-sql-driver DSN",
	"CLERK_PUBLISHABLE_KEY":             "copy the publishable key (pk_…) from Clerk's dashboard, API keys",
	"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY": "copy the publishable key (pk_…) from Clerk's dashboard, API keys",
	"CLERK_SECRET_KEY":                  "copy the secret key (sk_…) from Clerk's dashboard, API keys",
	"CLERK_JWT_KEY":                     "copy the JWKS public key (PEM) from Clerk's dashboard, API keys; or remove it, and the key is fetched with CLERK_SECRET_KEY",
	"CLERK_PROXY_URL":                   "set it to the https:// address of the proxy, as in Clerk's dashboard, Domains; or remove it",
	"NEXT_PUBLIC_CLERK_PROXY_URL":       "set it to the https:// address of the proxy, as in Clerk's dashboard, Domains; or remove it",
	"CLERK_API_URL":                     "set it to an origin such as https://api.clerk.com; or remove it",
	"CLERK_AUTHORIZED_PARTIES":          "set it to origins such as https://example.com, with commas between them; or remove it",
	"POST_INTERVAL":                     "set it to a whole number of seconds, 0 for no limit; or remove it",
}

// around are the characters that copying and `echo … | vercel env add` leave at a
// value's ends: white space, and two that nobody sees.
const around = " \t\n\v\f\r\u00a0\u200b\ufeff"

// Get returns a variable's value without white space and one pair of quotes around
// it; "" when it is not set.
func Get(name string) string {
	value := strings.Trim(os.Getenv(name), around)
	for _, quote := range []string{`"`, `'`} {
		if inner, ok := strings.CutPrefix(value, quote); ok && strings.HasSuffix(inner, quote) {
			return strings.Trim(inner[:len(inner)-1], around)
		}
	}
	return value
}

// Read returns the first of the variables with these names that is set, and its
// name; "" and the first name when none is. Its error is Check's.
func Read(names ...string) (name, value string, err error) {
	for _, name := range names {
		if value := Get(name); value != "" {
			return name, value, Check(name, value)
		}
	}
	return names[0], "", nil
}

// Check returns what is wrong with a value, whatever its variable is for.
func Check(name, value string) error {
	assigned, _, isAssignment := strings.Cut(strings.TrimPrefix(value, "export "), "=")
	assigned = strings.Trim(assigned, around)
	switch {
	case isAssignment && advice[assigned] != "":
		return Wrong(name, "begins with "+assigned+"=")
	case value == "[SENSITIVE]":
		return Wrong(name, "is [SENSITIVE], which vercel env pull writes in a secret's place")
	case strings.Trim(value[:1]+value[len(value)-1:], `"'`) != value[:1]+value[len(value)-1:]:
		return Wrong(name, "has a quotation mark at one end only")
	}
	return nil
}

// Missing is the problem of a variable that must be set.
func Missing(name string) error { return Wrong(name, "is missing") }

// Wrong is the problem of a variable. What is wrong with it completes the sentence
// "<name> …".
func Wrong(name, wrong string) error { return problem.Misconfigured(name, wrong, advice[name]) }
