// Command smoke finds what is wrong with a deployment of this tree: from outside
// with no secret, as a signed-in person, and in the database. `make smoke
// URL=https://…` starts it, in dev/. Each finding is a line: what was seen, what
// it means, what to do. Its status is 1 if anything is wrong; a warning alone
// leaves it 0.
//
// Everything is in the environment: URL; TOKEN or CLERK_SECRET_KEY (of a
// development instance) for a post that is published and deleted, WRITE=1 to do
// that in production too; DATABASE_URL, as the functions have it; and
// VERCEL_AUTOMATION_BYPASS_SECRET. It does not read .env.local, whose values are
// this machine's and not the deployment's.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"warble/dev/local/fakevercel"
	"warble/dev/local/openapi"
	"warble/lib/env"
)

// timeout bounds a request. A function's own deadline is 5 s, behind a cold start.
const timeout = 20 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := newSmoke("..")
	if err != nil {
		fmt.Fprintln(os.Stderr, "smoke:", err)
		os.Exit(1)
	}
	if s.outside(ctx) {
		s.write(ctx)
	}
	s.database(ctx)
	if !s.report(os.Stdout) {
		os.Exit(1)
	}
}

// smoke is one run: a deployment, what it is held against, and what was found.
type smoke struct {
	url     string // the deployment's origin
	schema  []byte // schema.sql
	sources []byte // of the page, in the order in which build.sh hashes them
	regions []string
	tree    *fakevercel.Server // answers what the tree would: its files, and its routes' headers
	api     *openapi.Description

	page       config          // as the deployment serves it
	keys       map[string]bool // of the page's Clerk instance, by kid
	ours       bool            // it is the deployment that answers
	production bool            // or nobody knows
	region     string          // where the functions run
	requests   int
	notes      []string
	findings   []*finding
}

// finding is a line of the report. What means the same is seen more than once.
type finding struct {
	wrong  bool // or a warning
	seen   string
	advice advice
	more   int
}

func newSmoke(root string) (*smoke, error) {
	u, err := url.Parse(env.Get("URL"))
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("say which deployment: make smoke URL=https://…")
	}
	vercel, err := fakevercel.ReadConfig(filepath.Join(root, "vercel.json"))
	if err != nil {
		return nil, err
	}
	s := &smoke{url: "https://" + strings.ToLower(u.Host), regions: vercel.Regions, production: true}
	s.tree = &fakevercel.Server{Routes: vercel.Routes, Static: filepath.Join(root, "public"), Functions: map[string]fakevercel.Function{}}
	nothing := fakevercel.InProcess(func(http.ResponseWriter, *http.Request) {})
	for _, route := range vercel.Routes {
		if strings.HasPrefix(route.Dest, "/api/posts/") {
			s.tree.Functions[route.Dest] = nothing
		}
	}
	if s.schema, err = os.ReadFile(filepath.Join(root, "schema.sql")); err != nil {
		return nil, err
	}
	modules, err := filepath.Glob(filepath.Join(root, "public/js/*.js"))
	for _, file := range append([]string{filepath.Join(root, "public/index.html"), filepath.Join(root, "public/app.css")}, modules...) {
		content, failed := os.ReadFile(file)
		err = cmp.Or(err, failed)
		s.sources = append(s.sources, content...)
	}
	if err != nil {
		return nil, err
	}
	s.api, err = openapi.Read(root)
	return s, err
}

// wrong reports what keeps the deployment from working.
func (s *smoke) wrong(seen string, a advice) { s.find(true, seen, a) }

// warn reports what works, and not well.
func (s *smoke) warn(seen string, a advice) { s.find(false, seen, a) }

func (s *smoke) find(wrong bool, seen string, a advice) {
	for _, f := range s.findings {
		if f.advice.means == a.means {
			f.more++
			return
		}
	}
	s.findings = append(s.findings, &finding{wrong, seen, a, 0})
}

func (s *smoke) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// report prints what was found, and returns whether nothing is wrong.
func (s *smoke) report(out io.Writer) bool {
	for _, note := range s.notes {
		fmt.Fprintln(out, "note:", note)
	}
	about := strings.NewReplacer("{url}", s.url, "{region}", s.region, "{regions}", strings.Join(s.regions, ", "))
	wrong := 0
	for _, f := range s.findings {
		kind := "warning:"
		if f.wrong {
			kind, wrong = "wrong:", wrong+1
		}
		seen := f.seen
		if f.more > 0 {
			seen += fmt.Sprintf(" (and %d more)", f.more)
		}
		fmt.Fprintln(out, kind, strings.Join(strings.Fields(seen+". "+about.Replace(f.advice.means+". "+f.advice.do)+"."), " "))
	}
	fmt.Fprintf(out, "smoke: %s, %d requests: %d wrong, %d warnings\n", s.url, s.requests, wrong, len(s.findings)-wrong)
	return wrong == 0
}

// answer is what a request got.
type answer struct {
	what    string // the request, for people
	status  int
	header  http.Header
	body    []byte
	took    time.Duration
	problem struct{ Detail, RequestID string } // of an API's error
}

// cached tells whether a cache answered in the functions' place, Vercel's or
// another's.
func (a *answer) cached() bool {
	switch a.header.Get("X-Vercel-Cache") {
	case "HIT", "STALE":
		return true
	}
	return cmp.Or(a.header.Get("Age"), "0") != "0"
}

// says is an answer in few words: its status, and what an error says of itself.
func (a *answer) says() string {
	return strings.TrimSuffix(fmt.Sprintf("%s = %d %s", a.what, a.status, strings.TrimSuffix(a.problem.Detail, ".")), " ")
}

// ask sends a request to the deployment. An answer of status 0 is none, which is
// reported. The headers are pairs of name and value.
func (s *smoke) ask(ctx context.Context, method, path, body string, headers ...string) *answer {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		panic(err) // the paths are ours, or our API's
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("X-Vercel-Skip-Toolbar", "1") // which Vercel puts into a preview's page
	if secret := env.Get("VERCEL_AUTOMATION_BYPASS_SECRET"); secret != "" {
		request.Header.Set("X-Vercel-Protection-Bypass", secret)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	a, err := s.send(&http.Client{Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // a redirect is an answer too
	}}, request)
	if err != nil {
		s.wrong(fmt.Sprintf("%s %s: %v", method, path, err), noAnswer)
		return &answer{}
	}
	isProblem := strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json")
	if isProblem {
		_ = json.Unmarshal(a.body, &a.problem) // one that is no JSON is openapi.json's to refuse
	}
	// Of an answer of Vercel's own, or a proxy's failure, no more can be said.
	if s.ours && a.header.Get("X-Vercel-Error") == "" && (isProblem || a.status < 500) {
		s.checkHeaders(a, request)
		if _, err := s.api.Check(request, a.status, a.header, a.body); err != nil {
			seen, _, _ := strings.Cut(strings.Replace(err.Error(), s.url, "", 1), "\n")
			s.wrong(seen, otherAPI)
		}
	}
	return a
}

// send sends a request, and reads the whole answer. Its error is without the URL.
func (s *smoke) send(client *http.Client, request *http.Request) (*answer, error) {
	s.requests++
	begun := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	what := request.Method + " " + strings.TrimPrefix(request.URL.String(), s.url)
	return &answer{what: what, status: response.StatusCode, header: response.Header, body: text, took: time.Since(begun)}, err
}

// checkHeaders holds an answer's headers against those of vercel.json's routes.
func (s *smoke) checkHeaders(a *answer, request *http.Request) {
	want := s.wants(request).Header()
	for _, route := range s.tree.Routes {
		for name := range route.Headers {
			got := a.header.Get(name)
			if route.Status != 0 {
				continue // a redirect's Location; a new post has one of its own
			}
			// Vercel adds to Strict-Transport-Security on its own domains.
			if got != want.Get(name) && name != "Cache-Control" && (name != "Strict-Transport-Security" || !strings.HasPrefix(got, want.Get(name))) {
				s.wrong(fmt.Sprintf("%s has %s %q", a.what, name, got), otherHeaders)
			}
		}
	}
}

// wants is what the tree would answer: of a file all, of a function the headers
// that vercel.json gives it.
func (s *smoke) wants(request *http.Request) *httptest.ResponseRecorder {
	local := request.Clone(request.Context())
	local.Body = http.NoBody
	w := httptest.NewRecorder()
	s.tree.ServeHTTP(w, local)
	return w
}
