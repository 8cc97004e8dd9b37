package trust

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/vercel/go-bridge/go/bridge"

	"warble/api/posts"
	"warble/dev/local/fakeclerk"
	"warble/dev/local/fakevercel"
	"warble/dev/local/process"
	"warble/dev/testkit"
	"warble/dev/testkit/teston"
)

// handlers are the functions, with the operations of openapi.json that Vercel's
// routes lead to each.
var handlers = []struct {
	operations  string
	contentType string // of what they answer
	lifetime    int    // seconds for which Vercel's CDN may keep that
	function    http.HandlerFunc
}{
	{"listPosts listPostsHead", "application/json", 1, posts.List},
	{"createPost", "application/json", 0, posts.Create},
	{"getPost getPostHead", "application/json", 1, posts.Get},
	{"updatePost", "application/json", 0, posts.Update},
	{"deletePost", "application/json", 0, posts.Delete},
	{"clearPosts", "application/json", 0, posts.Clear},
	{"feed feedHead userFeed userFeedHead", "application/atom+xml; charset=utf-8", 60, posts.Feed},
	{"sharePost sharePostHead", html, 60, posts.Share},
}

const html = "text/html; charset=utf-8"

// FuzzRequest sends any request to any function, through Vercel's bridge, as
// Vercel's proxy does. In the request {token} is a good token of Ada's, {id} a
// post of hers and {other} one of Grace's; the table is the same before each.
//
//	go test -run '^$' -fuzz FuzzRequest -fuzztime 10m ./trust
func FuzzRequest(f *testing.F) {
	fuzzing := flag.Lookup("test.fuzz").Value.String() != ""
	for i, seed := range hostile() {
		if fuzzing && i%20 != 0 {
			continue // a plain run of the tests tries them all
		}
		f.Add(seed.function, seed.method, seed.target, seed.authorization, seed.key, seed.contentType, seed.header, seed.value, []byte(seed.body))
	}
	var target *fuzzed
	if fuzzing && flag.Lookup("test.fuzzworker").Value.String() != "true" {
		// This process directs the run and sends nothing. Its workers, which it may
		// kill, leave their databases where it removes them.
		f.Setenv("TMPDIR", f.TempDir())
	} else {
		target = openFuzzed(f)
	}
	f.Fuzz(func(t *testing.T, function byte, method, path, authorization, key, contentType, header, value string, body []byte) {
		target.try(t, attempt{function, method, path, authorization, key, contentType, header, value, string(body)})
	})
}

// attempt is one request. A header that is "" is not sent.
type attempt struct {
	function                                                             byte
	method, target, authorization, key, contentType, header, value, body string
}

// fuzzed is the functions in this process, on a database outside of it: the
// embedded one would be instrumented for fuzzing too, and then takes most of the
// time.
type fuzzed struct {
	*testkit.Client             // for its tokens
	db              *sqlx.DB    // past the functions
	log             process.Log // what they log, in place of standard error
	read            int64       // so many bytes of it
	dirty           bool        // the table has changed
	id              int64       // of Ada's post; Grace's has the next
	tries           int
}

func openFuzzed(f *testing.F) *fuzzed {
	f.Helper()
	// A process's functions keep the database that is set when it starts.
	if os.Getenv("DATABASE_URL") != "" {
		f.Fatal("DATABASE_URL is set: unset it, or its posts would be deleted")
	}
	server := teston.Start(f)
	clerk := testkit.StartClerk(f, fakeclerk.Config{})
	for name, value := range clerk.Environment(server.URL, nil) {
		f.Setenv(name, value)
	}
	z := &fuzzed{Client: testkit.NewClient(f, "", clerk), dirty: true, db: testkit.Database(f, server.URL), log: testkit.NewLog(f)}

	// The functions took standard error for their log when the process started.
	stderr, err := syscall.Dup(2)
	if err == nil {
		err = syscall.Dup3(int(z.log.Fd()), 2, 0)
	}
	if err != nil {
		f.Fatalf("redirect standard error: %v", err)
	}
	f.Cleanup(func() {
		syscall.Dup3(stderr, 2, 0)
		fmt.Printf("trust: %d whole requests through the bridge\n", z.tries)
	})
	return z
}

// reset makes the table what every request finds.
func (z *fuzzed) reset() {
	if !z.dirty {
		return
	}
	z.db.MustExec("DELETE FROM posts")
	const row = "(?, ?, '2026-01-01', '2026-01-01', ?)"
	result := z.db.MustExec("INSERT INTO posts (user_id, content, created_at, updated_at, idempotency_key) VALUES "+row+", "+row, ada, private, private, grace, private, private)
	z.id, _ = result.LastInsertId() // the first one's
	z.dirty = false
}

func (z *fuzzed) try(t *testing.T, a attempt) {
	z.reset()
	names := strings.NewReplacer("{token}", z.Token(ada), "{id}", fmt.Sprint(z.id), "{other}", fmt.Sprint(z.id+1))
	z.tries++
	target := names.Replace(a.target)
	// What is no request at all, Vercel's proxy does not pass on.
	request, err := http.NewRequest(a.method, "http://warble.example"+target, strings.NewReader(a.body))
	if _, bad := http.NewRequest(a.method, target, nil); err != nil || bad != nil || !strings.HasPrefix(target, "/") {
		t.Skip()
	}
	sent := &bridge.Request{
		Host: "warble.example", Path: target, Method: a.method,
		Encoding: "base64", Body: base64.StdEncoding.EncodeToString([]byte(a.body)),
		Headers: map[string]bridge.ReqHeaderValues{},
	}
	for name, value := range map[string]string{
		"authorization": names.Replace(a.authorization), "idempotency-key": a.key, "content-type": a.contentType, strings.ToLower(a.header): a.value,
	} {
		if name != "" && value != "" {
			sent.Headers[name] = strings.Split(value, "\n") // a flood of one header, too
		}
	}
	const requestID = "fra1::fuzz"
	sent.Headers["x-vercel-id"] = bridge.ReqHeaderValues{requestID}

	which := handlers[int(a.function)%len(handlers)]
	response, err := fakevercel.InProcess(which.function)(t.Context(), sent)
	log := z.readLog(t)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	body, err := base64.StdEncoding.DecodeString(response.Body)
	if err != nil {
		t.Fatalf("body: %v", err)
	}
	header := http.Header(response.Headers)
	header.Set("X-Vercel-Id", requestID) // as Vercel's proxy does
	status := response.StatusCode
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s = %d %v %q: %s\nlog: %s", which.operations, status, header, body, fmt.Sprintf(format, args...), log)
	}
	if status < 300 && a.method != "GET" && a.method != "HEAD" {
		z.dirty = true
	}

	switch {
	case status >= 500: // there is nothing that is not there
		fail("the request broke something")
	case a.method == "HEAD" || status == 204 || status == 304:
		if len(body) > 0 {
			fail("a body where there may be none")
		}
	case status == 404 && which.contentType == html && header.Get("Content-Type") == html:
		if !strings.Contains(string(body), "noindex") {
			fail("a page that is gone may be indexed")
		}
	case status >= 400:
		got, err := testkit.NewAnswer(status, header, body)
		if err = errors.Join(err, got.ProblemError()); err != nil {
			fail("%v", err)
		}
	case status != 200 && status != 201 || header.Get("Content-Type") != which.contentType || which.contentType == "application/json" && !json.Valid(body):
		fail("not what the function is asked for")
	case which.contentType == html && strings.Contains(string(body), "<script"):
		fail("a script")
	}
	cache := fmt.Sprintf("public, max-age=0, s-maxage=%d, stale-while-revalidate=10", which.lifetime)
	if status >= 400 {
		cache = "no-store"
	} else if len(sent.Headers["authorization"]) > 0 {
		cache = "private, no-store"
	}
	if got := header.Get("Cache-Control"); got != cache {
		fail("Cache-Control %q; want %q", got, cache)
	}
	operation, err := testkit.OpenAPI(t).Check(request, status, header, body)
	if err != nil && strings.Contains(which.operations, operation) {
		fail("%v", err)
	}
	z.checkLog(t, status, log)
}

// readLog returns what was logged since it was last called.
func (z *fuzzed) readLog(t *testing.T) string {
	t.Helper()
	text, err := io.ReadAll(io.NewSectionReader(z.log, z.read, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	z.read += int64(len(text))
	return string(text)
}

// checkLog checks that a request that failed is one line, and no other is any.
func (z *fuzzed) checkLog(t *testing.T, status int, log string) {
	t.Helper()
	var line struct {
		Msg, Cause string
		Status     int
	}
	if status >= 400 && (json.Unmarshal([]byte(log), &line) != nil || strings.Count(log, "\n") != 1 || line.Msg != "request failed" || line.Status != status || line.Cause == "") || status < 400 && log != "" {
		t.Errorf("a request that was answered %d logs %q; want one line from 400, and else none", status, log)
	}
	searchLog(t, line.Cause) // method and path are the caller's own, whatever they write there
}

// A hostile request is one field of a good one made bad.
func hostile() []attempt {
	good := []attempt{
		{function: 0, method: "GET", target: "/api/posts?limit=2"},
		{function: 0, method: "HEAD", target: "/api/posts", authorization: "Bearer {token}"},
		{function: 0, method: "GET", target: "/api/posts?userId=" + ada + "&before=1767225600001-9"},
		{function: 1, method: "POST", target: "/api/posts", authorization: "Bearer {token}", key: "another", contentType: "application/json", body: testkit.Content("x")},
		{function: 1, method: "POST", target: "/api/posts", authorization: "Bearer {token}", key: private, contentType: "application/json; charset=utf-8", body: testkit.Content(private)},
		{function: 2, method: "GET", target: "/api/posts/{id}"},
		{function: 2, method: "HEAD", target: "/api/posts/{other}"},
		{function: 3, method: "PATCH", target: "/api/posts/{id}", authorization: "Bearer {token}", contentType: "application/json", body: testkit.Content("x")},
		{function: 3, method: "PATCH", target: "/api/posts/{other}", authorization: "Bearer {token}", contentType: "application/json", body: testkit.Content("x")},
		{function: 4, method: "DELETE", target: "/api/posts/{id}", authorization: "bearer {token}"},
		{function: 4, method: "DELETE", target: "/api/posts/{other}", authorization: "Bearer {token}"},
		{function: 5, method: "DELETE", target: "/api/posts?userId=" + ada, authorization: "Bearer {token}"},
		{function: 5, method: "DELETE", target: "/api/posts?userId=" + grace, authorization: "Bearer {token}"},
		{function: 6, method: "GET", target: "/feed.xml"},
		{function: 6, method: "HEAD", target: "/u/" + ada + "/feed.xml"},
		{function: 7, method: "GET", target: "/p/{id}"},
	}
	encode := base64.RawURLEncoding.EncodeToString
	long := strings.Repeat("9", 20_000)
	authorizations := []string{
		"Bearer", "Bearer ", "Bearer null", "Bearer a.b.c", "Basic YTpi", "{token}", "Bearer {token} ", "Bearer {token}.x", "Bearer {token}\nBearer {token}", "Bearer " + long,
		"Bearer ..", "Bearer {\"payload\":\"e30\",\"signatures\":[]}", "Bearer " + encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(`{"sub":"`+ada+`"}`)) + ".x",
		"Bearer " + encode([]byte(`{"alg":"RS256","crit":["b64"],"b64":false}`)) + ".x.x", "Bearer " + encode([]byte(`{"alg":"RS256","kid":7}`)) + ".e30.x",
		"Bearer " + encode([]byte(`{"alg":"HS256"}`)) + ".e30.x", "Bearer " + encode([]byte("\xff")) + ".e30.x", "Bearer \x00.\x00.\x00",
	}
	targets := []string{
		"/api/posts/0", "/api/posts/-1", "/api/posts/007", "/api/posts/+1", "/api/posts/1e3", "/api/posts/0x1", "/api/posts/9223372036854775807", "/api/posts/9223372036854775808",
		"/api/posts/" + long, "/api/posts/1%20", "/api/posts/%31", "/api/posts/1%00", "/api/posts/{id}/", "/api/posts/{id}/../{other}", "/api/posts/{id}%27%20OR%201=1", "/api/posts/١", "/", "//", "/api/posts/list",
		"/api/posts?limit=0", "/api/posts?limit=101", "/api/posts?limit=-1", "/api/posts?limit=1e1", "/api/posts?limit=" + long, "/api/posts?limit=1&limit=2", "/api/posts?limit=%zz", "/api/posts?limit=1;before=2",
		"/api/posts?before=", "/api/posts?before=0-0", "/api/posts?before=1-1-1", "/api/posts?before=253402300799999-9223372036854775807", "/api/posts?before=253402300800000-1", "/api/posts?before=9223372036854775807-9223372036854775807",
		"/api/posts?before=-1-1", "/api/posts?before=" + url.QueryEscape("' OR 1=1 -- "), "/api/posts?before=%00", "/api/posts?userId=", "/api/posts?userId=user_", "/api/posts?userId=user_%00", "/api/posts?userId=user_%F0%9F%90%A6",
		"/api/posts?userId=" + url.QueryEscape("user_' OR '1'='1"), "/api/posts?userId=user_%5C", "/api/posts?userId=user_" + long, "/api/posts?userId=user_A%20", "/api/posts?" + strings.Repeat("a&", 10_000), "/api/posts?__proto__=1&%FF=%FF",
		"/u//feed.xml", "/u/user_%00/feed.xml", "/u/user_" + long + "/feed.xml", "/u/" + ada + "/feed.xml/feed.xml", "/u/user_<script>/feed.xml", "/p/0", "/p/-1", "/p/" + long, "/p/{id}/", "/p/%31",
	}
	keys := []string{"k", `"k"`, `"`, `""`, `"k`, " k", "k ", "é", "\x00", "\x7f", strings.Repeat("k", 128), strings.Repeat("k", 129), "a\nb", `'; DROP TABLE posts; --`, `\`, private}
	bodies := []string{
		"", "null", "{}", "[]", `"x"`, `{"content":null}`, `{"content":7}`, `{"content":["x"]}`, `{"content":{"a":1}}`, `{"content":"x","content":"y"}`, `{"CONTENT":"x"}`, `{"content":"x"}{}`, `{"content":"x"`,
		`{"content":"x","id":1}`, `{"content":"x","userId":"` + grace + `"}`, `{"content":"\ud800"}`, `{"content":"\udc00\ud800"}`, `{"content":"\ud83d\udc26"}`, "{\"content\":\"\xff\"}", "{\"content\":\"\xed\xa0\x80\"}", `{"content":"\u0000"}`,
		"\ufeff" + testkit.Content("x"), "{\"content\":\"a\nb\"}", testkit.Content("\u2028"), testkit.Content("\u200b"), testkit.Content("\u202e\u0301"), testkit.Content(strings.Repeat("🐦", 200)), testkit.Content(strings.Repeat("🐦", 201)), testkit.Content(strings.Repeat("e\u0301", 100)),
		testkit.Content("'; DROP TABLE posts; --"), testkit.Content(`\' OR 1=1 -- \`), testkit.Content("? :x %s %00 \\"), testkit.Content("\x1b[31m"), testkit.Content(" \u00a0\u3000"), strings.Repeat("[", 16_000), `{"content":` + strings.Repeat("[", 16_000), `{"a":` + strings.Repeat(`{"a":`, 3_000), testkit.Content(strings.Repeat(" ", 17_000)), strings.Repeat(" ", 16<<10) + testkit.Content("x"),
	}
	contentTypes := []string{"", "text/plain", "application/json; charset=latin1", "application/json; charset=\"utf-8\"", "application/json;", "application/json, text/plain", "APPLICATION/JSON", "application/json\nmultipart/form-data", "application/x-www-form-urlencoded", "multipart/form-data; boundary=", long}
	headers := [][2]string{
		{"If-None-Match", "*"}, {"If-None-Match", `W/"x", "y"`}, {"If-None-Match", strings.Repeat(`"x",`, 5_000)}, {"Content-Encoding", "gzip"}, {"Content-Length", "-1"}, {"Content-Length", "99999999999999999999"}, {"Transfer-Encoding", "chunked"},
		{"X-HTTP-Method-Override", "DELETE"}, {"X-Forwarded-Host", "evil.example"}, {"Host", "evil.example"}, {"Host", ""}, {"X-Real-Ip", "\x00"}, {"Origin", "https://evil.example"}, {"Cookie", "__session={token}"}, {"Expect", "100-continue"},
		{"Accept", "text/html"}, {"Range", "bytes=0-1"}, {"X", strings.Repeat("x\n", 5_000)}, {"\x00", "x"}, {strings.Repeat("x", 10_000), "x"}, {"Authorization", "Bearer a.b.c"},
	}
	all := append([]attempt{}, good...)
	for i, a := range good {
		vary := func(change func(*attempt)) { bad := a; change(&bad); all = append(all, bad) }
		each := func(values []string, change func(a *attempt, value string)) {
			for _, value := range values {
				vary(func(a *attempt) { change(a, value) })
			}
		}
		each([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "BREW"}, func(a *attempt, value string) { a.method = value })
		for j := range handlers { // what Vercel's routes would never do
			vary(func(a *attempt) { a.function = byte(j) })
		}
		each(authorizations, func(a *attempt, value string) { a.authorization = value })
		for _, header := range headers {
			vary(func(a *attempt) { a.header, a.value = header[0], header[1] })
		}
		if i < 3 || a.function == 2 || a.function >= 5 {
			each(targets, func(a *attempt, value string) { a.target = value })
			continue
		}
		each(keys, func(a *attempt, value string) { a.key = value })
		each(bodies, func(a *attempt, value string) { a.body = value })
		each(contentTypes, func(a *attempt, value string) { a.contentType = value })
	}
	return all
}
