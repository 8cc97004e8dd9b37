//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"crypto/sha512"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/go-sql-driver/mysql"

	"warble/dev/bench/floor"
	localclerk "warble/dev/local/clerk"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/lambda"
	"warble/dev/testkit/mariadb"
)

// small is how many posts the tables of the requests have, and the smallest of
// those that are compared by size.
const small = 1_000

// operations are the functions, ours and the floor's.
var operations = []string{"list", "get", "create", "update", "delete"}

// world is all that stands around the functions.
type world struct {
	ctx      context.Context
	opts     options
	bars     bars
	dir      string // temporary
	output   *artifact.Output
	floor    string // the floor's binary
	server   *mariadb.Server
	db       *sql.DB // the server's, with no database chosen
	backend  *httptest.Server
	clerkEnv map[string]string
	clerk    *localclerk.Clerk
	running  []*lambda.Function
}

func open(ctx context.Context, opts options) (w *world, err error) {
	w = &world{ctx: ctx, opts: opts}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	fmt.Fprintf(os.Stderr, "%s  vercel build, the floor, MariaDB\n", time.Now().Format(time.TimeOnly))
	if w.output, err = artifact.Make(); err != nil {
		return w, err
	}
	if w.dir, err = os.MkdirTemp("", "warble-bench-"); err != nil {
		return w, err
	}
	w.floor = filepath.Join(w.dir, "floor")
	// As Vercel's builder builds ours.
	if err := w.build(w.floor, "", "./bench/floor/bootstrap", "-ldflags", "-s -w"); err != nil {
		return w, err
	}
	// The tests' settings are for small tables; these hold what the ten million
	// posts' pages in use need, and fill them in a few minutes.
	if w.server, err = mariadb.New("--innodb-buffer-pool-size=512M", "--innodb-log-file-size=512M", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-sort-buffer-size=64M"); err != nil {
		return w, err
	}
	if w.db, err = sql.Open("mysql", w.dsn("")); err != nil {
		return w, err
	}
	return w, w.openClerk()
}

// build builds a Go package of the dev module, or of the module in dir.
func (w *world) build(binary, dir, pkg string, flags ...string) error {
	command := exec.CommandContext(w.ctx, "go", append(append([]string{"build", "-o", binary}, flags...), pkg)...)
	command.Dir = dir
	if dir == "" {
		command.Dir = devModule()
	}
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, said)
	}
	return nil
}

// Close ends what runs and removes what was made.
func (w *world) Close() error {
	for _, f := range w.running {
		f.Close()
	}
	var failed []error
	if w.backend != nil {
		w.backend.Close()
	}
	if w.db != nil {
		failed = append(failed, w.db.Close())
	}
	if w.server != nil {
		failed = append(failed, w.server.Close())
	}
	if w.dir != "" {
		failed = append(failed, os.RemoveAll(w.dir))
	}
	return errors.Join(append(failed, artifact.Remove())...)
}

// dsn is a database's address as the driver wants it, for the floor, and as
// Warble takes it too.
func (w *world) dsn(database string) string {
	u, err := url.Parse(w.server.URL())
	if err != nil {
		panic(err) // it is our own
	}
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName = u.User.Username(), "tcp", u.Host, database
	config.Passwd, _ = u.User.Password()
	config.InterpolateParams = true
	return config.FormatDSN()
}

// origin is whose pages' sessions are accepted.
const origin = "https://warble.example"

// openClerk starts a Backend API that knows everybody; the local Clerk's own
// knows three.
func (w *world) openClerk() (err error) {
	if w.clerk, err = localclerk.New(localclerk.Config{Origin: origin}); err != nil {
		return err
	}
	w.backend = httptest.NewServer(http.HandlerFunc(listUsers))
	w.clerkEnv = w.clerk.Env()
	w.clerkEnv["CLERK_API_URL"] = w.backend.URL
	w.clerkEnv["POST_INTERVAL"] = "0"
	return nil
}

// tokens are so many of a session of floor.Author's, as Clerk's own but for a
// longer life.
func (w *world) tokens(n int) []string {
	now := time.Now()
	session := "sess_" + rand.Text()
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = w.clerk.SignClaims(map[string]any{
			"azp": origin, "exp": now.Add(24 * time.Hour).Unix(), "fva": []int{0, -1}, "iat": now.Unix(), "iss": "https://" + localclerk.DefaultHost,
			"jti": rand.Text(), "nbf": now.Add(-10 * time.Second).Unix(), "sid": session, "sts": "active", "sub": floor.Author, "v": 2,
		})
	}
	return tokens
}

// listUsers answers GET /v1/users, with users of about the size of Clerk's.
func listUsers(w http.ResponseWriter, r *http.Request) {
	users := []map[string]any{}
	for _, id := range r.URL.Query()["user_id"] {
		picture := sha512.Sum512([]byte(id))
		users = append(users, map[string]any{
			"id": id, "object": "user", "username": "u" + id[max(0, len(id)-6):], "first_name": "Ada", "last_name": "Lovelace", "has_image": true,
			"image_url":       "https://img.clerk.com/" + base64.RawURLEncoding.EncodeToString(picture[:]) + "eyJ0eXBlIjoicHJveHkifQ", // they are about so long
			"email_addresses": []any{map[string]any{"id": "idn_" + id, "email_address": id + "@example.com", "verification": map[string]any{"status": "verified", "strategy": "from_oauth_google"}}},
			"public_metadata": map[string]any{}, "private_metadata": map[string]any{}, "unsafe_metadata": map[string]any{}, "external_accounts": []any{},
			"password_enabled": true, "two_factor_enabled": false, "banned": false, "locked": false, "created_at": 1700000000000, "updated_at": 1700000000000,
		})
	}
	json.NewEncoder(w).Encode(users)
}

// ours is one of Warble's functions on a database, with so many processes at
// most. A variable that environment says is empty is unset.
func (w *world) ours(operation, databaseURL string, processes int, environment map[string]string) (*lambda.Function, error) {
	env := maps.Clone(w.clerkEnv)
	env["DATABASE_URL"] = databaseURL
	maps.Copy(env, environment)
	maps.DeleteFunc(env, func(_, value string) bool { return value == "" })
	return w.function(w.output.Functions["/api/posts/"+operation], env, processes)
}

// theFloor is its function for an operation.
func (w *world) theFloor(operation, databaseURL string, processes int) (*lambda.Function, error) {
	return w.function(w.floor, map[string]string{"FUNCTION": operation, "DATABASE_URL": databaseURL}, processes)
}

func (w *world) function(binary string, env map[string]string, processes int) (*lambda.Function, error) {
	f, err := lambda.New(binary, env, processes)
	if err == nil {
		w.running = append(w.running, f)
	}
	return f, err
}
