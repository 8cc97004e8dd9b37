//go:build linux

// Package bench measures Warble: the functions as `vercel build` makes them,
// driven through the Lambda Runtime API, beside the least code that could do the
// same (package floor), on the same MariaDB. `make bench` runs it.
//
// Each round of a benchmark asks the two in turn, so that what disturbs a round
// disturbs both. benchstat makes medians and intervals of the rounds.
package bench

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/vercel/go-bridge/go/bridge"

	"warble/dev/bench/floor"
	localclerk "warble/dev/local/clerk"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/lambda"
	"warble/dev/testkit/mariadb"
)

// TestMain keeps all files in one temporary folder, which Ctrl-C removes too:
// ten million posts are gigabytes.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Setenv("TMPDIR", dir)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		os.RemoveAll(dir)
		os.Exit(1)
	}()
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// world is what the functions stand on.
type world struct {
	server *mariadb.Server
	clerk  *testkit.Clerk
	floor  string // the floor's binary
}

func open(b *testing.B) *world {
	b.Helper()
	if os.Getenv("DATABASE_URL") != "" {
		b.Fatal("DATABASE_URL is set: unset it, since this writes and deletes posts")
	}
	// The server holds in memory what the pages in use of ten million posts need,
	// and fills its tables in a few minutes.
	w := &world{
		server: mariadb.Start(b, "--innodb-buffer-pool-size=512M", "--innodb-log-file-size=512M", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-sort-buffer-size=64M"),
		clerk:  testkit.StartClerk(b, localclerk.Config{}),
		floor:  filepath.Join(b.TempDir(), "floor"),
	}
	w.clerk.ReplaceBackend(listUsers)
	// With the flags of Vercel's builder.
	command := exec.Command("go", "build", "-o", w.floor, "-ldflags", "-s -w", "./bench/floor/bootstrap")
	command.Dir = filepath.Join(testkit.Root(), "dev")
	if output, err := command.CombinedOutput(); err != nil {
		b.Fatalf("build the floor: %v\n%s", err, output)
	}
	return w
}

// config is the driver's configuration for one of the server's databases.
func (w *world) config(b *testing.B, database string) *mysql.Config {
	config := testkit.DatabaseConfig(b, w.server.URL())
	config.DBName = database
	return config
}

// warble starts one of Warble's functions on a database, with so many processes
// at most. A variable that environment says is empty is unset.
func (w *world) warble(b *testing.B, operation, dsn string, processes int, environment map[string]string) *lambda.Function {
	binary := artifact.Build(b).Functions["/api/posts/"+operation]
	return start(b, binary, w.clerk.Environment(dsn, environment), processes)
}

// theFloor starts the floor's function for an operation.
func (w *world) theFloor(b *testing.B, operation, dsn string, processes int) *lambda.Function {
	return start(b, w.floor, map[string]string{"FUNCTION": operation, "DATABASE_URL": dsn}, processes)
}

func start(b *testing.B, binary string, environment map[string]string, processes int) *lambda.Function {
	function, err := lambda.New(binary, environment, processes)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { function.Close() })
	return function
}

// token is a session token of floor.Author's, as Clerk's own but for a longer
// life.
func (w *world) token() string {
	now := time.Now()
	return w.clerk.SignClaims(map[string]any{
		"azp": testkit.ClerkOrigin, "exp": now.Add(24 * time.Hour).Unix(), "fva": []int{0, -1}, "iat": now.Unix(), "iss": "https://" + localclerk.DefaultHost,
		"jti": rand.Text(), "nbf": now.Add(-10 * time.Second).Unix(), "sid": "sess_" + rand.Text(), "sts": "active", "sub": floor.Author, "v": 2,
	})
}

// listUsers answers GET /v1/users for any users, in about the size of Clerk's.
func listUsers(w http.ResponseWriter, r *http.Request) {
	users := []map[string]any{}
	for _, id := range r.URL.Query()["user_id"] {
		picture := sha512.Sum512([]byte(id))
		users = append(users, map[string]any{
			"id": id, "object": "user", "username": "u" + id[max(0, len(id)-6):], "first_name": "Ada", "last_name": "Lovelace", "has_image": true,
			"image_url":       "https://img.clerk.com/" + base64.RawURLEncoding.EncodeToString(picture[:]) + "eyJ0eXBlIjoicHJveHkifQ",
			"email_addresses": []any{map[string]any{"id": "idn_" + id, "email_address": id + "@example.com", "verification": map[string]any{"status": "verified", "strategy": "from_oauth_google"}}},
			"public_metadata": map[string]any{}, "private_metadata": map[string]any{}, "unsafe_metadata": map[string]any{}, "external_accounts": []any{},
			"password_enabled": true, "two_factor_enabled": false, "banned": false, "locked": false, "created_at": 1700000000000, "updated_at": 1700000000000,
		})
	}
	json.NewEncoder(w).Encode(users)
}

// bytesPerPost is what a post takes on disk with its indexes, about 350 as
// measured at ten million, and room to sort them.
const bytesPerPost = 700

// secondaryKeys finds the indexes in SHOW CREATE TABLE.
var secondaryKeys = regexp.MustCompile("(?m)^  ((?:UNIQUE )?KEY `(\\w+)` .*?),?$")

// fill makes a database with schema.sql and so many posts, one a second, by so
// many authors in turn, and returns its DSN, which both sides take. The indexes are built after the
// posts, in a fraction of the time.
func (w *world) fill(b *testing.B, database string, posts, authors int) string {
	b.Helper()
	var disk syscall.Statfs_t
	if err := syscall.Statfs(os.TempDir(), &disk); err != nil {
		b.Fatal(err)
	}
	if free := int64(disk.Bavail) * disk.Bsize; free < int64(posts)*bytesPerPost {
		b.Fatalf("%d posts need %d MB in %s, which has %d: set ROWS to fewer, or TMPDIR", posts, posts*bytesPerPost>>20, os.TempDir(), free>>20)
	}
	schema, err := os.ReadFile(filepath.Join(testkit.Root(), "schema.sql"))
	if err != nil {
		b.Fatal(err)
	}
	db := testkit.Open(b, testkit.DatabaseConfig(b, w.server.URL()))
	db.SetMaxOpenConns(1) // USE and SET are a connection's own
	exec := func(query string) {
		b.Helper()
		if _, err := db.Exec(query); err != nil {
			b.Fatalf("fill %s: %.60s: %v", database, query, err)
		}
	}
	for _, query := range []string{"CREATE DATABASE " + database, "USE " + database, string(schema), "SET unique_checks=0"} {
		exec(query)
	}
	var name, table string
	if err := db.QueryRow("SHOW CREATE TABLE posts").Scan(&name, &table); err != nil {
		b.Fatal(err)
	}
	var drop, add []string
	for _, key := range secondaryKeys.FindAllStringSubmatch(table, -1) {
		add, drop = append(add, "ADD "+key[1]), append(drop, "DROP KEY "+key[2])
	}
	exec("ALTER TABLE posts " + strings.Join(drop, ", "))
	const at = "TIMESTAMPADD(SECOND, seq, '2023-11-14 22:13:20')"
	exec(fmt.Sprintf(`INSERT INTO posts (user_id, content, created_at, updated_at)
SELECT CONCAT('user_', LPAD(seq %% %d, 27, '0')), CONCAT(MD5(seq), ' in the hand is worth "two" & more'), %s, %s
FROM seq_1_to_%d`, authors, at, at, posts))
	exec("ALTER TABLE posts " + strings.Join(add, ", "))
	exec("ANALYZE TABLE posts")
	return w.config(b, database).FormatDSN()
}

// cursorAt is the cursor of a post that fill made: the posts before it follow.
func cursorAt(id int) string { return fmt.Sprintf("%d-%d", (1_700_000_000+id)*1000, id) }

// request is what Vercel's proxy sends to the bridge.
func request(method, path, body, token string) *bridge.Request {
	r := &bridge.Request{
		Host: "warble.example", Path: path, Method: method, Encoding: "base64", Body: base64.StdEncoding.EncodeToString([]byte(body)),
		Headers: map[string]bridge.ReqHeaderValues{
			"host": {"warble.example"}, "accept": {"application/json"}, "accept-language": {"en"}, "accept-encoding": {"gzip, br"},
			"user-agent":  {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"},
			"x-vercel-id": {"fra1::iad1::abcde-1700000000000-0123456789ab"}, "x-real-ip": {"192.0.2.1"}, "x-forwarded-for": {"192.0.2.1"},
			"x-forwarded-host": {"warble.example"}, "x-forwarded-proto": {"https"},
		},
	}
	if body != "" {
		r.Headers["content-type"] = []string{"application/json"}
	}
	if token != "" {
		r.Headers["authorization"] = []string{"Bearer " + token}
	}
	return r
}

// body is what Create and Update are sent.
const body = `{"content": "A post of some sixty characters, which is about what people write."}`

// operationRequest is a request of an operation, on the post with an id where
// one is needed.
func operationRequest(operation string, id int64, token string) *bridge.Request {
	path := testkit.Post{ID: id}.Path()
	switch operation {
	case "list":
		return request("GET", "/api/posts", "", token)
	case "get":
		return request("GET", path, "", token)
	case "create":
		return request("POST", "/api/posts", body, token)
	case "update":
		return request("PATCH", path, body, token)
	}
	return request("DELETE", path, "", token)
}
