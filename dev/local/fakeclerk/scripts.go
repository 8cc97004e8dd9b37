package fakeclerk

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// ScriptsFolder is where dev's own programs keep the scripts, seen from dev/.
// Git ignores it.
const ScriptsFolder = ".cache/clerk-js"

// A script is one npm package of ClerkJS's. sha512 is of its tarball, as
// `npm pack --json` prints it.
type script struct {
	name, version, major string
	sha512               string
}

var scripts = []script{
	{"clerk-js", "6.40.0", "6", "2MnZ/ygvuCmeuqfXQmsxfQaLN/SSJvQbtT2cLXbgr5VKr3KmZFZBVvX977fG3eZ6pprl4J9pO+I2bbe6BvColg=="},
	{"ui", "1.36.0", "1", "uI96zYCh5jISLOt1mdpIPy/Y31P0kwFxjUFOxLUwFfTHFmGUcRjbqN6bbb+75tdI2Bz6ARGws3rhspDer+xIfQ=="},
}

// networkError is how npm names a registry that cannot be reached.
var networkError = regexp.MustCompile(`\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH)\b`)

func (s script) folder() string { return s.name + "-" + s.version }

// FetchScripts puts the pinned ClerkJS into dir, through npm, unless it is
// there already. Several may do so at once. Its error says what to install when
// npm is missing, and shows npm's own words when npm fails.
func FetchScripts(ctx context.Context, dir string) error {
	for _, s := range scripts {
		if err := s.fetch(ctx, dir); err != nil {
			return fmt.Errorf("fetch @clerk/%s %s: %w", s.name, s.version, err)
		}
	}
	return nil
}

func (s script) fetch(ctx context.Context, dir string) error {
	done := filepath.Join(dir, s.folder())
	if _, err := os.Stat(done); err == nil {
		return nil // complete: it came by the rename below
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, ".fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)

	var said bytes.Buffer
	// npm's own retries keep a machine without network waiting for a minute.
	npm := exec.CommandContext(ctx, "npm", "pack", "--ignore-scripts", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=1000", "@clerk/"+s.name+"@"+s.version)
	npm.Dir, npm.Stdout, npm.Stderr = tmp, &said, &said
	if err := npm.Run(); errors.Is(err, exec.ErrNotFound) {
		return errors.New("npm is missing: install Node.js with npm (Debian: apt-get install nodejs npm)")
	} else if code := networkError.FindString(said.String()); err != nil && code != "" {
		return fmt.Errorf("npm does not reach its registry (%s): the first run needs the network once", code)
	} else if err != nil {
		return fmt.Errorf("npm pack: %w\n%s", err, bytes.TrimSpace(said.Bytes()))
	}
	tarball := filepath.Join(tmp, "clerk-"+s.folder()+".tgz")
	content, err := os.ReadFile(tarball)
	if err != nil {
		return err
	}
	sum := sha512.Sum512(content)
	if got := base64.StdEncoding.EncodeToString(sum[:]); got != s.sha512 {
		return fmt.Errorf("the package is not the pinned one: sha512-%s, want sha512-%s", got, s.sha512)
	}
	if said, err := exec.CommandContext(ctx, "tar", "-xzf", tarball, "-C", tmp, "package/dist").CombinedOutput(); err != nil {
		return fmt.Errorf("unpack: tar: %w\n%s", err, said)
	}
	err = os.Rename(filepath.Join(tmp, "package/dist"), done)
	if _, there := os.Stat(done); there == nil {
		return nil // also when another process was faster
	}
	return err
}

// serveScript answers /npm/@clerk/<name>@<version>/dist/<file>. The entries are
// asked for by major version, their chunks by the exact one.
func (c *Clerk) serveScript(w http.ResponseWriter, r *http.Request) {
	for _, s := range scripts {
		name, version, _ := strings.Cut(r.PathValue("pkg"), "@")
		if name != s.name || version != s.major && version != s.version {
			continue
		}
		cache := "public, max-age=31536000, immutable"
		if version == s.major {
			cache = "no-cache" // another version may be fetched between two starts
		}
		w.Header().Set("Cache-Control", cache)
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeFileFS(w, r, os.DirFS(filepath.Join(c.scripts, s.folder())), r.PathValue("file"))
		return
	}
	writeError(w, &apiError{http.StatusNotFound, "resource_not_found", "No such script: " + r.URL.Path, ""})
}
