//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"context"

	"github.com/vercel/go-bridge/go/bridge"

	"warble/dev/local/fakevercel"
)

// edge is Vercel's network in front of the local Vercel, as far as make smoke
// looks at it: regions, the CDN, a preview's noindex and toolbar, deployment
// protection.
type edge struct {
	deployment *fakevercel.Server
	region     string // the functions'
	preview    bool
	secret     string // that passes deployment protection; "" for none
	noCDN      bool
	inFront    func(http.Handler) http.Handler // a proxy of somebody's own; may be nil

	mu   sync.Mutex
	kept map[string]kept // by method, host and URL
}

type kept struct {
	*httptest.ResponseRecorder
	at       time.Time
	lifetime time.Duration
}

// forCDN carries a function's Cache-Control past the local Vercel, which takes
// s-maxage away as Vercel does.
const forCDN = "X-Test-For-Cdn"

func newEdge(deployment *fakevercel.Server) *edge {
	for path, function := range deployment.Functions {
		deployment.Functions[path] = func(ctx context.Context, request *bridge.Request) (bridge.Response, error) {
			response, err := function(ctx, request)
			response.Headers = maps.Clone(response.Headers)
			if response.Headers != nil {
				response.Headers[forCDN] = []string{"function " + strings.Join(response.Headers["Cache-Control"], "")}
			}
			return response, err
		}
	}
	return &edge{deployment: deployment, region: "iad1", preview: true, kept: map[string]kept{}}
}

// handler is the edge, behind what stands in front of it.
func (e *edge) handler() http.Handler {
	if e.inFront != nil {
		return e.inFront(http.HandlerFunc(e.serve))
	}
	return http.HandlerFunc(e.serve)
}

func (e *edge) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "Vercel")
	if e.secret != "" && r.Header.Get("X-Vercel-Protection-Bypass") != e.secret {
		w.Header().Set("Set-Cookie", "_vercel_sso_nonce=x; Path=/; Secure; HttpOnly")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, "<!doctype html><title>Authentication Required</title>")
		return
	}
	key := r.Method + " " + r.Host + r.URL.String()
	cacheable := !e.noCDN && (r.Method == "GET" || r.Method == "HEAD") && r.Header.Get("Authorization") == ""
	e.mu.Lock()
	answer, state := e.kept[key], "MISS"
	e.mu.Unlock()
	age := time.Since(answer.at)
	switch {
	case !cacheable || answer.ResponseRecorder == nil || age > answer.lifetime+10*time.Second:
		answer = kept{httptest.NewRecorder(), time.Now(), 0}
		age = 0
		e.deployment.ServeHTTP(answer, r)
		var seconds int
		_, control, _ := strings.Cut(answer.Header().Get(forCDN), "s-maxage=")
		if n, _ := fmt.Sscanf(control, "%d", &seconds); n == 1 && answer.Code < 300 && cacheable {
			answer.lifetime = time.Duration(seconds) * time.Second
			e.mu.Lock()
			e.kept[key] = answer
			e.mu.Unlock()
		}
	case age > answer.lifetime:
		state = "STALE"
		e.mu.Lock()
		delete(e.kept, key)
		e.mu.Unlock()
	default:
		state = "HIT"
	}
	maps.Copy(w.Header(), answer.Header())
	w.Header().Del(forCDN)
	w.Header().Set("X-Vercel-Cache", state)
	w.Header().Set("Age", fmt.Sprint(int(age.Seconds())))
	id := strings.TrimPrefix(answer.Header().Get("X-Vercel-Id"), "dev1::")
	if answer.Header().Get(forCDN) != "" {
		id = e.region + "::" + id
	}
	w.Header().Set("X-Vercel-Id", "cdg1::"+id)
	if e.preview {
		w.Header().Set("X-Robots-Tag", "noindex")
	}
	if etag := w.Header().Get("ETag"); answer.Code == 200 && etag != "" && r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
	if e.preview && r.Method == "GET" && r.Header.Get("X-Vercel-Skip-Toolbar") == "" && strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		io.WriteString(w, `<script src="https://vercel.live/_next-live/feedback/feedback.js"></script>`)
	}
}

// keeps is a proxy of somebody's own that keeps answers to GET by their URL,
// whoever asks: those that which is true for. marked has it say so, as caches do.
func keeps(marked bool, which func(r *http.Request, status int) bool) func(http.Handler) http.Handler {
	answers := map[string]*httptest.ResponseRecorder{}
	var mu sync.Mutex
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			answer, found := answers[r.URL.String()]
			if found = found && r.Method == "GET"; !found {
				answer = httptest.NewRecorder()
				next.ServeHTTP(answer, r)
				if r.Method == "GET" && which(r, answer.Code) {
					answers[r.URL.String()] = answer
				}
			}
			maps.Copy(w.Header(), answer.Header())
			if found && marked {
				w.Header().Set("Age", "7")
			}
			w.WriteHeader(answer.Code)
			w.Write(answer.Body.Bytes())
		})
	}
}

// certificate is what all servers of the tests have; file is its authority's, for
// SSL_CERT_FILE.
func certificate(dir string) (made tls.Certificate, file string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return made, "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "make smoke's tests"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"*.vercel.app", "warble.example", "*.warble.test", "*.other.test"},
		IsCA:     true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return made, "", err
	}
	file = filepath.Join(dir, "authority.pem")
	err = os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file, err
}

// serveTLS serves a handler with the certificate until the test ends, and returns
// its address.
func serveTLS(t *testing.T, handler http.Handler) string {
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ours}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// internet is a proxy for HTTPS_PROXY that knows some hosts, by name, and no
// other. It returns its URL.
func internet(t *testing.T, hosts map[string]string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to, known := hosts[strings.TrimSuffix(r.Host, ":443")]
		if r.Method != http.MethodConnect || !known {
			http.Error(w, "no such host", http.StatusBadGateway)
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		client, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			server.Close()
			return
		}
		go func() {
			io.Copy(server, buffered)
			server.Close()
		}()
		io.Copy(client, server)
		client.Close()
	})}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { server.Close() })
	return "http://" + listener.Addr().String()
}
