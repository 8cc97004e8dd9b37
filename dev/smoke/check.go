package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"warble/dev/local/fakevercel"
	"warble/lib/env"
	"warble/lib/problem"
)

// timeout bounds a request. A function's own deadline is 5 s, behind a cold start.
const timeout = 20 * time.Second

// check is a request, and what must hold of its answer beside what openapi.json and
// vercel.json say.
type check struct {
	name         string // what method and path do not say, as "with a token of nobody's"
	method, path string // the path is an address where it is not the deployment that is asked
	session      string // a session token
	headers      map[string]string
	body         string

	status        int
	header, value string // which the answer must have, of any value where that is ""
	has           string // what its body must contain
	file          []byte // of the tree, which it must be
	means         advice // of another status or body: otherFunctions unless it is set
}

// answer is what a request got.
type answer struct {
	what    string // the request, for people
	status  int    // 0 for none
	header  http.Header
	body    []byte
	took    time.Duration
	problem struct{ Detail, RequestID string } // of an error of the API's
	request *http.Request
}

// cached tells whether a cache answered in the functions' place, Vercel's or
// another's.
func (a *answer) cached() bool {
	state := a.header.Get("X-Vercel-Cache")
	return state == "HIT" || state == "STALE" || cmp.Or(a.header.Get("Age"), "0") != "0"
}

// says is an answer in few words: its status, and what an error says of itself.
func (a *answer) says() string {
	return strings.TrimRight(fmt.Sprintf("%s = %d %s", a.what, a.status, a.problem.Detail), ". ")
}

// ask sends a check's request. No answer is reported.
func (s *smoke) ask(ctx context.Context, c check) *answer {
	s.requests++
	client := http.Client{Timeout: timeout} // Clerk leads on to the newest version of ClerkJS
	at, silent := c.path, c.means
	headers := map[string]string{"Origin": s.url}
	if strings.HasPrefix(c.path, "/") {
		at, silent = s.url+c.path, noAnswer
		headers = map[string]string{
			"X-Vercel-Skip-Toolbar":      "1", // which Vercel puts into a preview's page
			"X-Vercel-Protection-Bypass": env.Get("VERCEL_AUTOMATION_BYPASS_SECRET"),
		}
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a redirect is an answer too
	}
	if c.session != "" {
		headers["Authorization"] = "Bearer " + c.session
	}
	request, err := http.NewRequestWithContext(ctx, c.method, at, strings.NewReader(c.body))
	if err != nil {
		panic(err) // the paths are ours or our API's, and build.sh lets only a URL of Clerk's through
	}
	a := &answer{what: strings.TrimSpace(c.method + " " + c.path + " " + c.name), request: request}
	maps.Copy(headers, c.headers)
	for name, value := range headers {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	begun := time.Now()
	response, err := client.Do(request)
	if err == nil {
		defer response.Body.Close()
		a.body, err = io.ReadAll(response.Body)
	} else {
		err = errors.Unwrap(err) // it has the address once more
	}
	if err != nil {
		s.find(fmt.Sprintf("%s: %v", a.what, err), silent)
		return a
	}
	a.status, a.header, a.took = response.StatusCode, response.Header, time.Since(begun)
	if strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") {
		_ = json.Unmarshal(a.body, &a.problem) // one that is no JSON is openapi.json's to refuse
	}
	return a
}

// check sends a check's request, and judges the answer.
func (s *smoke) check(ctx context.Context, c check) (a *answer, good bool) {
	a = s.ask(ctx, c)
	return a, s.judge(c, a)
}

// judge reports what does not hold of an answer. It returns whether all holds.
func (s *smoke) judge(c check, a *answer) bool {
	seen, means, reason := a.says(), advice{}, a.header.Get("X-Vercel-Error")
	isOurs, isPerson := strings.HasPrefix(c.path, "/"), c.session != "" && c.session != stranger
	switch {
	case a.status == 0, c.method == "HEAD" && a.status >= 500: // reported, as that and of the same GET
		return false
	case isOurs && a.cached() && (c.status >= 400 && c.file == nil || c.session != ""), c.session == stranger && a.status == 200:
		seen, means = seen+" from a cache", keepsTooMuch
	case strings.HasPrefix(a.problem.Detail, problem.MisconfiguredPrefix):
		seen, means = fmt.Sprintf("%s = %d", a.what, a.status), wrongVariable.of(strings.TrimSuffix(a.problem.Detail, ". Then deploy again."))
	case strings.HasPrefix(reason, "FUNCTION_"):
		means = processEnded.of(reason)
	case isOurs && a.status == 500:
		means = statementFails
	case isOurs && a.status > 500:
		means = needsUnanswered
	case isPerson && a.status == 401:
		means = refusesSession
	case a.status != c.status:
		seen, means = fmt.Sprintf("%s, where %d is promised", seen, c.status), cmp.Or(c.means, otherFunctions)
	default:
		return !isOurs || s.compare(c, a, isPerson)
	}
	s.find(seen, means)
	return false
}

// compare reports what does not hold of an answer with the promised status.
func (s *smoke) compare(c check, a *answer, isPerson bool) bool {
	good := true
	expect := func(holds bool, means advice, format string, args ...any) {
		if !holds {
			good = false
			s.find(fmt.Sprintf("%s = %d", a.what, a.status)+fmt.Sprintf(format, args...), means)
		}
	}
	_, promised, _ := fakevercel.Follow(s.vercel.Routes, a.request)
	for _, name := range slices.Sorted(maps.Keys(promised)) {
		got, promised := a.header.Get(name), promised.Get(name)
		isMore := name == "Strict-Transport-Security" && strings.HasPrefix(got, promised) // Vercel's own domains add to it
		expect(got == promised || isMore, otherHeaders, " has %s %q", name, got)
	}
	if _, err := s.api.Check(a.request, a.status, a.header, a.body); err != nil {
		broken, _, _ := strings.Cut(err.Error(), "\n")
		_, broken, _ = strings.Cut(broken, " is not ")
		expect(false, otherAPI, " is not %s", broken)
	}
	got, control, id := a.header.Get(c.header), a.header.Get("Cache-Control"), a.header.Get("X-Vercel-Id")
	expect(c.header == "" || got == c.value || c.value == "" && got != "", rewritten, " has %s %q, where %q is promised", c.header, got, c.value)
	expect(a.problem.Detail == "" || lastPart(a.problem.RequestID) == lastPart(id), rewritten, " has the requestId %q and X-Vercel-Id %q", a.problem.RequestID, id)
	expect(bytes.Contains(a.body, []byte(c.has)), cmp.Or(c.means, otherFunctions), " without %q", c.has)
	expect(c.file == nil || s.isFile(a.body, c.file), c.means, " is not this tree's (Age %q)", a.header.Get("Age"))
	if isPerson && a.status < 300 {
		expect(control == "private, no-store", keepsTooMuch, " to a session has Cache-Control %q", control)
	} else if strings.HasPrefix(c.path, "/api/") && a.status == 200 {
		isPrivate := strings.Contains(control, "private")
		expect(!isPrivate, keepsTooMuch, " has Cache-Control %q for everybody", control)
		expect(isPrivate || control == "public, max-age=0, must-revalidate", keptByReaders, " has Cache-Control %q", control)
		// A second, ten more while it is fetched anew, and some for the way.
		age, _ := time.ParseDuration(a.header.Get("Age") + "s")
		expect(age <= 30*time.Second, keptTooLong, " has Age %v", age)
	}

	// What the answer says beside what it promises.
	kept := good
	if strings.HasPrefix(c.path, "/api/posts") && !a.cached() {
		regions := strings.Split(id, "::")
		s.region = regions[max(len(regions)-2, 0)] // the last before the id is the function's
		expect(slices.Contains(s.vercel.Regions, s.region), otherRegion, " has X-Vercel-Id %s", id)
	}
	if bytes.Contains(a.body, []byte(`"createdAt":`)) && !bytes.Contains(a.body, []byte(`"author":`)) {
		expect(!isPerson, noAuthor, " without an author")
		expect(isPerson, noAuthors, " has posts, and none has an author")
	}
	// A preview's own address is never the production domain.
	own := "<id>tag:" + strings.TrimPrefix(s.url, "https://") + ","
	isOwn := strings.HasSuffix(c.path, "/feed.xml") && bytes.Contains(a.body, []byte(own))
	expect(!s.isPreview || !isOwn, noSystemVariables, " has on a preview the id %s", own)
	return kept
}

// lastPart is the id in X-Vercel-Id, without the regions before it.
func lastPart(id string) string { return id[strings.LastIndex(id, ":")+1:] }
