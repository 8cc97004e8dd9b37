package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dolthub/vitess/go/mysql"
	"github.com/jmoiron/sqlx"

	"warble/dev/local/dsn"
	"warble/dev/testkit"
	"warble/dev/testkit/mariadb"
	"warble/dev/testkit/shards"
	"warble/dev/testkit/teston"
	"warble/lib/database"
)

// maria is the server of all tests; each makes itself a database there.
var (
	maria     *mariadb.Server
	databases int
	schemaSQL string
)

// asCommand has this binary be the command, in a process of its own as with make.
const asCommand = "WARBLE_TEST_PUSH"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(func() int {
		text, err := os.ReadFile("../../schema.sql")
		schemaSQL = string(text)
		if err == nil && teston.Given == "" { // else only TestEachShardIsComparedAndMended runs
			if maria, err = mariadb.New(); err == nil {
				defer maria.Close()
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// target is a database, open past the command.
type target struct {
	*sqlx.DB
	t   *testing.T
	url string
}

func newTarget(t *testing.T, databaseURL string) target {
	return target{testkit.Open(t, testkit.DatabaseConfig(t, databaseURL)), t, databaseURL}
}

// onMariaDB gives a database in which the statements were run.
func onMariaDB(t *testing.T, statements ...string) target {
	t.Helper()
	u, err := url.Parse(maria.URL())
	if err != nil {
		t.Fatal(err)
	}
	databases++
	u.Path = fmt.Sprint("push", databases)
	testkit.Open(t, testkit.DatabaseConfig(t, maria.URL())).MustExec("CREATE DATABASE " + u.Path)
	g := newTarget(t, u.String())
	for _, statement := range statements {
		g.MustExec(statement)
	}
	return g
}

// aPost is of the author user_a, and the only one in a slot.
const aPost = "INSERT INTO posts (user_id, content, created_at, updated_at, slot) VALUES ('user_a', 'hello', NOW(3), NOW(3), 7)"

var autoIncrement = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// table is what the database says of the table posts, without the next id.
func (g target) table() (statement string) {
	g.t.Helper()
	if err := g.QueryRow("SHOW CREATE TABLE posts").Scan(new(string), &statement); err != nil {
		g.t.Fatal(err)
	}
	return autoIncrement.ReplaceAllString(statement, "")
}

// push pushes with something typed, and returns all that is printed, an error too.
func (g target) push(typed string, check bool) (printed string, ok bool) {
	g.t.Helper()
	config, err := database.Config(g.url)
	if err != nil {
		g.t.Fatal(err)
	}
	pool, err := dsn.Open(config)
	if err != nil {
		g.t.Fatal(err)
	}
	defer pool.Close()
	var out strings.Builder
	if err = push(g.t.Context(), pool, schemaSQL, check, strings.NewReader(typed), &out); err != nil {
		fmt.Fprintln(&out, err)
	}
	if n := pool.Stats().OpenConnections; n != 1 { // another one may speak to another shard
		g.t.Errorf("a push made %d connections; want one", n)
	}
	return out.String(), err == nil
}

// mustSettle fails the test unless a push succeeds and leaves nothing to do.
func (g target) mustSettle(typed string) (printed string) {
	g.t.Helper()
	printed, ok := g.push(typed, false)
	if !ok {
		g.t.Fatalf("push failed: %s", printed)
	}
	again, ok := g.push("", true)
	if !ok || !strings.Contains(again, "Nothing to do") {
		g.t.Fatalf("after a push, a check succeeded: %v, printed %s\nwant nothing to do; the push printed %s", ok, again, printed)
	}
	return printed
}

func TestAnEmptyDatabaseGetsTheTable(t *testing.T) {
	g := onMariaDB(t)
	if printed := g.mustSettle(""); !strings.Contains(printed, "CREATE TABLE") {
		t.Errorf("printed %s; want the statement that it ran", printed)
	}
	// What comes of it is what the file alone would have made.
	pushed := g.table()
	g.MustExec("DROP TABLE posts")
	g.MustExec(schemaSQL)
	if applied := g.table(); pushed != applied {
		t.Errorf("push made %s\nschema.sql makes %s", pushed, applied)
	}
}

// Each row is a database that differs; its posts stay, and one push mends it.
func TestADifferenceIsShownAndMended(t *testing.T) {
	for _, test := range []struct {
		name   string
		alter  string // done to schema.sql's table
		asks   bool
		prints string // part of the statement
	}{
		{"missing index", "DROP INDEX posts_feed", false, "ADD KEY `posts_feed` (`created_at`, `id`)"},
		{"missing unique index", "DROP INDEX posts_slot", false, "ADD UNIQUE KEY `posts_slot`"},
		{"missing column", "DROP INDEX posts_idempotency_key, DROP COLUMN idempotency_key", false, "ADD COLUMN `idempotency_key` varchar(128)"},
		{"extra column", "ADD COLUMN mood VARCHAR(10) NOT NULL DEFAULT 'fine', ADD KEY mood (mood)", true, "DROP COLUMN `mood`"},
		{"extra index", "ADD INDEX stray (content)", true, "DROP KEY `stray`"},
		{"changed index", "DROP INDEX posts_feed, ADD INDEX posts_feed (id, created_at)", true, "DROP KEY `posts_feed`"},
		{"too narrow a column", "MODIFY content VARCHAR(140) NOT NULL", false, "MODIFY COLUMN `content` varchar(200)"},
		{"too small an integer", "MODIFY slot INT NULL", false, "MODIFY COLUMN `slot` bigint"},
		{"too wide a column", "MODIFY content VARCHAR(500) NOT NULL", true, "MODIFY COLUMN `content` varchar(200)"},
		{"another type", "MODIFY slot VARCHAR(20) NULL", true, "MODIFY COLUMN `slot` bigint"},
		{"times without milliseconds", "MODIFY created_at DATETIME NOT NULL", false, "MODIFY COLUMN `created_at` datetime(3)"},
		{"times with microseconds", "MODIFY created_at DATETIME(6) NOT NULL", true, "MODIFY COLUMN `created_at` datetime(3)"},
		{"a column that may be NULL", "MODIFY content VARCHAR(200) NULL", true, "MODIFY COLUMN `content` varchar(200)"},
		{"another collation", "MODIFY user_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL", false, "COLLATE ascii_bin"},
		{"another character set of the table", "DEFAULT CHARACTER SET latin1", false, "utf8mb4"},
		{"all in another character set", "CONVERT TO CHARACTER SET latin1", false, "utf8mb4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := onMariaDB(t, schemaSQL)
			want := g.table()
			g.MustExec("ALTER TABLE posts " + test.alter)
			g.MustExec(aPost)
			before := g.table()

			refuses := func(typed string, check bool) {
				printed, ok := g.push(typed, check)
				if ok || !strings.Contains(printed, test.prints) {
					t.Errorf("with %q, check %v: ok %v, printed %s; want a failure that shows %q", typed, check, ok, printed, test.prints)
				}
				if after := g.table(); after != before {
					t.Fatalf("with %q, check %v, the table became %s", typed, check, after)
				}
			}
			refuses("yes\n", true)
			typed := ""
			if test.asks {
				refuses("", false)
				refuses("no\n", false)
				typed = "yes\n"
			}
			if printed := g.mustSettle(typed); strings.Contains(printed, "Type yes") != test.asks {
				t.Errorf("printed %s; asked: want %v", printed, test.asks)
			}
			if after := g.table(); !slices.Equal(columns(after), columns(want)) {
				t.Errorf("the table became %s\nwant %s", after, want)
			}
			var posts int
			if err := g.Get(&posts, "SELECT COUNT(*) FROM posts WHERE content = 'hello'"); err != nil || posts != 1 {
				t.Errorf("%d posts, %v; want the one that was there", posts, err)
			}
		})
	}
}

// columns are the lines of a CREATE TABLE without their order: that of the
// indexes has no meaning.
func columns(statement string) []string {
	return slices.Sorted(strings.SplitSeq(strings.ReplaceAll(statement, ",\n", "\n"), "\n"))
}

// testdata/before-digest.sql is schema.sql as it was before that column. No author loses
// a post or a key, and the functions of before go on publishing.
func TestADatabaseFromBeforeTheDigestKeepsItsPostsAndTheirKeys(t *testing.T) {
	before, err := os.ReadFile("testdata/before-digest.sql")
	if err != nil {
		t.Fatal(err)
	}
	g := onMariaDB(t, string(before))
	const insert = "INSERT INTO posts (user_id, content, created_at, updated_at, idempotency_key, slot) VALUES (?, ?, ?, ?, ?, ?)"
	const published, edited = "2026-11-01 12:00:00.123", "2026-11-02 12:00:00.001"
	for _, row := range [][]any{
		{"user_a", "kept 🐦", published, published, "key", 0},
		{"user_a", "edited since", published, edited, "KEY", nil},
		{"user_A", "another author's", published, published, "key", 0},
		{"user_a", "without a key", published, published, nil, nil},
		{"user_a", "without a key", published, published, nil, nil},
		{"user_b", strings.Repeat("é", 200), published, published, strings.Repeat("k", 128), nil},
	} {
		g.MustExec(insert, row...)
	}
	rows := func() (rows []string) {
		t.Helper()
		const all = "SELECT CONCAT_WS(' ', id, user_id, content, created_at, updated_at, COALESCE(idempotency_key, 'NULL'), COALESCE(slot, 'NULL')) FROM posts ORDER BY id"
		if err := g.Select(&rows, all); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	old := rows()
	if printed := g.mustSettle(""); strings.Contains(printed, "Type yes") || !strings.Contains(printed, "ADD COLUMN `idempotency_digest`") {
		t.Errorf("printed %s; want the column added and nothing asked", printed)
	}
	if now := rows(); !slices.Equal(now, old) || len(now) != 6 {
		t.Errorf("the rows became %q\nwere %q", now, old)
	}
	// The version before goes on until the new one is deployed.
	g.MustExec(insert, "user_b", "of the version before", published, published, "late", nil)
}

func TestSomebodyElsesTableIsNamedAndKept(t *testing.T) {
	// With a type that Vitess cannot read.
	g := onMariaDB(t, schemaSQL, "CREATE TABLE analytics (id UUID PRIMARY KEY, j JSON)", "CREATE VIEW recent AS SELECT id FROM posts")
	printed := g.mustSettle("")
	for _, name := range []string{"analytics", "recent"} {
		if !strings.Contains(printed, "The table "+name+" is not in schema.sql") {
			t.Errorf("printed %s; want a word about %s", printed, name)
		}
		g.MustExec("SELECT * FROM " + name)
	}
}

func TestAStatementThatFailsSaysWhichAndCanBeRunAgain(t *testing.T) {
	g := onMariaDB(t, schemaSQL, "DROP INDEX posts_slot ON posts", aPost, aPost)
	if printed, ok := g.push("", false); ok || !strings.Contains(printed, "statement 1 of 1 failed") || !strings.Contains(printed, "1062") {
		t.Errorf("ok %v, printed %s; want a failure with the statement and the reason", ok, printed)
	}
	g.MustExec("DELETE FROM posts LIMIT 1")
	g.mustSettle("")
}

// Where DATABASE_URL stands, and what is wrong with it. The command runs as with make.
func TestTheDatabaseOfTheEnvironmentIsReached(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	drifted := onMariaDB(t).url
	for name, test := range map[string]struct {
		environment, envLocal string
		ok                    bool
		want                  string
	}{
		"drift, with CHECK=1":        {"CHECK=1 DATABASE_URL=" + drifted, "", false, "is not as schema.sql says: make push brings it there"},
		"in .env.local":              {"", "DATABASE_URL=\"" + onMariaDB(t).url + "\"\n", true, "CREATE TABLE"},
		"a secret of vercel env":     {"", "DATABASE_URL=\"[SENSITIVE]\"\n", false, "`vercel env pull` cannot read secrets"},
		"nobody listens":             {fmt.Sprintf("DATABASE_URL=mysql://warble:s3cret@%s/warble", nobody.Addr()), "", false, "reach the database of DATABASE_URL"},
		"wrong password":             {fmt.Sprintf("DATABASE_URL=mysql://warble:s3cret@%s/warble", maria.Addr()), "", false, "reach the database of DATABASE_URL"},
		"malformed":                  {"DATABASE_URL=mysql://warble:s3cret@/%zz", "", false, "DATABASE_URL in the environment has a port that is no number, or a special character"},
		"another database's address": {"DATABASE_URL=postgres://warble:s3cret@h/w", "", false, "DATABASE_URL in the environment is a PostgreSQL address; Warble needs MySQL (Vitess)"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			files := fstest.MapFS{"dev/.keep": {}, "schema.sql": {Data: []byte(schemaSQL)}, ".env.local": {Data: []byte(test.envLocal)}}
			if err := os.CopyFS(root, files); err != nil {
				t.Fatal(err)
			}
			command := exec.Command(os.Args[0])
			command.Dir = filepath.Join(root, "dev")
			command.Env = append(strings.Fields(test.environment), asCommand+"=1", "GORACE=atexit_sleep_ms=0")
			output, err := command.CombinedOutput()
			printed := string(output)
			if (err == nil) != test.ok || !strings.Contains(printed, test.want) || strings.Contains(printed, "s3cret") || strings.Contains(printed, "deploy again") {
				t.Errorf("%v, printed %s; want %q, not the password, and no deployment", err, printed, test.want)
			}
		})
	}
}

// directDDLDisabled refuses what push sends to an empty database, as PlanetScale does
// with safe migrations on.
type directDDLDisabled struct{ mysql.Handler }

func (h directDDLDisabled) ComQuery(ctx context.Context, c *mysql.Conn, query string, callback mysql.ResultSpoolFn) error {
	if strings.HasPrefix(query, "CREATE TABLE") {
		return mysql.NewSQLError(1105, "HY000", "direct DDL is disabled")
	}
	return h.Handler.ComQuery(ctx, c, query, callback)
}

func TestSafeMigrationsAreExplained(t *testing.T) {
	address := shards.Serve(t, func(h mysql.Handler) mysql.Handler { return directDDLDisabled{h} }, "warble")
	printed, ok := newTarget(t, "mysql://root@"+address+"/warble").push("", false)
	for _, want := range []string{
		"Safe migrations are on",
		"pscale branch create warble schema",
		"pscale connect warble schema --execute-protocol mysql --execute 'make push'",
		"pscale deploy-request create warble schema",
		"pscale deploy-request deploy warble schema --wait",
	} {
		if ok || !strings.Contains(printed, want) {
			t.Errorf("ok %v, printed %s; want a failure with %q", ok, printed, want)
		}
	}
}

// Otherwise the one that answers decides, and the other one's drift is found by
// the functions.
func TestEachShardIsComparedAndMended(t *testing.T) {
	databaseURL := shards.Start(t)
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	keyspace := strings.Trim(u.Path, "/")
	g := newTarget(t, databaseURL)
	g.MustExec("DROP TABLE IF EXISTS posts")
	if printed := g.mustSettle(""); strings.Count(printed, "CREATE TABLE") != 1 {
		t.Errorf("printed %s; want one statement for all shards", printed)
	}
	for altered, whole := range map[string]string{keyspace + ":80-": keyspace + ":-80", keyspace + ":-80": keyspace + ":80-"} {
		newTarget(t, strings.TrimSuffix(databaseURL, keyspace)+altered).MustExec("DROP INDEX posts_feed ON posts")
		printed, ok := g.push("", true)
		if ok || !strings.Contains(printed, "From the database "+altered+" to schema.sql") || !strings.Contains(printed, "Nothing to do: the database "+whole+" ") {
			t.Errorf("with %s altered: ok %v, printed %s", altered, ok, printed)
		}
		if printed := g.mustSettle(""); strings.Count(printed, "ADD KEY `posts_feed`") != 1 {
			t.Errorf("with %s altered, the push printed %s; want the statement once", altered, printed)
		}
	}
	g.MustExec("ALTER TABLE posts ADD COLUMN mood VARCHAR(10) NULL")
	if printed := g.mustSettle("yes\n"); strings.Count(printed, "DROP COLUMN `mood`") != 1 {
		t.Errorf("with both altered, the push printed %s; want one statement", printed)
	}
}
