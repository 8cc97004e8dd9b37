// Package fakeclerk is a stand-in for one Clerk instance, for development and
// tests: a Frontend API that the real ClerkJS talks to, ClerkJS itself (from
// its npm packages), and the part of the Backend API that our functions call.
//
// It keeps everything in memory, guards nothing of value and must listen on loopback
// only. What it answers follows what ClerkJS 6.40.0 was seen to ask; it was never
// compared with a live Clerk instance.
package fakeclerk

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/clerk/clerk-sdk-go/v2"
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

	// maxBody bounds a form, in bytes: ClerkJS itself sends no larger picture.
	maxBody = 10 << 20
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
	origin, host string
	secret       string // the Backend API's
	mux          *http.ServeMux

	mu      sync.Mutex // guards what follows
	changed func()     // called after what may have changed the state
	state
}

// New makes an instance with the demo people, its own signing key and secret.
func New(cfg Config) *Clerk {
	c := &Clerk{
		origin: cfg.Origin, host: cmp.Or(cfg.Host, DefaultHost), secret: "sk_test_" + rand.Text(), mux: http.NewServeMux(),
		changed: func() {}, state: state{newSigningKey(), demoUsers(), map[string]*client{}},
	}
	c.mux.Handle("GET /npm/", serveScripts(cfg.Scripts))
	c.mux.HandleFunc("GET /img/{id}", c.servePicture)
	c.mux.HandleFunc("GET /.well-known/jwks.json", c.serve(c.getKeys))
	for pattern, answer := range c.frontend() {
		c.mux.HandleFunc(pattern, c.serve(c.withClient(answer)))
	}
	for pattern, answer := range c.backend() {
		c.mux.HandleFunc(pattern, c.serve(c.withSecret(answer)))
	}
	c.mux.HandleFunc("/", c.serve(func(_ http.ResponseWriter, r *http.Request) (any, *refusal) {
		slog.Info("the local Clerk does not do this", "method", r.Method, "path", r.URL.Path)
		return nil, refuse(http.StatusNotFound, "resource_not_found", "",
			"This works with a real Clerk instance only. The local one signs people up, in and out, changes their names and picture, and deletes their account.")
	}))
	return c
}

// Env is what the functions need in their environment to trust this instance.
func (c *Clerk) Env() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return map[string]string{
		"CLERK_PUBLISHABLE_KEY":    "pk_test_" + base64.StdEncoding.EncodeToString([]byte(c.host+"$")),
		"CLERK_SECRET_KEY":         c.secret,
		"CLERK_JWT_KEY":            c.publicPEM(),
		"CLERK_API_URL":            c.origin + Prefix,
		"CLERK_AUTHORIZED_PARTIES": c.origin,
	}
}

// ServeHTTP answers with and without Prefix.
func (c *Clerk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", c.origin)
	w.Header().Set("Access-Control-Allow-Credentials", "true")
	r = r.Clone(r.Context())
	r.URL.Path = strings.TrimPrefix(r.URL.Path, Prefix)
	// A form is read before a POST takes the method that it stands for: net/http reads none on a DELETE.
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseMultipartForm(maxBody); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		http.Error(w, "The request's body is too large, or no form.", http.StatusRequestEntityTooLarge)
		return
	}
	// ClerkJS sends every write as a simple POST, so that browsers ask for no preflight.
	r.Method = strings.ToUpper(cmp.Or(r.URL.Query().Get("_method"), r.Method))
	c.mux.ServeHTTP(w, r)
}

// object is a JSON object.
type object = map[string]any

// An answerer makes the value to send as JSON, with c.mu held.
type answerer func(w http.ResponseWriter, r *http.Request) (any, *refusal)

func (c *Clerk) serve(answer answerer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		value, refused := answer(w, r)
		status := http.StatusOK
		if refused != nil {
			value, status = refused, refused.HTTPStatusCode
		}
		body, _ := json.Marshal(value) // our own objects and the SDK's encode
		if r.Method != http.MethodGet {
			c.changed()
		}
		c.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		w.Write(body)
	}
}

// A refusal is errors in Clerk's form.
type refusal = clerk.APIErrorResponse

// refuse makes a refusal. ClerkJS shows the message at the form field param, if it
// is not "".
func refuse(status int, code, param, message string) *refusal {
	return &refusal{HTTPStatusCode: status, Errors: []clerk.Error{{
		Code: code, Message: message, LongMessage: message, Meta: json.RawMessage(fmt.Sprintf(`{"param_name": %q}`, param)),
	}}}
}

// refuseField is the refusal of what a form's field has.
func refuseField(code, param, message string) *refusal {
	return refuse(http.StatusUnprocessableEntity, code, param, message)
}

// newID makes an identifier of Clerk's kind, "sess_…", that nobody can guess.
func newID(kind string) string { return kind + "_" + rand.Text() }
