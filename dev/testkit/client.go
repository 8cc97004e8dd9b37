package testkit

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"warble/dev/local/fakeclerk"
	"warble/dev/local/openapi"
)

// Nobody is in the place of a user's id where there is no session.
const Nobody = ""

var readOpenAPI = sync.OnceValues(func() (*openapi.Description, error) { return openapi.Read(Root()) })

// OpenAPI is the description of the API.
func OpenAPI(tb testing.TB) *openapi.Description {
	tb.Helper()
	description, err := readOpenAPI()
	if err != nil {
		tb.Fatal(err)
	}
	return description
}

// A Client sends requests to a Warble, as any of the users whom a Clerk instance
// signs tokens for. Every answer is held against openapi.json. Its methods are
// safe for concurrent use.
type Client struct {
	tb     testing.TB
	origin string // Warble's
	clerk  *fakeclerk.Clerk
	tokens *sync.Map // by user: one lasts a minute, and signing is slow
	http   *http.Client
}

type token struct {
	text   string
	signed time.Time
}

// NewClient returns a client of the Warble at an origin whose functions trust a Clerk
// instance.
func NewClient(tb testing.TB, origin string, clerk *Clerk) *Client {
	return &Client{
		tb: tb, origin: origin, clerk: clerk.Clerk, tokens: &sync.Map{},
		http: &http.Client{
			Timeout:   30 * time.Second,
			Transport: &http.Transport{MaxIdleConnsPerHost: 100},
			// A redirect is an answer too.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// For is the client for a subtest: what fails there fails that.
func (c *Client) For(tb testing.TB) *Client {
	copied := *c
	copied.tb = tb
	return &copied
}

// Token is a good session token of a user.
func (c *Client) Token(user string) string {
	if known, ok := c.tokens.Load(user); ok && time.Since(known.(token).signed) < 30*time.Second {
		return known.(token).text
	}
	signed := token{c.clerk.Token(user), time.Now()}
	c.tokens.Store(user, signed)
	return signed.text
}

// Try sends a request as a user, or as Nobody. A body is sent as JSON. Headers
// come in pairs of name and value, and replace what is sent otherwise. An error
// is a request without an answer.
func (c *Client) Try(user, method, path, body string, headers ...string) (Answer, error) {
	request, err := http.NewRequest(method, c.origin+path, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if user != Nobody {
		request.Header.Set("Authorization", "Bearer "+c.Token(user))
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.http.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return Answer{}, err
	}
	// Vercel's own words for a function that died are not the API's.
	died := response.StatusCode == http.StatusInternalServerError && strings.HasPrefix(string(text), "FUNCTION_")
	if _, err := OpenAPI(c.tb).Check(request, response.StatusCode, response.Header, text); err != nil && !died {
		c.tb.Error(err)
	}
	return NewAnswer(response.StatusCode, response.Header, text)
}

// Call is Try for a request that must be answered.
func (c *Client) Call(user, method, path, body string, headers ...string) Answer {
	c.tb.Helper()
	got, err := c.Try(user, method, path, body, headers...)
	if err != nil {
		c.tb.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

// Must is Call for an answer that must have a status.
func (c *Client) Must(status int, user, method, path, body string, headers ...string) Answer {
	c.tb.Helper()
	got := c.Call(user, method, path, body, headers...)
	if got.Status != status {
		c.tb.Fatalf("%s %s = %d %s; want %d", method, path, got.Status, got.Text, status)
	}
	return got
}

// Publish makes a post and returns it.
func (c *Client) Publish(user, content string, headers ...string) Post {
	c.tb.Helper()
	return c.Must(http.StatusCreated, user, "POST", "/api/posts", Content(content), headers...).Post
}

// Content is the body of a request that publishes or edits a post.
func Content(text string) string {
	body, _ := json.Marshal(map[string]string{"content": text}) // strings encode
	return string(body)
}

// Post is a post as the API gives it.
type Post struct {
	ID        int64  `json:"id"`
	UserID    string `json:"userId"`
	Content   string `json:"content"`
	CreatedAt string `json:"createdAt"`
	UpdatedAt string `json:"updatedAt"`
	Author    Author `json:"author"` // zero where the API gives none
}

// Path is where the API has the post.
func (p Post) Path() string { return fmt.Sprint("/api/posts/", p.ID) }

// Author is a post's author as the API gives it.
type Author struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Username string `json:"username"`
	ImageURL string `json:"imageUrl"`
}

// Problem is what an answer says of a request that failed.
type Problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	RequestID string `json:"requestId"`
}

// Answer is an answer over HTTP. What its body does not have is zero.
type Answer struct {
	Status int         `json:"-"`
	Header http.Header `json:"-"`
	Text   string      `json:"-"` // the body
	Problem
	Post
	Posts []Post `json:"posts"`
	Next  string `json:"next"`
}

// NewAnswer decodes an answer. A body that says it is JSON and is not is an error.
func NewAnswer(status int, header http.Header, body []byte) (Answer, error) {
	got := Answer{Status: status, Header: header, Text: string(body)}
	if len(body) > 0 && strings.Contains(header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(body, &got); err != nil {
			return got, fmt.Errorf("body %q: %w", body, err)
		}
	}
	return got, nil
}

// secrets are signs of what callers must not be told.
var secrets = regexp.MustCompile(`127\.0\.0\.1|localhost|\.go\b|goroutine|SQL|sql|mysql|Bearer ey`)

// ProblemError returns what keeps an answer from being a problem (RFC 9457) of its
// status that says what to do, gives nothing away and is stored nowhere.
func (a Answer) ProblemError() error {
	p := a.Problem
	switch {
	case a.Header.Get("Content-Type") != "application/problem+json" || a.Header.Get("Cache-Control") != "no-store":
		return fmt.Errorf("header %v; want a problem that nobody stores", a.Header)
	case p.Type == "" || p.Title != http.StatusText(a.Status) || p.Status != a.Status || p.Detail == "":
		return fmt.Errorf("%d %s does not say what happened and what to do", a.Status, a.Text)
	case p.RequestID == "" || p.RequestID != a.Header.Get("X-Vercel-Id"):
		return fmt.Errorf("%d %s has another request id than the header, %q", a.Status, a.Text, a.Header.Get("X-Vercel-Id"))
	case secrets.MatchString(p.Title + p.Detail):
		return fmt.Errorf("%d %s gives %q away", a.Status, a.Text, secrets.FindString(p.Title+p.Detail))
	case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "":
		return fmt.Errorf("%d %s does not say when to try again", a.Status, a.Text)
	}
	return nil
}

// WantProblem checks that an answer is a problem of a status. What says what was
// asked for.
func (a Answer) WantProblem(tb testing.TB, what string, status int) {
	tb.Helper()
	if a.Status != status {
		tb.Errorf("%s = %d %s; want %d", what, a.Status, a.Text, status)
	} else if err := a.ProblemError(); err != nil {
		tb.Errorf("%s: %v", what, err)
	}
}
