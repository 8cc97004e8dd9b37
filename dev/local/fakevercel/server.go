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
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
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

// ServeHTTP goes through the phases of Vercel's routing: the project's routes in
// order, then files and functions, then the error page.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := "dev1::" + strings.ToLower(rand.Text())
	w.Header().Set("X-Vercel-Id", requestID)
	r.Header.Set("X-Vercel-Id", requestID)

	at := pathOf(r)
	for _, handle := range []string{"", "filesystem", "miss"} {
		if handle == "filesystem" && s.serve(w, r, at) {
			return
		}
		for _, route := range phase(s.Routes, handle) {
			dest, ok := route.apply(r, at)
			if !ok {
				continue
			}
			for name := range route.Headers {
				w.Header().Set(name, route.header(name, at))
			}
			at = dest
			if route.Continue {
				continue
			}
			if location := w.Header().Get("Location"); location != "" && route.Status/100 == 3 {
				if r.URL.RawQuery != "" {
					w.Header().Set("Location", location+"?"+r.URL.RawQuery)
				}
				http.Error(w, "Redirecting...", route.Status)
			} else if route.Status != 0 && route.Dest == "" {
				s.fail(w, r, route.Status)
			} else if !s.serve(w, r, at) {
				s.fail(w, r, http.StatusNotFound)
			}
			return
		}
	}
	s.fail(w, r, http.StatusNotFound)
}

// pathOf is a request's path as the caller wrote it, escapes and all.
func pathOf(r *http.Request) string {
	path, _, _ := strings.Cut(r.URL.RequestURI(), "?")
	return path
}

// serve answers with the function or the static file at a path, if there is one.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, at string) bool {
	if function, ok := s.Functions[at]; ok {
		s.call(w, r, function)
		return true
	}
	file, ok := s.file(at)
	if !ok {
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return true
	}
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "public, max-age=0, must-revalidate")
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	// By content, as Vercel's own tags are: a new deployment's files are newer.
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(content)))
	http.ServeContent(w, r, file, time.Time{}, bytes.NewReader(content))
	return true
}

func (s *Server) file(at string) (string, bool) {
	at, err := url.PathUnescape(at)
	if err != nil || strings.ContainsRune(at, 0) {
		return "", false
	}
	at = path.Clean(at)
	if file, ok := s.Overlay[at]; ok {
		return file, true
	}
	file := filepath.Join(s.Static, filepath.FromSlash(at))
	info, err := os.Stat(file)
	if err == nil && info.IsDir() {
		file = filepath.Join(file, "index.html")
		info, err = os.Stat(file)
	}
	return file, err == nil && info.Mode().IsRegular()
}

// fail answers with the page that the routes have for a status, or a line.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, status int) {
	w.Header().Set("Cache-Control", "public, max-age=0, must-revalidate")
	for _, route := range phase(s.Routes, "error") {
		dest, ok := route.apply(r, pathOf(r))
		file, exists := s.file(dest)
		if !ok || !exists || route.Status != status {
			continue
		}
		if page, err := os.ReadFile(file); err == nil {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(status)
			w.Write(page)
			return
		}
	}
	http.Error(w, http.StatusText(status), status)
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
	var answer []byte
	if err == nil {
		answer, err = base64.StdEncoding.DecodeString(response.Body)
	}
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
		w.Header().Set("Cache-Control", "public, max-age=0, must-revalidate")
	}
	w.WriteHeader(response.StatusCode)
	w.Write(answer)
}
