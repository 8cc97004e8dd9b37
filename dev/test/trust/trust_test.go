// Package trust tries to break Warble as it is deployed: the built functions,
// several processes of each, behind the routes of their build. What is broken
// around them is the database, the network, the processes themselves and Clerk;
// who tries is everybody who can send a request.
package trust

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	localclerk "warble/dev/local/clerk"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/faults"
	"warble/dev/testkit/mariadb"
)

func TestMain(m *testing.M) {
	// The local Vercel says there which of its functions was killed.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	status := m.Run()
	if n := searched.Load(); n > 0 {
		fmt.Printf("trust: %d lines of the functions' logs searched for tokens, keys, passwords and people's text\n", n)
	}
	if err := artifact.Remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// site is a deployment, and everything that it stands on.
type site struct {
	*artifact.Deployment
	tb       testing.TB
	clerk    *localclerk.Clerk
	clerkAPI *unreliable // between the functions and Clerk's Backend API
	server   *mariadb.Server
	proxy    *faults.Proxy // between the functions and the database
	db       *sqlx.DB      // past both
	client   *http.Client

	mu     sync.Mutex
	tokens map[string]token // by user
}

type token struct {
	text string
	made time.Time
}

// deploy starts the built functions on a MariaDB of their own, with so many
// processes each, and searches what they logged when the test ends. A variable
// that environment says is empty is unset.
func deploy(tb testing.TB, processes int, environment map[string]string) *site {
	tb.Helper()
	// Not the address that is served: a session's origin need only be ours.
	clerk, err := localclerk.New(localclerk.Config{Origin: "https://warble.example"})
	if err != nil {
		tb.Fatal(err)
	}
	s := &site{
		tb: tb, clerk: clerk, clerkAPI: &unreliable{clerk: clerk},
		server: mariadb.Start(tb),
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}, // the page's timeout
		tokens: map[string]token{},
	}
	s.proxy = faults.New(tb, s.server.Addr())
	s.db = testkit.Database(tb, s.server.URL())
	throughProxy, _ := url.Parse(s.server.URL()) // testkit.Database could
	throughProxy.Host = s.proxy.Addr()
	api := httptest.NewServer(s.clerkAPI)
	tb.Cleanup(api.Close)
	tb.Cleanup(s.clerkAPI.heal) // or the server would wait for what hangs in it

	env := clerk.Env()
	env["CLERK_API_URL"] = api.URL
	env["DATABASE_URL"] = throughProxy.String()
	env["POST_INTERVAL"] = "0"
	maps.Copy(env, environment)
	maps.DeleteFunc(env, func(_, value string) bool { return value == "" })
	s.Deployment = artifact.Start(tb, env, processes)
	tb.Cleanup(func() { searchLog(tb, s.Log()) })
	return s
}

// Two of the local Clerk's people. Any other user of a good token is good too.
const (
	ada   = "user_ada00000000000000000000000"
	grace = "user_grace000000000000000000000"
	hedy  = "user_hedy0000000000000000000000" // a moderator
)

// token is a good token of a user. One lasts a minute, and signing is slow.
func (s *site) token(user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.tokens[user]
	if time.Since(known.made) > 30*time.Second {
		known = token{s.clerk.Token(user), time.Now()}
		s.tokens[user] = known
	}
	return known.text
}

// post is a post as the API gives it.
type post struct {
	ID      int64           `json:"id"`
	UserID  string          `json:"userId"`
	Content string          `json:"content"`
	Created time.Time       `json:"createdAt"`
	Author  json.RawMessage `json:"author"`
}

// answer is an answer over HTTP. What its body has none of is zero.
type answer struct {
	status int
	header http.Header
	text   string
	post
	Posts  []post `json:"posts"`
	Next   string `json:"next"`
	Detail string `json:"detail"`
}

// isProblem tells whether it is an answer of a function that failed, and says
// what to do.
func (a answer) isProblem() bool {
	return a.header.Get("Content-Type") == "application/problem+json" && a.Detail != ""
}

// send sends a request as authorization, which may be "". Headers come in
// pairs. An error is a request without an answer.
func (s *site) send(authorization, method, path, body string, headers ...string) (answer, error) {
	request, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	got := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	if strings.Contains(response.Header.Get("Content-Type"), "json") && len(text) > 0 {
		if err := json.Unmarshal(text, &got); err != nil {
			return answer{}, fmt.Errorf("%s %s: body %q: %w", method, path, text, err)
		}
	}
	return got, nil
}

// must is send for an answer of one status.
func (s *site) must(status int, authorization, method, path, body string, headers ...string) answer {
	s.tb.Helper()
	got, err := s.send(authorization, method, path, body, headers...)
	if err != nil || got.status != status {
		s.tb.Fatalf("%s %s = %d %s, %v; want %d", method, path, got.status, got.text, err, status)
	}
	return got
}

// as is the Authorization of a user.
func (s *site) as(user string) string { return "Bearer " + s.token(user) }

// private is in every text and idempotency key that these tests send, so that
// none of those is in a log which this word is not in.
const private = "xyzzy"

func content(text string) string {
	body, _ := json.Marshal(map[string]string{"content": text}) // a map of strings encodes
	return string(body)
}

func at(id int64) string { return fmt.Sprint("/api/posts/", id) }

// walk reads the whole feed.
func (s *site) walk() []post {
	s.tb.Helper()
	var posts []post
	for before := ""; ; {
		got := s.must(200, "", "GET", "/api/posts?limit=100"+before, "")
		posts = append(posts, got.Posts...)
		if got.Next == "" {
			return posts
		}
		before = "&before=" + got.Next
	}
}

func upTo(rng *rand.Rand, d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }

// pause waits, or returns earlier when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

var searched atomic.Int64 // lines of logs

// searchLog checks that a log has nothing that a log must not have.
func searchLog(tb testing.TB, log string) {
	tb.Helper()
	for line := range strings.Lines(log) {
		searched.Add(1)
		if secret := secretIn(line); secret != "" {
			tb.Errorf("the log has %s: %s", secret, line)
		}
	}
}

// secretIn names the first secret in a line, or returns "".
func secretIn(line string) string {
	for sign, secret := range map[string]string{
		"eyJ":      "a session token",
		"Bearer ":  "an Authorization header",
		"sk_test_": "Clerk's secret key",
		"w@rble":   "the database's password",
		"w%40rble": "the database's password",
		private:    "a post or an idempotency key",
	} {
		if strings.Contains(line, sign) {
			return secret
		}
	}
	return ""
}
