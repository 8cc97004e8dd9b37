package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"warble/lib/clerkapi"
	"warble/lib/env"
)

// noPost is the id of no post.
const noPost = "9223372036854775807"

// stranger is a token of the right form that no instance has signed. To tell, a
// function reads all that it needs from its environment.
var stranger = strings.Join([]string{
	base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT","kid":"ins_smoke"}`)),
	base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"user_smoke","sid":"sess_smoke","exp":4102444800}`)),
	base64.RawURLEncoding.EncodeToString(make([]byte, 256)),
}, ".")

// robot is one of the agents for which vercel.json has pages of posts.
var robot = map[string]string{"User-Agent": "Twitterbot/1.0"}

// shared is what the CDN keeps for readers.
const shared = "/api/posts?limit=99"

// checks reach every route of vercel.json and every function. What openapi.json says of
// their answers is not said here.
var checks = []check{
	{method: "HEAD", path: "/", status: 200, header: "ETag"},
	{method: "GET", path: "/index.html", status: 308},
	{method: "GET", path: "/p/" + noPost + "/", status: 308},
	{method: "GET", path: "/api/posts", status: 200},
	{method: "HEAD", path: "/api/posts", status: 200, header: "ETag"},
	{method: "GET", path: "/api/posts/" + noPost, status: 404},
	{method: "GET", path: "/api/posts/list", status: 404, header: "Cache-Control", value: "no-store"},
	{method: "GET", path: "/api/users", status: 404, header: "Cache-Control", value: "no-store"},
	{method: "GET", path: "/api/~", status: 404},
	{method: "GET", path: "/feed.xml", status: 200, header: "Content-Type", value: "application/atom+xml; charset=utf-8"},
	{method: "GET", path: "/u/user_smoke/feed.xml", status: 200},
	{method: "GET", path: "/p/" + noPost, name: "by a robot", headers: robot, status: 404, header: "X-Robots-Tag", value: "noindex"},

	{method: "PUT", path: "/api/posts", status: 405, header: "Allow", value: "GET, HEAD, POST, DELETE"},
	{method: "POST", path: "/api/posts/" + noPost, status: 405, header: "Allow", value: "GET, HEAD, PATCH, DELETE"},
	{method: "POST", path: "/feed.xml", status: 405, header: "Allow", value: "GET, HEAD"},

	asStranger("GET", "/api/posts"),
	asStranger("POST", "/api/posts"),
	asStranger("DELETE", "/api/posts?userId=user_smoke"),
	asStranger("GET", "/api/posts/"+noPost),
	asStranger("PATCH", "/api/posts/"+noPost),
	asStranger("DELETE", "/api/posts/"+noPost),
	asStranger("GET", "/feed.xml"),

	// A cache that keeps a refusal shows it to the next reader, of what was kept before
	// and of what was not.
	asStranger("GET", shared),
	{method: "GET", path: shared, name: "after a refused session", status: 200, means: keepsTooMuch},
	asStranger("GET", "/api/posts?limit=98"),
	{method: "GET", path: "/api/posts?limit=98", name: "after a refused session", status: 200, means: keepsTooMuch},
}

func asStranger(method, path string) check {
	return check{method: method, path: path, name: "with a token of nobody's", session: stranger, status: 401}
}

// outside checks all that can be seen without a secret. It returns whether there
// is a deployment of ours to check further.
func (s *smoke) outside(ctx context.Context) bool {
	page := s.ask(ctx, check{method: "GET", path: "/"})
	if page.status == 0 || !s.isOurs(page) {
		return false
	}
	s.checkPage(ctx, page)
	s.checkClerk(ctx)
	s.checkCDN(ctx)
	for _, c := range checks {
		s.check(ctx, c)
	}
	for _, path := range []string{"/", "/feed.xml"} {
		etag := map[string]string{"If-None-Match": s.ask(ctx, check{method: "GET", path: path}).header.Get("ETag")}
		s.check(ctx, check{method: "GET", path: path, name: "again with its ETag", headers: etag, status: 304, means: changedETag})
	}
	s.measure(ctx)
	return true
}

// isOurs tells whether it is the page that answers, or Vercel in its place.
func (s *smoke) isOurs(page *answer) bool {
	location, failure, secret := page.header.Get("Location"), page.header.Get("X-Vercel-Error"), env.Get("VERCEL_AUTOMATION_BYPASS_SECRET")
	switch isProtected := page.status == 401 || strings.HasPrefix(location, "https://vercel.com/"); {
	case isProtected && secret == "":
		s.find(page.says(), protected)
	case isProtected:
		s.find(page.says(), otherSecret)
	case page.header.Get("X-Vercel-Mitigated") != "":
		s.find(page.says(), firewall)
	case location != "":
		s.find(page.says(), leadsOn.of(strings.TrimSuffix(location, "/")))
	case failure != "":
		s.find(page.says(), vercelFails.of(failure))
	case page.header.Get("X-Vercel-Id") == "":
		s.find(page.says()+" without X-Vercel-Id", notVercel)
	default:
		s.isPreview = strings.Contains(page.header.Get("X-Robots-Tag"), "noindex")
		return true
	}
	return false
}

// bundled is how a page names the modules that lib/page/build.sh made of public/js,
// in a folder that is named by the sources.
var bundled = regexp.MustCompile(`href="(/js/([0-9a-f]{12})/chunk\.js)"`)

// checkPage compares the page with the tree's. One that some cache kept from
// another deployment is found by it.
func (s *smoke) checkPage(ctx context.Context, page *answer) {
	index, missing := s.files["/index.html"], s.files["/404.html"]
	files := maps.Clone(s.files)
	if module := bundled.FindSubmatch(page.body); module != nil {
		maps.DeleteFunc(files, func(path string, _ []byte) bool { return strings.HasPrefix(path, "/js/") })
		files[string(module[1])] = nil // its name says what it was made of
	}
	delete(files, "/index.html") // it leads on to the page
	maps.Copy(files, map[string][]byte{"/": index, "/u/user_smoke": index, "/p/" + noPost: index, "/no/such/page": missing, "/schema.sql": missing})
	for _, path := range slices.Sorted(maps.Keys(files)) {
		c := check{method: "GET", path: path, status: 200, file: files[path], means: otherPage}
		if bytes.Equal(c.file, missing) && path != "/404.html" {
			c.status = 404
		}
		if a, _ := s.check(ctx, c); a.status == 0 {
			return
		}
	}
}

// What build.sh changes of a page that it cannot bundle: a picture's address is made
// whole, and comments are gone.
var (
	picture = regexp.MustCompile(`content="https://[^"/]+/og\.png"`)
	comment = regexp.MustCompile(`(?s)<!--.*?-->\n`)
)

// isFile tells whether a body is that of a file of the tree, as build.sh leaves it.
func (s *smoke) isFile(got, want []byte) bool {
	style := s.files["/app.css"]
	if built := bundled.FindSubmatch(got); built != nil {
		sources := slices.Concat(s.files["/index.html"], style)
		for _, path := range slices.Sorted(maps.Keys(s.files)) {
			if strings.HasPrefix(path, "/js/") {
				sources = append(sources, s.files[path]...)
			}
		}
		hash := sha256.Sum256(sources)
		return string(built[2]) == hex.EncodeToString(hash[:6]) && bytes.Equal(want, s.files["/index.html"])
	}
	got = picture.ReplaceAll(got, []byte(`content="/og.png"`))
	got = bytes.Replace(got, fmt.Appendf(nil, "<style>\n%s</style>", style), []byte(`<link rel="stylesheet" href="/app.css">`), 1)
	return bytes.Equal(comment.ReplaceAll(got, nil), comment.ReplaceAll(want, nil))
}

var (
	constant = regexp.MustCompile(`export const (\w+) = "([^"]*)";`) // of config.js
	script   = regexp.MustCompile(`@clerk/[\w@./-]+\.js`)            // of ClerkJS, as the page's modules name it
)

// checkClerk reads the page's key, and asks for what browsers and functions load of its
// Clerk instance.
func (s *smoke) checkClerk(ctx context.Context) {
	a := s.ask(ctx, check{method: "GET", path: "/config.js"})
	values := map[string]string{}
	for _, match := range constant.FindAllSubmatch(a.body, -1) {
		values[string(match[1])] = string(match[2])
	}
	key := values["publishableKey"]
	host, damaged := clerkapi.DecodePublishableKey(key)
	if a.status == 0 {
		return
	} else if damaged != "" || a.status != 200 {
		s.find(fmt.Sprintf("%s with the key %q", a.says(), key), noKey)
		return
	}
	s.clerkHost, s.issuer = host, cmp.Or(values["proxyUrl"], "https://"+host)
	isLive, onVercel := strings.HasPrefix(key, "pk_live_"), strings.HasSuffix(s.url, ".vercel.app")
	s.production = isLive || !onVercel || !s.isPreview
	switch {
	case isLive && onVercel:
		s.find("config.js has a pk_live_ key on "+s.url, liveOnVercel)
	case !isLive && !onVercel && !s.isPreview:
		s.find("config.js has a pk_test_ key on "+s.url, testOnDomain)
	}
	for _, path := range slices.Sorted(maps.Keys(s.files)) {
		for _, name := range script.FindAllString(string(s.files[path]), -1) {
			a, good := s.check(ctx, check{method: "GET", path: s.issuer + "/npm/" + name, status: 200, means: noClerk})
			allow := a.header.Get("Access-Control-Allow-Origin")
			if good && allow != "*" && allow != s.url && !strings.HasPrefix(s.issuer, s.url) {
				s.find(fmt.Sprintf("%s has Access-Control-Allow-Origin %q", a.what, allow), otherDomain)
			}
		}
	}
	a, good := s.check(ctx, check{method: "GET", path: s.issuer + "/.well-known/jwks.json", status: 200, means: noClerk})
	if s.clerkKeys = string(a.body); good && !strings.Contains(s.clerkKeys, `"kid"`) {
		s.find(a.what+" has no keys", notClerk)
	}
}

// checkCDN reads the same several times: the CDN keeps it.
func (s *smoke) checkCDN(ctx context.Context) {
	const reads = 5
	for range reads {
		a, _ := s.check(ctx, check{method: "GET", path: shared, status: 200})
		if a.status != 200 || a.cached() {
			return
		}
	}
	s.find(fmt.Sprintf("GET %s %d times is never a HIT of X-Vercel-Cache", shared, reads), keptByNobody)
}

// farDatabase is more than a statement takes within a region or between two that
// are near, and less than from one coast to the other.
const farDatabase = 25 * time.Millisecond

// measure compares a function's answers without and with a statement. The
// difference is what the database takes, as the functions see it.
func (s *smoke) measure(ctx context.Context) {
	var least [3]time.Duration
	for i := range 7 {
		read := fmt.Sprintf("/api/posts?limit=1&before=%d-%d", time.Now().UnixMilli(), i+1) // an address that no cache has
		for j, c := range []check{{method: "GET", path: "/robots.txt"}, {method: "PUT", path: "/api/posts"}, {method: "GET", path: read}} {
			a := s.ask(ctx, c)
			if a.status == 0 || a.status >= 500 {
				return // which is reported
			}
			if i == 0 || a.took < least[j] {
				least[j] = a.took
			}
		}
	}
	statement := max(least[2]-least[1], 0)
	s.note("fastest answers from here: a file %d ms, a function %d ms, with its statement %d ms; functions in %s",
		least[0].Milliseconds(), least[1].Milliseconds(), least[2].Milliseconds(), s.region)
	if statement > farDatabase {
		s.find(fmt.Sprintf("A read takes %d ms longer than an answer without a statement", statement.Milliseconds()), farAway)
	}
}
