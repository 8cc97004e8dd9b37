package fakeclerk

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"errors"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
)

// ScriptsFolder is where dev's own programs keep the scripts, seen from dev/.
// Git ignores it.
const ScriptsFolder = ".cache/clerk-js"

//go:embed scripts.sh
var fetchScripts string

// FetchScripts puts the pinned ClerkJS into dir, through npm, unless it is
// there already. Several may do so at once. Its error has npm's own words when npm fails.
func FetchScripts(ctx context.Context, dir string) error {
	said, err := exec.CommandContext(ctx, "sh", "-c", fetchScripts, "scripts.sh", dir).CombinedOutput()
	if err != nil {
		return errors.New(cmp.Or(string(bytes.TrimSpace(said)), err.Error()))
	}
	return nil
}

// pinned finds the packages, as "ui@1.36.0", and what they are with their major version.
var pinned = regexp.MustCompile(`\b([a-z-]+@\d+)\.[\d.]+`)

// serveScripts answers /npm/@clerk/<name>@<version>/dist/<file>. The entries are
// asked for by major version, their chunks by the exact one.
func serveScripts(folder string) http.HandlerFunc {
	var exact []string
	for _, match := range pinned.FindAllStringSubmatch(fetchScripts, -1) {
		exact = append(exact, match[1]+"/", match[0]+"/")
	}
	version, files := strings.NewReplacer(exact...), http.FileServer(http.Dir(folder))
	return func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = version.Replace(r.URL.Path)
		w.Header().Set("Cache-Control", "no-cache") // another version may be fetched between two starts
		w.Header().Set("X-Content-Type-Options", "nosniff")
		files.ServeHTTP(w, r)
	}
}
