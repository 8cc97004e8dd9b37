package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"warble/lib/problem"
)

// noPost is the id of no post.
const noPost = "9223372036854775807"

// robot is one of the agents for which vercel.json has pages of posts.
const robot = "Twitterbot/1.0"

// probe is a request without a good session, and what is promised for it.
type probe struct {
	method, path, session string // "" for none, stranger for one that is nobody's
	status                int
	header, value         string // which the answer must have
}

// stranger is a token of the right form that no instance has signed. To tell, a
// function reads all that it needs from its environment.
var stranger = "Bearer " + strings.Join([]string{
	base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT","kid":"ins_smoke"}`)),
	base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"user_smoke","sid":"sess_smoke","exp":4102444800}`)),
	base64.RawURLEncoding.EncodeToString(make([]byte, 256)),
}, ".")

// probes reach every route of vercel.json, and every function without and with a
// session.
var probes = []probe{
	{"HEAD", "/", "", 200, "ETag", ""},
	{"GET", "/index.html", "", 308, "Location", "/"},
	{"GET", "/p/" + noPost + "/", "", 308, "Location", "/p/" + noPost},
	{"GET", "/api/posts", "", 200, "ETag", ""},
	{"HEAD", "/api/posts", "", 200, "ETag", ""},
	{"GET", "/api/posts?limit=0", "", 400, "Cache-Control", "no-store"},
	{"GET", "/api/posts/list", "", 404, "Cache-Control", "no-store"},
	{"GET", "/api/users", "", 404, "Cache-Control", "no-store"},
	{"GET", "/api/~", "", 404, "", ""},
	{"GET", "/api/posts/" + noPost, "", 404, "Cache-Control", "no-store"},
	{"HEAD", "/api/posts/" + noPost, "", 404, "Cache-Control", "no-store"},
	{"GET", "/feed.xml", "", 200, "Content-Type", "application/atom+xml; charset=utf-8"},
	{"HEAD", "/feed.xml", "", 200, "ETag", ""},
	{"GET", "/u/user_smoke/feed.xml", "", 200, "Content-Type", "application/atom+xml; charset=utf-8"},
	{"HEAD", "/u/user_smoke/feed.xml", "", 200, "ETag", ""},
	{"GET", "/p/" + noPost, robot, 404, "X-Robots-Tag", "noindex"},
	{"HEAD", "/p/" + noPost, robot, 404, "X-Robots-Tag", "noindex"},

	{"PUT", "/api/posts", "", 405, "Allow", "GET, HEAD, POST, DELETE"},
	{"POST", "/api/posts/" + noPost, "", 405, "Allow", "GET, HEAD, PATCH, DELETE"},
	{"POST", "/feed.xml", "", 405, "Allow", "GET, HEAD"},
	{"DELETE", "/u/user_smoke/feed.xml", "", 405, "Allow", "GET, HEAD"},

	{"POST", "/api/posts", "", 401, "WWW-Authenticate", "Bearer"},
	{"PATCH", "/api/posts/" + noPost, "", 401, "WWW-Authenticate", "Bearer"},
	{"DELETE", "/api/posts/" + noPost, "", 401, "WWW-Authenticate", "Bearer"},
	{"DELETE", "/api/posts?userId=user_smoke", "", 401, "WWW-Authenticate", "Bearer"},
	{"GET", "/api/posts", stranger, 401, "WWW-Authenticate", "Bearer"},
	{"POST", "/api/posts", stranger, 401, "WWW-Authenticate", "Bearer"},
	{"DELETE", "/api/posts?userId=user_smoke", stranger, 401, "WWW-Authenticate", "Bearer"},
	{"GET", "/api/posts/" + noPost, stranger, 401, "WWW-Authenticate", "Bearer"},
	{"PATCH", "/api/posts/" + noPost, stranger, 401, "WWW-Authenticate", "Bearer"},
	{"DELETE", "/api/posts/" + noPost, stranger, 401, "WWW-Authenticate", "Bearer"},
	{"GET", "/feed.xml", stranger, 401, "WWW-Authenticate", "Bearer"},
}

func (s *smoke) checkRoutes(ctx context.Context) {
	for _, p := range probes {
		headers := []string{"Authorization", p.session}
		switch p.session {
		case "":
			headers = nil
		case robot:
			headers[0] = "User-Agent"
		}
		s.expectAnswer(s.ask(ctx, p.method, p.path, "", headers...), p)
	}
	for _, path := range []string{"/", "/feed.xml"} {
		first := s.ask(ctx, "GET", path, "")
		if first.status != http.StatusOK {
			return // reported
		}
		same := s.ask(ctx, "GET", path, "", "If-None-Match", first.header.Get("ETag"))
		if same.status != http.StatusNotModified && same.status != 0 {
			s.warn(fmt.Sprintf("%s again with its ETag %q = %d", first.what, first.header.Get("ETag"), same.status), changedETag)
		}
	}
}

// expectAnswer reports what an answer breaks of what is promised for a probe.
func (s *smoke) expectAnswer(a *answer, p probe) {
	with := a.says()
	if p.session == stranger {
		with = strings.Replace(with, " = ", " with a token of nobody's = ", 1)
	}
	if a.cached() && (p.status >= 400 || p.session == stranger) || p.session == stranger && a.status == http.StatusOK {
		s.wrong(with+" from a cache", keepsTooMuch)
		return
	}
	if s.isBroken(a) {
		return
	}
	got, control, id := a.header.Get(p.header), a.header.Get("Cache-Control"), a.header.Get("X-Vercel-Id")
	isProblem := p.status >= 400 && p.header != "" && p.session != robot
	switch {
	case a.status != p.status:
		s.wrong(fmt.Sprintf("%s, where %d is promised", with, p.status), otherFunctions)
	case p.header != "" && (got == "" || p.value != "" && got != p.value):
		s.wrong(fmt.Sprintf("%s has %s %q, where %q is promised", with, p.header, got, p.value), rewritten)
	case isProblem && p.method != "HEAD" && (a.problem.Detail == "" || control != "no-store" || lastPart(a.problem.RequestID) != lastPart(id)):
		s.wrong(fmt.Sprintf("%s is %s with Cache-Control %q, requestId %q and X-Vercel-Id %q", with, a.header.Get("Content-Type"), control, a.problem.RequestID, id), rewritten)
	case isProblem && !a.cached():
		s.readRegion(a) // a function's own answer
	}
}

// isBroken reports an answer that says what is broken: a variable, the database,
// Clerk, or the function's process. No answer is reported already.
func (s *smoke) isBroken(a *answer) bool {
	reason := a.header.Get("X-Vercel-Error")
	switch {
	case a.status == 0:
	case a.status >= 500 && strings.HasPrefix(a.what, "HEAD "): // GET has said it
	case strings.HasPrefix(a.problem.Detail, problem.MisconfiguredPrefix):
		means, _ := strings.CutSuffix(a.problem.Detail, ". Then deploy again.")
		s.wrong(fmt.Sprintf("%s = %d", a.what, a.status), wrongVariable.of(means))
	case strings.HasPrefix(reason, "FUNCTION_"):
		s.wrong(a.says(), processEnded.of(reason))
	case a.status == http.StatusInternalServerError:
		s.wrong(a.says(), statementFails)
	case a.status > 500:
		s.wrong(a.says(), needsUnanswered)
	default:
		return false
	}
	return true
}

// lastPart is the id in X-Vercel-Id, without the regions before it.
func lastPart(id string) string { return id[strings.LastIndex(id, ":")+1:] }

// readRegion reads where a function ran: the last region of X-Vercel-Id.
func (s *smoke) readRegion(a *answer) {
	parts := strings.Split(a.header.Get("X-Vercel-Id"), "::")
	s.region = parts[max(len(parts)-2, 0)]
	if !slices.Contains(s.regions, s.region) {
		s.wrong(fmt.Sprintf("%s has X-Vercel-Id %s", a.what, a.header.Get("X-Vercel-Id")), otherRegion)
	}
}

// checkCDN reads the same several times: as a reader, as nobody's session, and
// as a reader again.
func (s *smoke) checkCDN(ctx context.Context) {
	const reads = 5
	path := "/api/posts?limit=99"
	hit := false
	var last *answer
	for range reads {
		if last = s.ask(ctx, "GET", path, ""); last.status != http.StatusOK {
			return // reported, or by checkRoutes
		}
		hit = hit || last.cached()
		if control := last.header.Get("Cache-Control"); control != "public, max-age=0, must-revalidate" {
			s.wrong(fmt.Sprintf("%s has Cache-Control %q", last.what, control), keptByReaders)
		}
		// A second, ten more while it is fetched anew, and some for the way.
		if age, err := time.ParseDuration(last.header.Get("Age") + "s"); err == nil && age > 30*time.Second {
			s.wrong(fmt.Sprintf("%s has Age %s", last.what, last.header.Get("Age")), keptTooLong)
		}
	}
	if !hit {
		s.warn(fmt.Sprintf("%s %d times has X-Vercel-Cache %q", last.what, reads, last.header.Get("X-Vercel-Cache")), keptByNobody)
	}
	// An answer that was kept for readers, and then one that was not kept before.
	for _, path := range []string{path, "/api/posts?limit=98"} {
		s.expectAnswer(s.ask(ctx, "GET", path, "", "Authorization", stranger), probe{"GET", path, stranger, 401, "WWW-Authenticate", "Bearer"})
		if a := s.ask(ctx, "GET", path, ""); a.status != http.StatusOK && !s.isBroken(a) {
			s.wrong(fmt.Sprintf("%s = %d after a refused session", a.what, a.status), keepsTooMuch)
		}
	}
}

// checkFeed reads the newest posts as readers do.
func (s *smoke) checkFeed(ctx context.Context, page *answer) {
	list := s.ask(ctx, "GET", "/api/posts?limit=20", "")
	if list.status != http.StatusOK {
		return
	}
	var posts struct {
		Posts []struct{ Author *struct{} }
	}
	_ = json.Unmarshal(list.body, &posts) // openapi.json's check has read it
	if n := len(posts.Posts); n > 0 && !slices.ContainsFunc(posts.Posts, func(p struct{ Author *struct{} }) bool { return p.Author != nil }) {
		s.warn(fmt.Sprintf("%s: none of %d posts has an author", list.what, n), noAuthors)
	}
	feed := s.ask(ctx, "GET", "/feed.xml", "")
	var atom struct {
		ID string `xml:"id"`
	}
	if feed.status != http.StatusOK || xml.Unmarshal(feed.body, &atom) != nil {
		return
	}
	// A preview's own address is never the production domain.
	own := "tag:" + strings.TrimPrefix(s.url, "https://") + ","
	if isPreview(page) && strings.HasPrefix(atom.ID, own) {
		s.wrong(fmt.Sprintf("GET /feed.xml on a preview has the id %s", atom.ID), noSystemVariables)
	}
}

// farDatabase is more than a statement takes within a region or between two that
// are near, and less than from one coast to the other.
const farDatabase = 25 * time.Millisecond

// measure compares a function's answers without and with a statement. The
// difference is what the database takes, as the functions see it.
func (s *smoke) measure(ctx context.Context) {
	fastest := func(method, path string) time.Duration {
		least := time.Duration(math.MaxInt64)
		for i := range 7 {
			at := path
			if strings.Contains(path, "before=") { // another address each time, which no cache has
				at += fmt.Sprintf("%d-%d", time.Now().UnixMilli(), i+1)
			}
			if a := s.ask(ctx, method, at, ""); a.status > 0 && a.status < 500 {
				least = min(least, a.took)
			}
		}
		return least
	}
	page, function, read := fastest("GET", "/robots.txt"), fastest("PUT", "/api/posts"), fastest("GET", "/api/posts?limit=1&before=")
	if max(page, function, read) == math.MaxInt64 {
		return // something did not answer, which is reported
	}
	statement := max(read-function, 0)
	s.note("fastest answers from here: a file %d ms, a function %d ms, with its statement %d ms; functions in %s", page.Milliseconds(), function.Milliseconds(), read.Milliseconds(), s.region)
	if statement > farDatabase {
		s.warn(fmt.Sprintf("A read takes %d ms longer than an answer without a statement", statement.Milliseconds()), farAway)
	}
}
