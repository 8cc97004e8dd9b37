// Package fakeclerk is a stand-in for one Clerk instance, for development and
// tests: a Frontend API that the real ClerkJS talks to, ClerkJS itself (from
// its npm packages), and the part of the Backend API that our functions call.
//
// It keeps everything in memory, guards nothing of value and must listen on
// loopback only. What it answers follows what ClerkJS 6.40.0 was seen to ask;
// it was never compared with a live Clerk instance.
package fakeclerk

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// Prefix is where the handler answers on the page's own origin: ClerkJS's
	// proxy form, data-clerk-proxy-url. It answers without it as well, which is
	// how a deployed page asks: https://<Host>/v1/….
	Prefix = "/__clerk"

	// DefaultHost is the Frontend API host in the publishable key. It starts
	// with "clerk." because clerk-sdk-go demands that of an issuer, and does not
	// end in accounts.dev, which would make ClerkJS ask for a dev browser first.
	DefaultHost = "clerk.warble.test"

	// maxBody bounds a form; ClerkJS's own are under 1 KB. maxPicture bounds one
	// with a picture, as ClerkJS itself does.
	maxBody    = 64 << 10
	maxPicture = 10 << 20
)

// Config says where the local Clerk is reached.
type Config struct {
	Origin  string // the page's own, as in http://localhost:3000
	Scripts string // the folder that FetchScripts filled
	Host    string // the Frontend API host in the key; empty is DefaultHost
}

// Clerk is the instance, and the handler of its three APIs. Its methods may be
// called from several goroutines.
type Clerk struct {
	origin, scripts, host string
	secret                string // the Backend API's
	env                   map[string]string
	mux                   *http.ServeMux

	changes atomic.Int64

	mu sync.Mutex // guards everything below
	state
	calls map[string]int // to the Backend API, by path
	// backendSessions are those that the Backend API made, and whose they are.
	backendSessions map[string]string
}

// New makes an instance with the demo people, its own signing key and secret.
func New(cfg Config) (*Clerk, error) {
	u, err := url.Parse(cfg.Origin)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != cfg.Origin {
		return nil, fmt.Errorf("local clerk: origin %q: want scheme://host[:port] and nothing more", cfg.Origin)
	}
	c := &Clerk{
		origin: cfg.Origin, scripts: cfg.Scripts, host: cmp.Or(cfg.Host, DefaultHost),
		secret: "sk_test_" + rand.Text(),
		state:  state{newSigningKey(), demoUsers(), map[string]*client{}},
		calls:  map[string]int{}, backendSessions: map[string]string{},
	}
	c.env = map[string]string{
		"CLERK_PUBLISHABLE_KEY":    "pk_test_" + base64.StdEncoding.EncodeToString([]byte(c.host+"$")),
		"CLERK_SECRET_KEY":         c.secret,
		"CLERK_JWT_KEY":            publicPEM(c.Key),
		"CLERK_API_URL":            c.origin + Prefix,
		"CLERK_AUTHORIZED_PARTIES": c.origin,
	}
	c.mux = c.routes()
	return c, nil
}

// Env is what the functions need in their environment to trust this instance.
// It is fixed at the start: RotateKey does not change CLERK_JWT_KEY.
func (c *Clerk) Env() map[string]string { return maps.Clone(c.env) }

func (c *Clerk) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /npm/@clerk/{pkg}/dist/{file}", c.serveScript)
	mux.HandleFunc("GET /img/{file}", c.servePicture)
	for pattern, answer := range c.frontend() {
		mux.HandleFunc(pattern, c.locked(answer))
	}
	for pattern, answer := range c.backend() {
		mux.HandleFunc(pattern, c.locked(c.counted(answer)))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		slog.Info("the local Clerk does not do this", "method", r.Method, "path", r.URL.Path)
		writeError(w, &apiError{http.StatusNotFound, "resource_not_found",
			"This works with a real Clerk instance only. The local one signs people up, in and out, changes their names and picture, and deletes their account.", ""})
	})
	return mux
}

// ServeHTTP answers with and without Prefix.
func (c *Clerk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Origin")
	if r.Header.Get("Origin") == c.origin {
		w.Header().Set("Access-Control-Allow-Origin", c.origin)
		w.Header().Set("Access-Control-Allow-Credentials", "true")
	}
	r = r.Clone(r.Context())
	if path, ok := strings.CutPrefix(r.URL.Path, Prefix+"/"); ok {
		r.URL.Path, r.URL.RawPath = "/"+path, ""
	}
	if err := parseForm(w, r); err != nil {
		writeError(w, err)
		return
	}
	// ClerkJS sends every write as a simple POST, so that browsers ask for no preflight.
	if method := r.URL.Query().Get("_method"); r.Method == http.MethodPost && method != "" {
		r.Method = strings.ToUpper(method)
	}
	c.mux.ServeHTTP(w, r)
}

// An answerer makes the value to send as JSON, with c.mu held; the value must
// not share memory with c.
type answerer func(w http.ResponseWriter, r *http.Request) (any, *apiError)

func (c *Clerk) locked(answer answerer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		value, err := answer(w, r)
		c.mu.Unlock()
		if r.Method != http.MethodGet {
			c.changes.Add(1)
		}
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, value)
	}
}

// parseForm reads a form, before a POST takes the method that it stands for:
// net/http reads none on a DELETE.
func parseForm(w http.ResponseWriter, r *http.Request) *apiError {
	isUpload := strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data")
	limit := int64(maxBody)
	if isUpload {
		limit = maxPicture
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	err := r.ParseForm()
	if err == nil && isUpload {
		err = r.ParseMultipartForm(limit)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &apiError{http.StatusRequestEntityTooLarge, "request_body_too_large", "The request's body is too large.", ""}
	case err != nil:
		return &apiError{http.StatusBadRequest, "request_body_invalid", "The request's body is not a form.", ""}
	}
	return nil
}

// An apiError is one error in Clerk's form. param names the form field that
// ClerkJS shows the message at.
type apiError struct {
	status        int
	code, message string
	param         string
}

// refuse is the error of a form's field.
func refuse(code, param, message string) *apiError {
	return &apiError{http.StatusUnprocessableEntity, code, message, param}
}

func writeError(w http.ResponseWriter, e *apiError) {
	entry := map[string]any{"code": e.code, "message": e.message, "long_message": e.message}
	if e.param != "" {
		entry["meta"] = map[string]any{"param_name": e.param}
	}
	writeJSON(w, e.status, map[string]any{"errors": []any{entry}})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the caller has gone; nobody to tell
}

// newID makes an identifier of Clerk's kind, "sess_…", that nobody can guess.
func newID(kind string) string { return kind + "_" + rand.Text() }
