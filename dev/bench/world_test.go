//go:build linux

// Package bench measures Warble: the functions as `vercel build` makes them,
// driven through the Lambda Runtime API, beside the least code that could do the
// same (package floor), on the same MariaDB. `make bench` runs it.
//
// Each round of a benchmark asks the two in turn, so that what disturbs a round
// disturbs both. benchstat makes medians and intervals of the rounds.
package bench

import (
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/vercel/go-bridge/go/bridge"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/mariadb"
)

// world is what the functions stand on.
type world struct {
	server *mariadb.Server
	clerk  *testkit.Clerk
	users  *httptest.Server // answers in the place of the local Clerk's Backend API
	floor  string           // the floor's binary
}

func open(b *testing.B) *world {
	b.Helper()
	// The server holds in memory what the pages in use of ten million posts need,
	// and fills its tables in a few minutes.
	w := &world{
		server: mariadb.Start(b, "--innodb-buffer-pool-size=512M", "--innodb-log-file-size=512M", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-sort-buffer-size=64M"),
		clerk:  testkit.StartClerk(b, fakeclerk.Config{}),
		users:  httptest.NewServer(http.HandlerFunc(listUsers)),
		floor:  filepath.Join(b.TempDir(), "floor"),
	}
	b.Cleanup(w.users.Close)
	// With the flags of Vercel's builder.
	output, err := exec.Command("go", "build", "-C", filepath.Join(testkit.Root(), "dev"), "-o", w.floor, "-ldflags", "-s -w", "./bench/floor").CombinedOutput()
	if err != nil {
		b.Fatalf("build the floor: %v\n%s", err, output)
	}
	return w
}

// warble starts the first of sides alone.
func (w *world) warble(b *testing.B, operation, dsn string, processes int, environment map[string]string) *testkit.Function {
	ours := map[string]string{"CLERK_API_URL": w.users.URL}
	maps.Copy(ours, environment)
	return testkit.NewFunction(b, artifact.Build(b).Functions["/api/posts/"+operation], w.clerk.Environment(dsn, ours), processes)
}

// sides starts one of Warble's functions on a database, and the floor's, with so
// many processes each at most. A variable that environment says is empty is unset
// for ours.
func (w *world) sides(b *testing.B, operation, dsn string, processes int, environment map[string]string) []*side {
	floor := map[string]string{"FUNCTION": operation, "DATABASE_URL": dsn}
	maps.Copy(floor, environment)
	return []*side{
		{function: w.warble(b, operation, dsn, processes, environment)},
		{prefix: "floor-", function: testkit.NewFunction(b, w.floor, floor, processes)},
	}
}

// listUsers answers GET /v1/users for any users, in about the size of Clerk's.
func listUsers(w http.ResponseWriter, r *http.Request) {
	const user = `{"id": %[1]q, "object": "user", "username": "u%[2]x", "first_name": "Ada", "last_name": "Lovelace", "has_image": true,
"image_url": "https://img.clerk.com/%[3]x", "email_addresses": [{"id": "idn_%[2]x", "email_address": "%[2]x@example.com",
"verification": {"status": "verified", "strategy": "from_oauth_google"}}], "public_metadata": {}, "private_metadata": {}, "unsafe_metadata": {},
"external_accounts": [], "password_enabled": true, "two_factor_enabled": false, "banned": false, "created_at": 1700000000000, "updated_at": 1700000000000}`
	var users []string
	for _, id := range r.URL.Query()["user_id"] {
		sum := sha512.Sum512([]byte(id))
		users = append(users, fmt.Sprintf(user, id, sum[:3], sum[:]))
	}
	fmt.Fprintf(w, "[%s]", strings.Join(users, ","))
}

// secondaryKeys finds the indexes in schema.sql.
var secondaryKeys = regexp.MustCompile(`(?m)^  ((?:UNIQUE )?KEY (\w+) .*?),?$`)

// fill makes a database with schema.sql and so many posts, one a second, by so
// many authors in turn, and returns its DSN, which both sides take, and a pool. The
// indexes are built after the posts, in a fraction of the time.
func (w *world) fill(b *testing.B, database string, posts, authors int) (dsn string, db *sqlx.DB) {
	b.Helper()
	schema, err := os.ReadFile(filepath.Join(testkit.Root(), "schema.sql"))
	if err != nil {
		b.Fatal(err)
	}
	var drop, add []string
	for _, key := range secondaryKeys.FindAllStringSubmatch(string(schema), -1) {
		add, drop = append(add, "ADD "+key[1]), append(drop, "DROP KEY "+key[2])
	}
	const at = "TIMESTAMPADD(SECOND, seq, '2023-11-14 22:13:20')"
	config := testkit.DatabaseConfig(b, w.server.URL())
	db = testkit.Open(b, config)
	db.SetMaxOpenConns(1) // USE and SET are a connection's own
	// On a full disk the INSERT fails and says so.
	for _, statement := range []string{
		"CREATE DATABASE " + database, "USE " + database, string(schema),
		"SET unique_checks=0", "ALTER TABLE posts " + strings.Join(drop, ", "),
		fmt.Sprintf(`INSERT INTO posts (user_id, content, created_at, updated_at)
SELECT CONCAT('user_', LPAD(seq %% %d, 27, '0')), CONCAT(MD5(seq), ' in the hand is worth "two" & more'), %s, %s
FROM seq_1_to_%d`, authors, at, at, posts),
		"ALTER TABLE posts " + strings.Join(add, ", "), "ANALYZE TABLE posts",
	} {
		if _, err := db.Exec(statement); err != nil {
			b.Fatalf("fill %s: %.60s: %v", database, statement, err)
		}
	}
	config.DBName = database
	return config.FormatDSN(), db
}

// cursorAt is the cursor of a post that fill made: the posts before it follow.
func cursorAt(id int) string { return fmt.Sprintf("%d-%d", (1_700_000_000+id)*1000, id) }

// request is what Vercel's proxy sends to the bridge for an operation, on the post
// with an id where one is needed.
func request(operation string, id int64, token string) *bridge.Request {
	const content = `{"content": "A post of some sixty characters, which is about what people write."}`
	method, path, body := "GET", testkit.Post{ID: id}.Path(), ""
	switch operation {
	case "list":
		path = "/api/posts"
	case "create":
		method, path, body = "POST", "/api/posts", content
	case "update":
		method, body = "PATCH", content
	case "delete":
		method = "DELETE"
	}
	r := &bridge.Request{
		Host: "warble.example", Path: path, Method: method, Encoding: "base64", Body: base64.StdEncoding.EncodeToString([]byte(body)),
		Headers: map[string]bridge.ReqHeaderValues{
			"host": {"warble.example"}, "accept": {"application/json"}, "accept-language": {"en"}, "accept-encoding": {"gzip, br"},
			"user-agent":  {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"},
			"x-vercel-id": {"fra1::iad1::abcde-1700000000000-0123456789ab"}, "x-real-ip": {"192.0.2.1"}, "x-forwarded-for": {"192.0.2.1"},
			"x-forwarded-host": {"warble.example"}, "x-forwarded-proto": {"https"}, "content-type": {"application/json"},
		},
	}
	if token != "" {
		r.Headers["authorization"] = []string{"Bearer " + token}
	}
	return r
}
