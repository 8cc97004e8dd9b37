package page_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// config is what the tests read of vercel.json.
type config struct {
	Routes []struct {
		Src      string
		Headers  map[string]string
		Continue bool
	}
	Functions map[string]struct{ MaxDuration int }
}

func vercelJSON(t *testing.T) (c config) {
	t.Helper()
	content, err := os.ReadFile("../../vercel.json")
	if err == nil {
		err = json.Unmarshal(content, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Browsers run the page's first script by its hash in vercel.json, and by nothing
// else: with another hash there, readers see an empty page.
func TestThePolicyHasTheHashOfThePagesScript(t *testing.T) {
	page, err := os.ReadFile("../../public/index.html")
	if err != nil {
		t.Fatal(err)
	}
	scripts := regexp.MustCompile(`(?s)<script([^>]*)>(.*?)</script>`).FindAllSubmatch(page, -1)
	if len(scripts) != 1 || len(scripts[0][1]) > 0 {
		t.Fatalf("public/index.html has the scripts %q; want one, without attributes: the policy lets no other run. main.js may import or inject more", scripts)
	}
	sum := sha256.Sum256(scripts[0][2])
	hash := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"

	found := false
	for _, route := range vercelJSON(t).Routes {
		for directive := range strings.SplitSeq(route.Headers["Content-Security-Policy"], "; ") {
			if !strings.HasPrefix(directive, "script-src ") {
				continue
			}
			found = true
			if want := "script-src 'strict-dynamic' " + hash + " 'self' https:"; directive != want {
				t.Errorf("vercel.json has\n%s\nfor the script of public/index.html it must have\n%s", directive, want)
			}
		}
	}
	if !found {
		t.Error("vercel.json has no script-src: scripts from anywhere would run")
	}
}

// Without them a browser guesses types, shows the page in another site's frame, or
// takes it without TLS. That routes' headers are sent is shown in dev/.
func TestEveryAnswerHasItsSecurityHeaders(t *testing.T) {
	config := vercelJSON(t)
	first := config.Routes[0]
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "strict-origin-when-cross-origin",
		"Strict-Transport-Security": "max-age=63072000", "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()"} {
		if first.Src != "^/.*$" || !first.Continue || first.Headers[name] != want {
			t.Errorf("vercel.json's first route, for %s, gives %s %q; want %q, for every path", first.Src, name, first.Headers[name], want)
		}
	}
	headers := map[string]map[string]string{}
	for _, route := range config.Routes {
		policy := route.Headers["Content-Security-Policy"]
		if policy == "" {
			continue
		}
		headers[route.Src] = route.Headers
		if !strings.HasPrefix(policy, "default-src 'none';") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe-eval") ||
			strings.Contains(policy, "script-src") && !strings.Contains(policy, "form-action 'self'; base-uri 'none'") {
			t.Errorf("the policy of %s is %s", route.Src, policy)
		}
	}
	if policy := headers["^/api(/.*)?$"]["Content-Security-Policy"]; policy != "default-src 'none'; frame-ancestors 'none'" {
		t.Errorf("the API's policy is %q", policy)
	}
	pages := headers["^/(?!api(/|$)).*$"]
	if pages["Cross-Origin-Opener-Policy"] != "same-origin-allow-popups" || !strings.Contains(pages["Content-Security-Policy"], "frame-src https://challenges.cloudflare.com ") {
		t.Errorf("the page's headers are %q: Clerk's windows, and its check for robots, do not work", pages)
	}
}

// A function that Vercel stops before its own deadline of 5 s says nothing to whoever
// asked.
func TestVercelLetsFunctionsReachTheirDeadline(t *testing.T) {
	for name, function := range vercelJSON(t).Functions {
		if function.MaxDuration < 6 {
			t.Errorf("vercel.json stops %s after %d s", name, function.MaxDuration)
		}
	}
}
