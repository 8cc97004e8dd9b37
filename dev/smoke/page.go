package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"

	"github.com/clerk/clerk-sdk-go/v2"

	"warble/lib/clerkapi"
	"warble/lib/env"
)

// outside checks all that can be seen without a secret. It returns whether there
// is a deployment of ours to check further.
func (s *smoke) outside(ctx context.Context) bool {
	page := s.ask(ctx, "GET", "/", "")
	if page.status == 0 || !s.isOurs(page) {
		return false
	}
	s.ours = true
	s.checkPage(ctx, page)
	s.readConfig(ctx, page)
	s.checkClerk(ctx)
	s.checkRoutes(ctx)
	s.checkCDN(ctx)
	s.checkFeed(ctx, page)
	s.measure(ctx)
	return true
}

// isOurs tells whether it is the page that answers, or Vercel in its place.
func (s *smoke) isOurs(page *answer) bool {
	location, failure, secret := page.header.Get("Location"), page.header.Get("X-Vercel-Error"), env.Get("VERCEL_AUTOMATION_BYPASS_SECRET")
	switch isProtected := page.status == http.StatusUnauthorized || strings.HasPrefix(location, "https://vercel.com/"); {
	case isProtected && secret == "":
		s.wrong(page.says(), protected)
	case isProtected:
		s.wrong(page.says(), otherSecret)
	case page.header.Get("X-Vercel-Mitigated") != "":
		s.wrong(page.says(), firewall)
	case location != "":
		s.wrong(page.says(), leadsOn.of(strings.TrimSuffix(location, "/")))
	case failure != "":
		s.wrong(page.says(), vercelFails.of(failure))
	case page.header.Get("X-Vercel-Id") == "":
		s.wrong(page.says()+" without X-Vercel-Id", notVercel)
	default:
		return true
	}
	return false
}

// picture is the address that the build makes whole in index.html, and comment
// what it takes away.
var (
	picture = regexp.MustCompile(`content="https://[^"/]+/og\.png"`)
	comment = regexp.MustCompile(`(?s)<!--.*?-->\n`)
)

// bundled is how a page names the modules that lib/page/build.sh made of public/js,
// in a folder that is named by the sources.
var bundled = regexp.MustCompile(`href="(/js/([0-9a-f]{12})/chunk\.js)"`)

// checkPage compares the page with the tree's. One that some cache kept from
// another deployment is found by it.
func (s *smoke) checkPage(ctx context.Context, page *answer) {
	paths := []string{"/", "/u/user_smoke", "/p/" + noPost, "/no/such/page", "/schema.sql"}
	module := ""
	if match := bundled.FindSubmatch(page.body); match != nil {
		module = string(match[1])
		paths = append(paths, module)
	}
	sources := sha256.Sum256(s.sources)
	err := fs.WalkDir(os.DirFS(s.tree.Static), ".", func(path string, entry fs.DirEntry, err error) error {
		// The build makes the one, and .vercelignore leaves the other out.
		if err == nil && !entry.IsDir() && path != "config.js" && path != "index.html" && path != "jsconfig.json" && (module == "" || !strings.HasPrefix(path, "js/")) {
			paths = append(paths, "/"+path)
		}
		return err
	})
	if err != nil {
		s.wrong("public/", noTree.of(err.Error()))
	}
	wants := func(path string) []byte { return s.wants(httptest.NewRequest("GET", path, nil)).Body.Bytes() }
	for _, path := range paths {
		a := s.ask(ctx, "GET", path, "")
		if a.status == 0 {
			return
		}
		var same bool
		switch match, want := bundled.FindSubmatch(a.body), wants(path); {
		case path == module: // its name says what it was made of
			same = a.status == http.StatusOK
		case match != nil:
			same = string(match[2]) == hex.EncodeToString(sources[:6]) && bytes.Equal(want, wants("/"))
		default:
			// What build.sh wrote into the page where it could not bundle it.
			got := picture.ReplaceAll(a.body, []byte(`content="/og.png"`))
			got = bytes.Replace(got, []byte("<style>\n"+string(wants("/app.css"))+"</style>"), []byte(`<link rel="stylesheet" href="/app.css">`), 1)
			same = bytes.Equal(comment.ReplaceAll(got, nil), comment.ReplaceAll(want, nil))
		}
		if !same {
			s.wrong(fmt.Sprintf("%s is not this tree's (Age %q)", a.says(), a.header.Get("Age")), otherPage)
		}
	}
}

// config is what the page's config.js says.
type config struct {
	host   string // the Frontend API's, which the key encodes
	issuer string // where ClerkJS finds the Frontend API: the proxy or the host
}

// isPreview tells a preview by what Vercel adds to its answers.
func isPreview(a *answer) bool { return strings.Contains(a.header.Get("X-Robots-Tag"), "noindex") }

var constant = regexp.MustCompile(`export const (\w+) = "([^"]*)";`)

func (s *smoke) readConfig(ctx context.Context, page *answer) {
	a := s.ask(ctx, "GET", "/config.js", "")
	if a.status == 0 {
		return
	}
	values := map[string]string{}
	for _, match := range constant.FindAllSubmatch(a.body, -1) {
		values[string(match[1])] = string(match[2])
	}
	key := values["publishableKey"]
	live := strings.HasPrefix(key, "pk_live_")
	host, wrong := clerkapi.DecodePublishableKey(key)
	if wrong != "" || a.status != http.StatusOK {
		s.wrong(a.says()+fmt.Sprintf(" with the key %q", key), noKey)
		return
	}
	s.page = config{host: host, issuer: cmp.Or(values["proxyUrl"], "https://"+host)}
	onVercel := strings.HasSuffix(s.url, ".vercel.app")
	s.production = live || !onVercel || !isPreview(page)
	switch {
	case live && onVercel:
		s.wrong("config.js has a pk_live_ key on "+s.url, liveOnVercel)
	case !live && !onVercel && !isPreview(page):
		s.warn("config.js has a pk_test_ key on "+s.url, testOnDomain)
	}
}

// script is how the page names ClerkJS's scripts.
var script = regexp.MustCompile(`@clerk/[\w@./-]+\.js`)

// checkClerk asks for what browsers and functions load of the instance.
func (s *smoke) checkClerk(ctx context.Context) {
	if s.page.issuer == "" {
		return // reported
	}
	fetch := func(path string) *answer {
		request, err := http.NewRequestWithContext(ctx, "GET", s.page.issuer+path, nil)
		if err != nil {
			panic(err) // build.sh lets nothing through that is no URL
		}
		request.Header.Set("Origin", s.url)
		// Clerk leads on to the newest version.
		a, err := s.send(&http.Client{Timeout: timeout}, request)
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("%d", a.status)
		}
		if err == nil {
			return a
		}
		s.wrong(fmt.Sprintf("GET %s%s: %v", s.page.issuer, path, err), noClerk)
		return nil
	}
	for _, path := range script.FindAllString(string(s.sources), -1) {
		a := fetch("/npm/" + path)
		if a == nil {
			continue
		}
		if allow := a.header.Get("Access-Control-Allow-Origin"); allow != "*" && allow != s.url && !strings.HasPrefix(s.page.issuer, s.url) {
			s.wrong(fmt.Sprintf("%s has Access-Control-Allow-Origin %q", a.what, allow), otherDomain)
		}
	}
	if a := fetch("/.well-known/jwks.json"); a != nil {
		var keys clerk.JSONWebKeySet
		if err := json.Unmarshal(a.body, &keys); err != nil || len(keys.Keys) == 0 {
			s.wrong(a.what+" has no keys", notClerk)
		}
		s.keys = map[string]bool{}
		for _, key := range keys.Keys {
			s.keys[key.KeyID] = true
		}
	}
}
