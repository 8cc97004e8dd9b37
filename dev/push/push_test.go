package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	gms "github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	driver "github.com/go-sql-driver/mysql"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
	"warble/dev/testkit/faults"
	"warble/dev/testkit/mariadb"
)

// maria is the server of all tests; each makes itself a database there.
var maria *mariadb.Server

// The tests run the command as make does: in its own process, which is this
// binary with asCommand set.
const asCommand = "WARBLE_TEST_PUSH"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(func() int {
		if testkit.Given != "" { // then only TestEachShardIsComparedAndMended runs
			return m.Run()
		}
		var err error
		if maria, err = mariadb.New(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer maria.Close()
		return m.Run()
	}())
}

// target is a database and what to push to it.
type target struct {
	t      *testing.T
	url    string
	root   string // has schema.sql and dev/
	schema string
}

func newTarget(t *testing.T, databaseURL string) target {
	t.Helper()
	schema, err := os.ReadFile("../../schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "dev"), 0o700); err != nil {
		t.Fatal(err)
	}
	target := target{t, databaseURL, root, string(schema)}
	target.write("schema.sql", target.schema)
	return target
}

// onMariaDB gives a target with an empty database.
func onMariaDB(t *testing.T) target {
	t.Helper()
	u, err := url.Parse(maria.URL())
	if err != nil {
		t.Fatal(err)
	}
	name := strings.ToLower(regexp.MustCompile(`\W`).ReplaceAllString(t.Name(), "_"))
	name = name[:min(len(name), 64)] // no database name may be longer
	target := newTarget(t, maria.URL())
	target.exec("CREATE DATABASE " + name)
	u.Path = "/" + name
	target.url = u.String()
	return target
}

func (g target) write(name, content string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.root, name), []byte(content), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func (g target) open() *sql.DB {
	g.t.Helper()
	u, err := url.Parse(g.url)
	if err != nil {
		g.t.Fatal(err)
	}
	config := driver.NewConfig()
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Net, config.Addr, config.DBName = "tcp", u.Host, strings.Trim(u.Path, "/")
	connector, err := driver.NewConnector(config)
	if err != nil {
		g.t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	g.t.Cleanup(func() { db.Close() })
	return db
}

func (g target) exec(statements ...string) {
	g.t.Helper()
	db := g.open()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			g.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// table is what the database says of a table.
func (g target) table(name string) string {
	g.t.Helper()
	var statement string
	if err := g.open().QueryRow("SHOW CREATE TABLE "+name).Scan(&name, &statement); err != nil {
		g.t.Fatal(err)
	}
	return statement
}

// push runs the command with something typed, and returns all it printed and
// whether it succeeded.
func (g target) push(typed string, env ...string) (printed string, ok bool) {
	g.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Dir = filepath.Join(g.root, "dev")
	cmd.Env = append(os.Environ(), asCommand+"=1", "GORACE=atexit_sleep_ms=0")
	if g.url != "" {
		cmd.Env = append(cmd.Env, "DATABASE_URL="+g.url)
	}
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdin = strings.NewReader(typed)
	out, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		g.t.Fatal(err)
	}
	if strings.Contains(string(out), "DATA RACE") {
		g.t.Errorf("the command has a data race: %s", out)
	}
	return string(out), err == nil
}

// mustSettle fails the test unless a push succeeds and leaves nothing to do.
func (g target) mustSettle(typed string) (printed string) {
	g.t.Helper()
	printed, ok := g.push(typed)
	if !ok {
		g.t.Fatalf("push failed: %s", printed)
	}
	again, ok := g.push("", "CHECK=1")
	if !ok || !strings.Contains(again, "Nothing to do") {
		g.t.Fatalf("after a push, CHECK=1 succeeded: %v, printed %s\nwant nothing to do; the push printed %s", ok, again, printed)
	}
	return printed
}

func TestAnEmptyDatabaseGetsTheTable(t *testing.T) {
	g := onMariaDB(t)
	if printed := g.mustSettle(""); !strings.Contains(printed, "CREATE TABLE") {
		t.Errorf("printed %s; want the statement that it ran", printed)
	}
	// What comes of it is what the file alone would have made.
	pushed := g.table("posts")
	g.exec("DROP TABLE posts", g.schema)
	if applied := g.table("posts"); pushed != applied {
		t.Errorf("push made %s\nschema.sql makes %s", pushed, applied)
	}
}

func TestADatabaseThatIsCurrentIsLeftAlone(t *testing.T) {
	g := onMariaDB(t)
	g.exec(g.schema, "INSERT INTO posts (user_id, content, created_at, updated_at) VALUES ('user_a', 'hello', NOW(3), NOW(3))")
	for range 2 { // with AUTO_INCREMENT=2 in what the server says of its table
		printed, ok := g.push("")
		if !ok || !strings.Contains(printed, "Nothing to do") || strings.Contains(printed, "TABLE") {
			t.Errorf("ok %v, printed %s; want nothing to do", ok, printed)
		}
	}
}

// Each row is a database that differs; its posts stay, and one push mends it.
func TestADifferenceIsShownAndMended(t *testing.T) {
	tests := []struct {
		name   string
		before []string // run after schema.sql
		asks   bool
		prints string // part of the statement
	}{
		{"missing index", []string{"DROP INDEX posts_feed ON posts"}, false, "ADD KEY `posts_feed` (`created_at`, `id`)"},
		{"missing unique index", []string{"DROP INDEX posts_slot ON posts"}, false, "ADD UNIQUE KEY `posts_slot`"},
		{"missing column", []string{"DROP INDEX posts_slot ON posts", "ALTER TABLE posts DROP COLUMN slot"}, false, "ADD COLUMN `slot` bigint"},
		{"extra column", []string{"ALTER TABLE posts ADD COLUMN mood VARCHAR(10) NOT NULL DEFAULT 'fine', ADD KEY mood (mood)"}, true, "DROP COLUMN `mood`"},
		{"extra index", []string{"CREATE INDEX stray ON posts (content)"}, true, "DROP KEY `stray`"},
		{"changed index", []string{"ALTER TABLE posts DROP INDEX posts_feed, ADD INDEX posts_feed (id, created_at)"}, true, "DROP KEY `posts_feed`"},
		{"too narrow a column", []string{"ALTER TABLE posts MODIFY content VARCHAR(140) NOT NULL"}, false, "MODIFY COLUMN `content` varchar(200)"},
		{"too small an integer", []string{"ALTER TABLE posts MODIFY slot INT NULL"}, false, "MODIFY COLUMN `slot` bigint"},
		{"too wide a column", []string{"ALTER TABLE posts MODIFY content VARCHAR(500) NOT NULL"}, true, "MODIFY COLUMN `content` varchar(200)"},
		{"another type", []string{"ALTER TABLE posts MODIFY slot VARCHAR(20) NULL"}, true, "MODIFY COLUMN `slot` bigint"},
		{"times without milliseconds", []string{"ALTER TABLE posts MODIFY created_at DATETIME NOT NULL"}, false, "MODIFY COLUMN `created_at` datetime(3)"},
		{"times with microseconds", []string{"ALTER TABLE posts MODIFY created_at DATETIME(6) NOT NULL"}, true, "MODIFY COLUMN `created_at` datetime(3)"},
		{"a column that may be NULL", []string{"ALTER TABLE posts MODIFY content VARCHAR(200) NULL"}, true, "MODIFY COLUMN `content` varchar(200)"},
		{"another collation", []string{"ALTER TABLE posts MODIFY user_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL"}, false, "COLLATE ascii_bin"},
		{"another character set of the table", []string{"ALTER TABLE posts DEFAULT CHARACTER SET latin1"}, false, "utf8mb4"},
		{"all in another character set", []string{"ALTER TABLE posts CONVERT TO CHARACTER SET latin1"}, false, "utf8mb4"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := onMariaDB(t)
			g.exec(g.schema)
			want := g.table("posts")
			g.exec(test.before...)
			g.exec("INSERT INTO posts (user_id, content, created_at, updated_at) VALUES ('user_a', 'hello', NOW(3), NOW(3))")
			before := g.table("posts")

			for _, refused := range [][2]string{{"yes\n", "CHECK=1"}, {"", ""}, {"no\n", ""}} {
				if !test.asks && refused[1] == "" {
					continue
				}
				printed, ok := g.push(refused[0], refused[1:]...)
				if ok || !strings.Contains(printed, test.prints) {
					t.Errorf("with %q: ok %v, printed %s; want a failure that shows %q", refused, ok, printed, test.prints)
				}
				if after := g.table("posts"); after != before {
					t.Fatalf("with %q the table became %s", refused, after)
				}
			}

			typed := ""
			if test.asks {
				typed = "yes\n"
			}
			if printed := g.mustSettle(typed); strings.Contains(printed, "Type yes") != test.asks {
				t.Errorf("printed %s; asked: want %v", printed, test.asks)
			}
			autoIncrement := regexp.MustCompile(` AUTO_INCREMENT=\d+`)
			if after := autoIncrement.ReplaceAllString(g.table("posts"), ""); columns(after) != columns(want) {
				t.Errorf("the table became %s\nwant %s", after, want)
			}
			var posts int
			if err := g.open().QueryRow("SELECT COUNT(*) FROM posts WHERE content = 'hello'").Scan(&posts); err != nil || posts != 1 {
				t.Errorf("%d posts, %v; want the one that was there", posts, err)
			}
		})
	}
}

// columns are the lines of a CREATE TABLE without their order: that of the
// indexes has no meaning.
func columns(statement string) string {
	lines := strings.Split(strings.ReplaceAll(statement, ",\n", "\n"), "\n")
	for i := range lines {
		for j := i; j > 0 && lines[j] < lines[j-1]; j-- {
			lines[j], lines[j-1] = lines[j-1], lines[j]
		}
	}
	return strings.Join(lines, "\n")
}

// testdata/before-digest.sql is schema.sql as it was before that column. Functions of
// both versions run on what comes of it, and no author loses a post or a key.
func TestADatabaseFromBeforeTheDigestKeepsItsPostsAndTheirKeys(t *testing.T) {
	g := onMariaDB(t)
	before, err := os.ReadFile("testdata/before-digest.sql")
	if err != nil {
		t.Fatal(err)
	}
	g.exec(string(before))
	db := testkit.Open(t, testkit.DatabaseConfig(t, g.url))
	// POST_INTERVAL is a whole age below, and its slot the one from 1970.
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
		if _, err := db.Exec(insert, row...); err != nil {
			t.Fatal(err)
		}
	}
	rows := func() (rows []map[string]any) {
		t.Helper()
		all, err := db.Queryx("SELECT id, user_id, content, created_at, updated_at, idempotency_key, slot FROM posts ORDER BY id")
		if err != nil {
			t.Fatal(err)
		}
		defer all.Close()
		for all.Next() {
			row := map[string]any{}
			if err := all.MapScan(row); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, row)
		}
		if err := all.Err(); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	old := rows()
	if printed := g.mustSettle(""); strings.Contains(printed, "Type yes") || !strings.Contains(printed, "ADD COLUMN `idempotency_digest`") {
		t.Errorf("printed %s; want the column added and nothing asked", printed)
	}
	if now := rows(); fmt.Sprint(now) != fmt.Sprint(old) || len(now) != 6 {
		t.Errorf("the rows became %s\nwere %s", now, old)
	}
	// The version before goes on until the new one is deployed.
	if _, err := db.Exec(insert, "user_b", "of the version before", published, published, "late", nil); err != nil {
		t.Error(err)
	}

	clerk := testkit.StartClerk(t, fakeclerk.Config{})
	product := testkit.Start(t, clerk.Environment(g.url, map[string]string{"POST_INTERVAL": "4294967295"}))
	client := testkit.NewClient(t, product.URL, clerk)
	for _, test := range []struct {
		what, user, text, key string
		status                int
		content               string
	}{
		{"sent again", "user_a", "kept 🐦", "key", 200, "kept 🐦"},
		{"another text under its key", "user_a", "another text", "key", 422, ""},
		{"sent again after an edit", "user_a", "as it was", "KEY", 200, "edited since"},
		{"sent again to the new version", "user_b", "of the version before", "late", 200, "of the version before"},
		{"a new post in a slot that is taken", "user_a", "too soon", "new", 429, ""},
		{"a new post in a free slot", "user_b", "new", "new", 201, "new"},
		{"a new post sent again", "user_b", "new", "new", 200, "new"},
	} {
		got := client.Call(test.user, "POST", "/api/posts", testkit.Content(test.text), "Idempotency-Key", test.key)
		if got.Status != test.status || got.Content != test.content {
			t.Errorf("%s: %d %s; want %d %q", test.what, got.Status, got.Text, test.status, test.content)
		}
	}
	if n := len(rows()); n != 8 {
		t.Errorf("%d posts at the end; want the seven and the new one", n)
	}
}

func TestAPushMakesNoConnectionButItsOwn(t *testing.T) {
	g := onMariaDB(t)
	g.exec(g.schema)
	proxy := faults.New(t, g.url)
	g.url = proxy.URL()
	if printed, ok := g.push(""); !ok || proxy.Connections() != 1 {
		t.Errorf("ok %v, %d connections, printed %s; want one", ok, proxy.Connections(), printed)
	}
}

func TestSomebodyElsesTableIsNamedAndKept(t *testing.T) {
	g := onMariaDB(t)
	// With a type that Vitess cannot read.
	g.exec(g.schema, "CREATE TABLE analytics (id UUID PRIMARY KEY, j JSON)", "CREATE VIEW recent AS SELECT id FROM posts")
	printed := g.mustSettle("")
	for _, name := range []string{"analytics", "recent"} {
		if !strings.Contains(printed, "The table "+name+" is not in schema.sql") {
			t.Errorf("printed %s; want a word about %s", printed, name)
		}
	}
	g.exec("SELECT * FROM analytics", "SELECT * FROM recent")
}

func TestAStatementThatFailsSaysWhichAndCanBeRunAgain(t *testing.T) {
	g := onMariaDB(t)
	const twice = "INSERT INTO posts (user_id, content, created_at, updated_at, slot) VALUES ('user_a', 'hello', NOW(3), NOW(3), 7)"
	g.exec(g.schema, "DROP INDEX posts_slot ON posts", twice, twice)
	if printed, ok := g.push(""); ok || !strings.Contains(printed, "statement 1 of 1 failed") || !strings.Contains(printed, "1062") {
		t.Errorf("ok %v, printed %s; want a failure with the statement and the reason", ok, printed)
	}
	g.exec("DELETE FROM posts LIMIT 1")
	g.mustSettle("")
}

func TestTheURLMayStandInEnvLocal(t *testing.T) {
	g := onMariaDB(t)
	t.Setenv("DATABASE_URL", "") // set, and godotenv leaves it alone then
	os.Unsetenv("DATABASE_URL")
	g.write(".env.local", "DATABASE_URL=\""+g.url+"\"\n")
	g.exec(g.schema)
	g.url = ""
	if printed, ok := g.push(""); !ok || !strings.Contains(printed, "Nothing to do") {
		t.Errorf("ok %v, printed %s; want nothing to do", ok, printed)
	}
	g.write(".env.local", "DATABASE_URL=\"[SENSITIVE]\"\n")
	if printed, ok := g.push(""); ok || !strings.Contains(printed, "`vercel env pull` cannot read secrets") {
		t.Errorf("ok %v, printed %s; want a failure that says where [SENSITIVE] comes from", ok, printed)
	}
	g.write(".env.local", "s3cret-without-a-name\n")
	if printed, ok := g.push(""); ok || !strings.Contains(printed, ".env.local") || strings.Contains(printed, "s3cret") {
		t.Errorf("ok %v, printed %s; want a failure that names .env.local and quotes nothing of it", ok, printed)
	}
}

func TestAFailureToConnectNamesTheVariableAndKeepsThePassword(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	for name, test := range map[string]struct{ databaseURL, want string }{
		"nobody listens":             {fmt.Sprintf("mysql://warble:s3cret@%s/warble", nobody.Addr()), "DATABASE_URL"},
		"wrong password":             {fmt.Sprintf("mysql://warble:s3cret@%s/warble", maria.Addr()), "DATABASE_URL"},
		"malformed":                  {"mysql://warble:s3cret@/%zz", "DATABASE_URL"},
		"another database's address": {"postgres://warble:s3cret@h/w", "DATABASE_URL in the environment is a PostgreSQL address; Warble needs MySQL (Vitess)"},
		"a name in the value":        {"DATABASE_URL=mysql://warble:s3cret@h/w\n", "DATABASE_URL in the environment begins with DATABASE_URL="},
		"no database":                {" 'mysql://warble:s3cret@h:3306' ", "DATABASE_URL in the environment names no database"},
	} {
		t.Run(name, func(t *testing.T) {
			printed, ok := newTarget(t, test.databaseURL).push("")
			if ok || !strings.Contains(printed, test.want) || strings.Contains(printed, "s3cret") || strings.Contains(printed, "deploy again") {
				t.Errorf("ok %v, printed %s; want a failure that says %s, not the password, and no deployment", ok, printed, test.want)
			}
		})
	}
}

// directDDLDisabled answers DDL as PlanetScale does with safe migrations on.
type directDDLDisabled struct{ mysql.Handler }

var ddl = regexp.MustCompile(`(?i)^\s*(create|alter|drop)\s`)

func (h directDDLDisabled) ComQuery(ctx context.Context, c *mysql.Conn, query string, callback mysql.ResultSpoolFn) error {
	if ddl.MatchString(query) {
		return mysql.NewSQLError(1105, "HY000", "direct DDL is disabled")
	}
	return h.Handler.ComQuery(ctx, c, query, callback)
}

func TestSafeMigrationsAreExplained(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	provider := memory.NewDBProvider(memory.NewDatabase("warble"))
	engine, err := server.NewServerWithHandler(
		server.Config{Listener: listener, Address: listener.Addr().String()},
		sqle.NewDefault(provider), gms.NewContext, memory.NewSessionBuilder(provider), nil,
		func(h mysql.Handler) (mysql.Handler, error) { return directDDLDisabled{h}, nil })
	if err != nil {
		t.Fatal(err)
	}
	go engine.Start()
	t.Cleanup(func() { engine.Close() })

	printed, ok := newTarget(t, fmt.Sprintf("mysql://root@%s/warble", listener.Addr())).push("")
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
