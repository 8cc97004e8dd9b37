package embeddedmysql

import (
	"bytes"
	"database/sql"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// load starts an engine with what a dump holds.
func load(t *testing.T, dump []byte) (*Server, *sql.DB, error) {
	t.Helper()
	s, err := Start("127.0.0.1:0", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, connect(t, s, func(*mysql.Config) {}), s.Load(dump)
}

// hostile are values that a careless dump would damage.
var hostile = []string{"", "a", "'", `\`, `\'`, "a;\n", ";\nDROP TABLE posts;\n", complete, "\x00\x1a\r\t", "%s", "\u2028 🎉 名前", " ' OR 1=1 -- ", `\n`, "/* */", "NULL"}

// What a developer wrote is there after a restart: each value, each table, its keys, and
// the number that the next post gets, also when the last one was deleted.
func TestADumpHasTablesRowsKeysAndIds(t *testing.T) {
	schema, err := os.ReadFile("../../../schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	s, db, _ := load(t, []byte(complete))
	exec(t, db, string(schema))
	exec(t, db, "CREATE TABLE likes (at DATETIME(3), level DECIMAL(5,2), data VARBINARY(300), nothing INT)")
	at := time.Date(2026, 11, 29, 23, 59, 59, 7_000_000, time.UTC)
	insert := "INSERT INTO posts (user_id, content, created_at, updated_at, slot) VALUES ('user_a', ?, ?, ?, ?)"
	for i, value := range hostile {
		exec(t, db, insert, value, at, at, i)
		exec(t, db, "INSERT INTO likes VALUES (?, ?, ?, NULL)", at, "3.20", []byte(value+"\xff"))
	}
	exec(t, db, "DELETE FROM posts WHERE id = ?", len(hostile))
	before, err := s.Dump()
	if err != nil {
		t.Fatal(err)
	}

	s, db, err = load(t, before)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range hostile[:len(hostile)-1] {
		var content string
		var created time.Time
		if err := db.QueryRow("SELECT content, created_at FROM posts WHERE id = ?", i+1).Scan(&content, &created); err != nil || content != want || !created.Equal(at) {
			t.Errorf("post %d is %q of %v, %v; want %q", i+1, content, created, err, want)
		}
	}
	if after, err := s.Dump(); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%v; was\n%s\nis\n%s", err, before, after)
	}
	_, err = db.Exec(insert, "the slot of another", at, at, 3)
	duplicate(t, "a slot of a loaded post", err)
	_, err = db.Exec("INSERT INTO posts (id, user_id, content, created_at, updated_at) VALUES (3, 'user_a', 'the id of another', ?, ?)", at, at)
	duplicate(t, "the id of a loaded post", err)
	result, err := db.Exec(insert, "next", at.Add(-time.Hour), at, 100)
	if err != nil {
		t.Fatal(err)
	}
	if id, _ := result.LastInsertId(); id != int64(len(hostile)+1) {
		t.Errorf("the next post is %d: a link to one that was deleted leads to it; want %d", id, len(hostile)+1)
	}
	var oldest string
	if err := db.QueryRow("SELECT content FROM posts WHERE user_id = 'user_a' ORDER BY created_at, id LIMIT 1").Scan(&oldest); err != nil || oldest != "next" {
		t.Errorf("the oldest post is %q, %v; want the one with the earliest time", oldest, err)
	}
}

// A dump that was cut anywhere, or is of zeros, is refused, and the engine is empty.
func TestADamagedDumpIsRefusedWhole(t *testing.T) {
	s, db, _ := load(t, []byte(complete))
	exec(t, db, "CREATE TABLE notes (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(64))")
	exec(t, db, "INSERT INTO notes (name) VALUES ('a'), ('b')")
	whole, err := s.Dump()
	if err != nil {
		t.Fatal(err)
	}
	damaged := [][]byte{make([]byte, len(whole)), bytes.Replace(whole, []byte("),\n("), []byte(")("), 1), append(whole[:len(whole):len(whole)], 'x')}
	for at := range whole {
		damaged = append(damaged, whole[:at])
	}
	s, db, _ = load(t, []byte(complete))
	for i, dump := range damaged {
		if err := s.Load(dump); err == nil {
			t.Errorf("damage %d is loaded:\n%s", i, dump)
		}
		if names := tables(t, db); names != "" {
			t.Fatalf("damage %d: the engine has %s", i, names)
		}
	}
	if err := s.Load(whole); err != nil || tables(t, db) != "notes" {
		t.Errorf("after damage the whole dump loads %q, %v", tables(t, db), err)
	}
}

// tables lists the tables.
func tables(t *testing.T, db *sql.DB) (names string) {
	t.Helper()
	err := db.QueryRow("SELECT COALESCE(GROUP_CONCAT(table_name, ' '), '') FROM information_schema.tables WHERE table_schema = 'warble'").Scan(&names)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// What changes something is told, and so is written. Reads are not: a page that is open
// would have the file written twice a second.
func TestChangesAreTold(t *testing.T) {
	s, db := start(t, true)
	var changes atomic.Int64
	s.Watch(func() { changes.Add(1) })
	for query, want := range map[string]int64{
		"SELECT * FROM notes": 0, " show tables": 0, "INSERT INTO notes (name) VALUES ('a')": 1, "UPDATE notes SET name = 'b'": 1,
		"DELETE FROM notes": 1, "ALTER TABLE notes ADD COLUMN mood INT": 1,
	} {
		if exec(t, db, query); changes.Swap(0) != want {
			t.Errorf("%s is told, or not, unlike %d", query, want)
		}
	}
}
