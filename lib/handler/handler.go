// Package handler is how the functions answer: JSON and problems (RFC 9457),
// caching, HEAD, 304, 405, panics, the deadline, and one line in the log for
// each request that failed.
package handler

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"warble/lib/post"
	"warble/lib/problem"
)

// Deadline bounds a whole request, profiles and reconnections included. A request
// without an answer by then is a 503. Readers leave a page that takes longer.
const Deadline = 5 * time.Second

// CDNMinimum is the shortest time that Vercel's CDN keeps an answer for. A page
// of posts that it keeps for a second costs about one call a second and region,
// however many people read it.
const CDNMinimum = time.Second

// public is for answers that are the same for everybody. The CDN may serve an
// answer for ten seconds more while it fetches the next. Browsers ask each time.
const public = "public, max-age=0, s-maxage=%d, stale-while-revalidate=10"

// Answers to a session, to a write and to a request that failed are for their
// caller only.
const (
	private = "private, no-store"
	failed  = "no-store"
)

// Path is one of the API's paths: what vercel.json routes on it.
type Path struct {
	allow  string // the methods with a function
	prefix string // what stands before a post's id, where the path ends in one
}

// The API's paths. vercel.json routes other methods to a function too, so that
// their 405 is a problem like any other.
var (
	PostsPath = Path{allow: "GET, HEAD, POST, DELETE"}
	PostPath  = Path{allow: "GET, HEAD, PATCH, DELETE", prefix: "/api/posts/"}
	FeedPath  = Path{allow: "GET, HEAD"}
	SharePath = Path{allow: "GET, HEAD", prefix: "/p/"}
)

// Response is what a function answers.
type Response struct {
	Status      int           // HTTP status code
	Body        Body          // the zero Body for none
	Location    string        // Location header; "" for none
	CDNLifetime time.Duration // how long the CDN may keep it, in whole seconds; 0 for not at all. It never keeps an answer to a session
}

// Body is the body of an answer, with its type.
type Body struct {
	contentType string
	text        []byte
	err         error // why it could not be encoded
}

// JSON is value as JSON. A value that cannot be encoded is answered with a 500.
func JSON(value any) Body {
	text, err := json.Marshal(value)
	return Body{"application/json", text, err}
}

// XML is value as an XML document of a type such as "application/atom+xml". A value
// that cannot be encoded is answered with a 500.
func XML(contentType string, value any) Body {
	text, err := xml.Marshal(value)
	return Body{contentType, append([]byte(xml.Header), text...), err}
}

// Document is a text of another type, such as "text/html; charset=utf-8".
func Document(contentType string, text []byte) Body { return Body{contentType, text, nil} }

// Request is a request on its way to a function's own code.
type Request struct {
	*http.Request       // its context ends at the Deadline
	ID            int64 // the post that the path names; 0 on PostsPath
}

// The log goes to standard error, which Vercel keeps line by line.
var log = slog.New(slog.NewJSONHandler(os.Stderr, nil))

// Serve answers r with what handle returns for it. A request with another method
// is a 405; a function for GET answers HEAD too. An error of handle, and a panic,
// are answered as a problem and logged; where handle returns a response beside its
// error, the response's body is sent in place of the problem's JSON.
func Serve(w http.ResponseWriter, r *http.Request, method string, path Path, handle func(*Request) (*Response, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), Deadline)
	defer cancel()
	response, err := call(&Request{Request: r.WithContext(ctx)}, method, path, handle)
	if err == nil && response.Body.err != nil {
		response, err = nil, fmt.Errorf("encode the answer: %w", response.Body.err)
	}
	if err != nil {
		fail(w, r, problem.From(err), response)
		return
	}
	write(w, r, response)
}

func call(r *Request, method string, path Path, handle func(*Request) (*Response, error)) (response *Response, err error) {
	defer func() {
		// Through the bridge a panic would end the process, and its pool of connections.
		if v := recover(); v != nil {
			response, err = nil, fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	if path.prefix != "" {
		if r.ID, err = post.IDInPath(r.URL.Path, path.prefix); err != nil {
			return nil, err
		}
	}
	if r.Method != method && !(r.Method == http.MethodHead && method == http.MethodGet) {
		return nil, &problem.Problem{
			Status: http.StatusMethodNotAllowed,
			Detail: "This path answers " + path.allow + " only.",
			Allow:  path.allow,
		}
	}
	return handle(r)
}

func write(w http.ResponseWriter, r *http.Request, response *Response) {
	header := w.Header()
	header.Set("Cache-Control", private)
	if response.CDNLifetime > 0 && len(r.Header.Values("Authorization")) == 0 {
		header.Set("Cache-Control", fmt.Sprintf(public, response.CDNLifetime/time.Second))
	}
	if response.Location != "" {
		header.Set("Location", response.Location)
	}
	if response.Body.contentType == "" {
		w.WriteHeader(response.Status)
		return
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		sum := sha256.Sum256(response.Body.text)
		etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
		header.Set("ETag", etag)
		if matches(r.Header.Values("If-None-Match"), etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	send(w, r, response.Status, response.Body)
}

// send leaves out the body of an answer to HEAD: the bridge would keep it.
func send(w http.ResponseWriter, r *http.Request, status int, body Body) {
	w.Header().Set("Content-Type", body.contentType)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body.text) // the bridge's writer is a buffer: it cannot fail
	}
}

// matches compares weakly, as If-None-Match asks: a CDN that compresses an
// answer weakens its tag.
func matches(ifNoneMatch []string, etag string) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(ifNoneMatch, ","), ","), func(tag string) bool {
		tag = strings.TrimSpace(tag)
		return tag == "*" || strings.TrimPrefix(tag, "W/") == etag
	})
}

// fail logs a problem and answers it, in the function's own words where it has any.
func fail(w http.ResponseWriter, r *http.Request, p *problem.Problem, own *Response) {
	id := requestID(r)
	level := slog.LevelWarn
	if p.Status >= 500 {
		level = slog.LevelError
	}
	log.Log(context.Background(), level, "request failed",
		"status", p.Status, "method", r.Method, "path", r.URL.Path, "requestId", id, "cause", p.Error())

	header := w.Header()
	clear(header) // what an unfinished answer had set
	header.Set("Cache-Control", failed)
	if p.Status == http.StatusNotFound {
		header.Set("X-Robots-Tag", "noindex")
	}
	if p.Allow != "" {
		header.Set("Allow", p.Allow)
	}
	if p.Status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	if p.RetryAfter > 0 {
		seconds := (p.RetryAfter + time.Second - 1) / time.Second
		header.Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	if own != nil {
		send(w, r, p.Status, own.Body)
		return
	}
	// Strings and a number: encoding them cannot fail.
	body, _ := json.Marshal(struct {
		Type      string `json:"type"`
		Title     string `json:"title"`
		Status    int    `json:"status"`
		Detail    string `json:"detail"`
		RequestID string `json:"requestId,omitempty"`
	}{"about:blank", http.StatusText(p.Status), p.Status, p.Detail, id})
	send(w, r, p.Status, Document("application/problem+json", body))
}

// Origin returns the scheme and host that the request came to, in lower case. It
// is https unless Vercel says otherwise, as vercel dev does. Vercel routes by Host
// and sets X-Forwarded-Proto itself, so that no caller chooses another site's;
// X-Forwarded-Host is not read. The addresses in pages for robots are the one
// exception: share.go writes https on every host.
func Origin(r *http.Request) string {
	host := strings.ToLower(r.Host)
	if r.Header.Get("X-Forwarded-Proto") == "http" {
		return "http://" + host
	}
	return "https://" + host
}

// requestID is Vercel's own id of the request, which its log shows too. It is cut
// to 100 characters, more than Vercel's have: elsewhere a caller may choose it.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Vercel-Id")
	return id[:min(len(id), 100)]
}
