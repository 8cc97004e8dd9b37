package handler

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vercel/go-bridge/go/bridge"

	"warble/lib/problem"
)

// served is an answer as the bridge hands it to Vercel.
type served struct {
	status int
	header http.Header
	body   string
	log    string
}

// serve calls a handler for GET on the path of one post, through the bridge.
func serve(t *testing.T, method, path string, header map[string]string, handle func(*Request) (*Response, error)) served {
	t.Helper()
	var lines bytes.Buffer
	old := log
	log = slog.New(slog.NewJSONHandler(&lines, nil))
	defer func() { log = old }()
	request := &bridge.Request{Method: method, Path: path, Headers: map[string]bridge.ReqHeaderValues{"x-vercel-id": {"fra1::1"}}}
	for name, value := range header {
		request.Headers[name] = bridge.ReqHeaderValues{value}
	}
	response, err := bridge.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Serve(w, r, http.MethodGet, PostPath, handle)
	}), request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := base64.StdEncoding.DecodeString(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return served{response.StatusCode, response.Headers, string(body), lines.String()}
}

func ok(*Request) (*Response, error) {
	return &Response{Status: 200, Body: JSON(map[string]string{"a": "<b>"}), CDNLifetime: CDNMinimum}, nil
}

// checkProblem checks what every problem has, and its one line in the log.
func checkProblem(t *testing.T, got served, status int, cause string) {
	t.Helper()
	var body struct {
		Type, Title, Detail, RequestID string
		Status                         int
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatalf("body %q: %v", got.body, err)
	}
	if got.status != status || body.Status != status || body.Title != http.StatusText(status) || body.Type == "" || body.Detail == "" || body.RequestID != "fra1::1" {
		t.Errorf("%d %s; want a problem of status %d with type, title, detail and request id", got.status, got.body, status)
	}
	if (got.header.Get("X-Robots-Tag") == "noindex") != (status == 404) || got.header.Get("Content-Type") != "application/problem+json" || got.header.Get("Cache-Control") != "no-store" || got.header.Get("Etag") != "" {
		t.Errorf("header %v; want a problem that nobody stores", got.header)
	}
	var line struct {
		Level, Msg, Method, Path, RequestID, Cause string
		Status                                     int
	}
	if err := json.Unmarshal([]byte(got.log), &line); err != nil || strings.Count(got.log, "\n") != 1 {
		t.Fatalf("log %q: %v; want one JSON line", got.log, err)
	}
	if line.Msg != "request failed" || line.Status != status || line.RequestID != "fra1::1" || !strings.Contains(line.Cause, cause) {
		t.Errorf("log %s; want status %d, the request id and the cause %q", got.log, status, cause)
	}
	if (line.Level == "ERROR") != (status >= 500) {
		t.Errorf("log level %s for %d", line.Level, status)
	}
}

func TestReadersGetJSONThatTheCDNMayKeepForASecond(t *testing.T) {
	got := serve(t, "GET", "/api/posts/1", nil, ok)
	if got.status != 200 || got.body != `{"a":"\u003cb\u003e"}` || got.header.Get("Content-Type") != "application/json" || got.log != "" {
		t.Errorf("%+v; want JSON and no line in the log", got)
	}
	if cc := got.header.Get("Cache-Control"); !strings.Contains(cc, "s-maxage=1,") || !strings.Contains(cc, "max-age=0") || !strings.Contains(cc, "stale-while-revalidate") {
		t.Errorf("Cache-Control %q", cc)
	}
	withSession := serve(t, "GET", "/api/posts/1", map[string]string{"authorization": "Bearer x"}, ok)
	forNobodyElse := serve(t, "GET", "/api/posts/1", nil, func(*Request) (*Response, error) { return &Response{Status: 200, Body: JSON(1)}, nil })
	for what, private := range map[string]served{"with a session": withSession, "without a lifetime": forNobodyElse} {
		if cc := private.header.Get("Cache-Control"); cc != "private, no-store" {
			t.Errorf("%s: Cache-Control %q; want private, no-store", what, cc)
		}
	}
}

func TestANewPostsAddressIsInItsAnswer(t *testing.T) {
	for _, location := range []string{"", "/api/posts/42"} {
		got := serve(t, "GET", "/api/posts/1", nil, func(*Request) (*Response, error) { return &Response{Status: 201, Location: location}, nil })
		if values, has := got.header["Location"]; has != (location != "") || got.header.Get("Location") != location {
			t.Errorf("Location %q; want %q", values, location)
		}
	}
}

func TestHEADHasTheHeadersOfGETAndNoBody(t *testing.T) {
	get, head := serve(t, "GET", "/api/posts/1", nil, ok), serve(t, "HEAD", "/api/posts/1", nil, ok)
	if head.status != 200 || head.body != "" || head.header.Get("Etag") != get.header.Get("Etag") || head.header.Get("Content-Type") != "application/json" {
		t.Errorf("HEAD = %+v; GET = %+v", head, get)
	}
	missing := serve(t, "HEAD", "/api/posts/x", nil, ok)
	if missing.status != 404 || missing.body != "" {
		t.Errorf("HEAD of nothing = %+v; want 404 without a body", missing)
	}
}

func TestUnchangedAnswersAreNotSentAgain(t *testing.T) {
	etag := serve(t, "GET", "/api/posts/1", nil, ok).header.Get("Etag")
	if len(etag) < 10 || etag[0] != '"' {
		t.Fatalf("ETag %q", etag)
	}
	for sent, status := range map[string]int{
		etag: 304, "W/" + etag: 304, `"x", ` + etag: 304, `"x" , W/` + etag + ` ,"y"`: 304, "*": 304,
		`"x"`: 200, "": 200, strings.Trim(etag, `"`): 200,
	} {
		got := serve(t, "GET", "/api/posts/1", map[string]string{"if-none-match": sent}, ok)
		if got.status != status || (got.body == "") != (status == 304) || got.header.Get("Etag") != etag || got.header.Get("Cache-Control") != "public, max-age=0, s-maxage=1, stale-while-revalidate=10" {
			t.Errorf("If-None-Match %s = %+v; want %d", sent, got, status)
		}
	}
	other := serve(t, "GET", "/api/posts/1", map[string]string{"if-none-match": etag}, func(*Request) (*Response, error) {
		return &Response{Status: 200, Body: JSON(2), CDNLifetime: CDNMinimum}, nil
	})
	if other.status != 200 {
		t.Errorf("another answer = %d; want 200", other.status)
	}
}

func TestPanicIsAProblemAndNotADeadProcess(t *testing.T) {
	got := serve(t, "GET", "/api/posts/1", nil, func(*Request) (*Response, error) {
		var nothing *Response
		return &Response{Status: nothing.Status}, nil
	})
	checkProblem(t, got, 500, "nil pointer")
	if !strings.Contains(got.log, "handler_test.go") || strings.Contains(got.body, "nil pointer") || strings.Contains(got.body, ".go") {
		t.Errorf("body %s, log %s; want the stack in the log alone", got.body, got.log)
	}
}

func TestMistakesOfOursSayNothingToCallers(t *testing.T) {
	got := serve(t, "GET", "/api/posts/1", nil, func(*Request) (*Response, error) { return nil, errors.New("dial 10.0.0.1") })
	checkProblem(t, got, 500, "dial 10.0.0.1")
	if strings.Contains(got.body, "10.0.0.1") {
		t.Errorf("body %s gives the cause away", got.body)
	}
	for _, body := range []Body{JSON(math.NaN()), XML("application/atom+xml", func() {})} {
		unencodable := serve(t, "GET", "/api/posts/1", nil, func(*Request) (*Response, error) {
			return &Response{Status: 200, Body: body, CDNLifetime: CDNMinimum, Location: "/x"}, nil
		})
		checkProblem(t, unencodable, 500, "encode")
		if unencodable.header.Get("Location") != "" {
			t.Errorf("header %v has what the half-made answer had set", unencodable.header)
		}
	}
}

// A robot that asks for a post's page shows what it gets: a page, and not JSON.
func TestAFunctionMayFailInItsOwnWords(t *testing.T) {
	got := serve(t, "GET", "/api/posts/1", nil, func(*Request) (*Response, error) {
		return &Response{Body: Document("text/html", []byte("<p>gone"))}, problem.NotFound()
	})
	if got.status != 404 || got.body != "<p>gone" || got.header.Get("Content-Type") != "text/html" || got.header.Get("Cache-Control") != "no-store" ||
		got.header.Get("X-Robots-Tag") != "noindex" || got.header.Get("Etag") != "" || strings.Count(got.log, "\n") != 1 {
		t.Errorf("%+v; want a 404 with the function's body, that nobody stores, and a line in the log", got)
	}
}

func TestProblemsCarryTheHeadersOfTheirStatus(t *testing.T) {
	for _, test := range []struct {
		p             problem.Problem
		header, value string
	}{
		{problem.Problem{Status: 401, Detail: "d"}, "Www-Authenticate", "Bearer"},
		{problem.Problem{Status: 503, Detail: "d", RetryAfter: time.Second}, "Retry-After", "1"},
		{problem.Problem{Status: 429, Detail: "d", RetryAfter: 4001 * time.Millisecond}, "Retry-After", "5"},
		{problem.Problem{Status: 404, Detail: "d"}, "Retry-After", ""},
	} {
		got := serve(t, "GET", "/api/posts/1", nil, func(*Request) (*Response, error) { return nil, &test.p })
		checkProblem(t, got, test.p.Status, "d")
		if value := got.header.Get(test.header); value != test.value {
			t.Errorf("%d: %s %q; want %q", test.p.Status, test.header, value, test.value)
		}
	}
}

func TestOtherMethodsAndPathsReachNoCodeOfTheFunction(t *testing.T) {
	never := func(*Request) (*Response, error) { panic("called") }
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "BREW"} {
		got := serve(t, method, "/api/posts/1", nil, never)
		checkProblem(t, got, 405, "GET, HEAD")
		if allow := got.header.Get("Allow"); allow != "GET, HEAD, PATCH, DELETE" {
			t.Errorf("%s: Allow %q", method, allow)
		}
	}
	for _, path := range []string{"/api/posts/0", "/api/posts/x", "/api/posts/1/", "/api/posts/list", "/api/nothing", "/"} {
		checkProblem(t, serve(t, "POST", path, nil, never), 404, "")
	}
}

func TestHandlersSeeThePostsIDAndTheDeadline(t *testing.T) {
	got := serve(t, "GET", "/api/posts/42?x=1", nil, func(r *Request) (*Response, error) {
		deadline, ok := r.Context().Deadline()
		if r.ID != 42 || !ok || time.Until(deadline) > Deadline {
			t.Errorf("ID %d, deadline %v", r.ID, deadline)
		}
		return &Response{Status: 204}, nil
	})
	if got.status != 204 || got.body != "" || got.header.Get("Content-Type") != "" {
		t.Errorf("%+v; want 204 without a body", got)
	}
}

func TestLongRequestIDsAreCutInTheLog(t *testing.T) {
	got := serve(t, "GET", "/api/posts/x", map[string]string{"x-vercel-id": strings.Repeat("a", 10_000)}, ok)
	if len(got.log) > 1000 || len(got.body) > 1000 {
		t.Errorf("log of %d bytes, body of %d", len(got.log), len(got.body))
	}
}
