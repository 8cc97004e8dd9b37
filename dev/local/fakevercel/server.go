// Package fakevercel is Vercel on one machine: it serves a project's static
// files and functions behind the routes of its vercel.json, or of what `vercel
// build` made of it, and calls the functions through Vercel's own bridge.
package fakevercel

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/vercel/go-bridge/go/bridge"
)

// Function is a deployed function: it is called with what Vercel's proxy sends
// to the bridge in it.
type Function func(context.Context, *bridge.Request) (bridge.Response, error)

// InProcess calls a handler in this process, through the bridge.
func InProcess(handler http.HandlerFunc) Function {
	return func(_ context.Context, request *bridge.Request) (response bridge.Response, err error) {
		defer func() {
			if v := recover(); v != nil { // Vercel's own proxy outlives a function's process
				err = fmt.Errorf("function died: %v", v)
			}
		}()
		return bridge.Serve(handler, request)
	}
}

// Server answers as Vercel's proxy does. Its fields are set before it serves.
type Server struct {
	Routes    []Route
	Static    string              // folder of the static files
	Overlay   map[string]string   // path → file served in place of the folder's own
	Functions map[string]Function // by path, such as /api/posts/list
}

// maxBody is Vercel's limit of a request's body, in bytes.
const maxBody = 4_500_000

// ServeHTTP goes through the routes in order, and then looks for a function or a
// file at the path. The .go of a function's file is no path of it, as it would be
// on Vercel for a project whose routes leave some of /api to that.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := "dev1::" + strings.ToLower(rand.Text())
	w.Header().Set("X-Vercel-Id", requestID)
	r.Header.Set("X-Vercel-Id", requestID)

	at, header, status := Follow(s.Routes, r)
	maps.Copy(w.Header(), header)
	if location := header.Get("Location"); location != "" && r.URL.RawQuery != "" {
		w.Header().Set("Location", location+"?"+r.URL.RawQuery)
	}
	if status != 0 {
		s.end(w, r, status)
		return
	}
	if function, ok := s.Functions[at]; ok {
		s.call(w, r, function)
		return
	}
	name, content, ok := s.file(at)
	switch {
	case !ok:
		s.end(w, r, http.StatusNotFound)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		s.end(w, r, http.StatusMethodNotAllowed)
	default:
		if w.Header().Get("Cache-Control") == "" {
			w.Header().Set("Cache-Control", uncached)
		}
		// By content, as Vercel's own tags are: a new deployment's files are newer.
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(content)))
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
	}
}

// file reads the static file at a path, or the index.html of a folder there.
func (s *Server) file(at string) (name string, content []byte, ok bool) {
	at, err := url.PathUnescape(at)
	if err != nil {
		return "", nil, false
	}
	at = path.Clean(at)
	if file, ok := s.Overlay[at]; ok {
		content, err := os.ReadFile(file)
		return file, content, err == nil
	}
	for _, name := range []string{at, path.Join(at, "index.html")} {
		// DirFS refuses what is outside of the folder.
		if content, err := fs.ReadFile(os.DirFS(s.Static), strings.TrimPrefix(name, "/")); err == nil {
			return name, content, true
		}
	}
	return "", nil, false
}

// uncached is what Vercel tells browsers of files that a deployment can replace, and
// of all that only its CDN may keep.
const uncached = "public, max-age=0, must-revalidate"

// end answers with a status in a line, or with the page that paths outside of /api
// have for what is not there.
func (s *Server) end(w http.ResponseWriter, r *http.Request, status int) {
	w.Header().Set("Cache-Control", uncached)
	_, page, ok := s.file("/404.html")
	if !ok || status != http.StatusNotFound || strings.HasPrefix(r.URL.Path, "/api") {
		http.Error(w, http.StatusText(status), status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(page)
}

// call sends a request to a function as Vercel does: its headers in lower case,
// what Vercel says of the caller in place of what the caller says, the body in
// base64.
func (s *Server) call(w http.ResponseWriter, r *http.Request, function Function) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "FUNCTION_PAYLOAD_TOO_LARGE", http.StatusRequestEntityTooLarge)
		return
	}
	caller, _, _ := net.SplitHostPort(r.RemoteAddr)
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	request := &bridge.Request{
		Host:     r.Host,
		Path:     r.URL.RequestURI(),
		Method:   r.Method,
		Headers:  map[string]bridge.ReqHeaderValues{},
		Encoding: "base64",
		Body:     base64.StdEncoding.EncodeToString(body),
	}
	for name, values := range r.Header {
		request.Headers[strings.ToLower(name)] = values
	}
	maps.Copy(request.Headers, map[string]bridge.ReqHeaderValues{
		"host":              {r.Host},
		"x-real-ip":         {caller},
		"x-forwarded-for":   {caller},
		"x-forwarded-host":  {r.Host},
		"x-forwarded-proto": {scheme},
	})

	response, err := function(r.Context(), request)
	if err != nil {
		slog.Error("function invocation failed", "path", r.URL.Path, "cause", err)
		http.Error(w, "FUNCTION_INVOCATION_FAILED", http.StatusInternalServerError)
		return
	}
	for name, values := range response.Headers {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	// Meant for Vercel's CDN, which tells browsers to ask each time.
	if strings.Contains(w.Header().Get("Cache-Control"), "s-maxage=") {
		w.Header().Set("Cache-Control", uncached)
	}
	w.WriteHeader(response.StatusCode)
	answer, _ := base64.StdEncoding.DecodeString(response.Body) // as the bridge encodes it
	w.Write(answer)
}
