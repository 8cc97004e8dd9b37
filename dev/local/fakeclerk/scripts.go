package fakeclerk

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ScriptsFolder is where dev's own programs keep the scripts, seen from dev/.
// Git ignores it.
const ScriptsFolder = ".cache/clerk-js"

// A script is one npm package of ClerkJS's. integrity is its tarball's, as npm prints it.
type script struct{ name, version, integrity string }

var scripts = []script{
	{"clerk-js", "6.40.0", "sha512-2MnZ/ygvuCmeuqfXQmsxfQaLN/SSJvQbtT2cLXbgr5VKr3KmZFZBVvX977fG3eZ6pprl4J9pO+I2bbe6BvColg=="},
	{"ui", "1.36.0", "sha512-uI96zYCh5jISLOt1mdpIPy/Y31P0kwFxjUFOxLUwFfTHFmGUcRjbqN6bbb+75tdI2Bz6ARGws3rhspDer+xIfQ=="},
}

// FetchScripts puts the pinned ClerkJS into dir, through npm, unless it is
// there already. Several may do so at once. Its error has npm's own words when npm fails.
func FetchScripts(ctx context.Context, dir string) error {
	for _, s := range scripts {
		if err := s.fetch(ctx, dir); err != nil {
			return fmt.Errorf("fetch @clerk/%s %s: %w", s.name, s.version, err)
		}
	}
	return nil
}

func (s script) fetch(ctx context.Context, dir string) error {
	done := filepath.Join(dir, "npm/@clerk/"+s.name+"@"+s.version) // as in its address
	if _, err := os.Stat(done); err == nil {
		return nil // complete: it came by the rename below
	}
	if err := os.MkdirAll(filepath.Dir(done), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, ".fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)

	// npm's own retries keep a machine without network waiting for a minute.
	npm := exec.CommandContext(ctx, "npm", "pack", "--json", "--ignore-scripts", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=1000", "@clerk/"+s.name+"@"+s.version)
	npm.Dir = tmp
	said, err := npm.CombinedOutput()
	if err != nil {
		return fmt.Errorf("npm pack: %w\n%s", err, bytes.TrimSpace(said))
	} else if !bytes.Contains(said, []byte(s.integrity)) {
		return fmt.Errorf("the package is not the pinned one, of %s:\n%s", s.integrity, said)
	}
	tar := exec.CommandContext(ctx, "tar", "-xzf", "clerk-"+s.name+"-"+s.version+".tgz", "package/dist")
	tar.Dir = tmp
	if said, err := tar.CombinedOutput(); err != nil {
		return fmt.Errorf("unpack: tar: %w\n%s", err, said)
	}
	err = os.Rename(filepath.Join(tmp, "package"), done)
	if _, there := os.Stat(done); there == nil {
		return nil // also when another process was faster
	}
	return err
}

// serveScripts answers /npm/@clerk/<name>@<version>/dist/<file>. The entries are
// asked for by major version, their chunks by the exact one.
func serveScripts(folder string) http.HandlerFunc {
	var exact []string
	for _, s := range scripts {
		exact = append(exact, s.name+"@"+s.version[:1]+"/", s.name+"@"+s.version+"/")
	}
	version, files := strings.NewReplacer(exact...), http.FileServer(http.Dir(folder))
	return func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = version.Replace(r.URL.Path)
		w.Header().Set("Cache-Control", "no-cache") // another version may be fetched between two starts
		w.Header().Set("X-Content-Type-Options", "nosniff")
		files.ServeHTTP(w, r)
	}
}
