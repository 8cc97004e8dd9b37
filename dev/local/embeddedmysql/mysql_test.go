package embeddedmysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"

	"warble/lib/database"
)

// writers is how many connections write at once.
const writers = 32

// open starts an engine with one empty table and connects as the functions do.
func open(t *testing.T, interpolate bool) *sql.DB {
	t.Helper()
	_, db := start(t, interpolate)
	return db
}

func start(t *testing.T, interpolate bool) (*Server, *sql.DB) {
	t.Helper()
	s, err := Start("127.0.0.1:0", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	db := connect(t, s, func(c *mysql.Config) { c.InterpolateParams = interpolate })
	exec(t, db, `CREATE TABLE notes (
		id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
		name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
		UNIQUE KEY by_name (name))`)
	return s, db
}

// connect gives a pool on s with the functions' settings, changed by change.
func connect(t *testing.T, s *Server, change func(*mysql.Config)) *sql.DB {
	t.Helper()
	config, err := database.Config(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	change(config)
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	db.SetMaxIdleConns(writers)
	return db
}

type execer interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}

func exec(t *testing.T, db execer, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// duplicate fails the test unless err is MySQL's error 1062.
func duplicate(t *testing.T, what string, err error) {
	t.Helper()
	var refused *mysql.MySQLError
	if !errors.As(err, &refused) || refused.Number != 1062 {
		t.Errorf("%s: error %v; want number 1062", what, err)
	}
}

func names(t *testing.T, db *sql.DB) (count int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(DISTINCT name) FROM notes").Scan(&count); err != nil {
		t.Fatal(err)
	}
	return count
}

// atOnce runs f in as many goroutines as there are writers.
func atOnce(f func(writer int)) {
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() { f(w) })
	}
	wg.Wait()
}

func TestRefusedStatementsLoseNobodysPosts(t *testing.T) {
	const rounds = 10
	for _, interpolate := range []bool{true, false} {
		t.Run(fmt.Sprintf("interpolateParams=%t", interpolate), func(t *testing.T) {
			db := open(t, interpolate)
			exec(t, db, "INSERT INTO notes (name) VALUES ('taken')")
			atOnce(func(w int) {
				for i := range rounds {
					if _, err := db.Exec("INSERT INTO nowhere (name) VALUES (?)", "x"); err == nil {
						t.Error("insert into a missing table succeeded")
					}
					_, err := db.Exec("INSERT INTO notes (name) VALUES (?)", "taken")
					duplicate(t, "taken name", err)
					if _, err := db.Exec("INSERT INTO notes (name) VALUES (?)", fmt.Sprintf("%d-%d", w, i)); err != nil {
						t.Errorf("writer %d: %v", w, err)
					}
				}
			})
			if got, want := names(t, db), writers*rounds+1; got != want {
				t.Errorf("%d inserts acknowledged, %d stored", want, got)
			}
		})
	}
}

func TestPreparedStatementOfOneReaderUndoesNobodysPosts(t *testing.T) {
	db := open(t, true)
	prepared, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer prepared.Close()
	insert, err := prepared.PrepareContext(t.Context(), "INSERT INTO notes (name) VALUES (?)")
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	exec(t, db, "INSERT INTO notes (name) VALUES ('written after the prepare')")
	if _, err := insert.Exec("written by the prepared statement"); err != nil {
		t.Fatal(err)
	}
	if got := names(t, db); got != 2 {
		t.Errorf("2 inserts acknowledged, %d stored", got)
	}
}

func TestEveryFormOfDuplicateKeyIsError1062(t *testing.T) {
	for _, interpolate := range []bool{true, false} {
		db := open(t, interpolate)
		exec(t, db, "INSERT INTO notes (id, name) VALUES (?, ?), (?, ?)", 1, "a", 2, "b")
		for _, c := range []struct {
			query string
			args  []any
		}{
			{"INSERT INTO notes (id, name) VALUES (?, ?)", []any{1, "c"}},
			{"INSERT INTO notes (name) VALUES (?)", []any{"a"}},
			{"INSERT INTO notes (name) VALUES (?), (?)", []any{"c", "a"}},
			{"INSERT INTO notes (name) VALUES (?), (?)", []any{"c", "c"}},
			{"INSERT INTO notes (name) SELECT name FROM notes WHERE id = ?", []any{1}},
			{"UPDATE notes SET name = ? WHERE id = ?", []any{"a", 2}},
			{"UPDATE notes SET id = ? WHERE id = ?", []any{1, 2}},
		} {
			_, err := db.Exec(c.query, c.args...)
			duplicate(t, c.query, err)
		}
		if got := names(t, db); got != 2 {
			t.Errorf("%d names stored; want 2", got)
		}
	}
}

func TestTransactionsCommitWhollyOrNotAtAll(t *testing.T) {
	db := open(t, true)
	atOnce(func(w int) {
		for i := range 10 {
			tx, err := db.Begin()
			if err != nil {
				t.Error(err)
				return
			}
			exec(t, tx, "INSERT INTO notes (name) VALUES (?)", fmt.Sprintf("%d-%d-first", w, i))
			exec(t, tx, "INSERT INTO notes (name) VALUES (?)", fmt.Sprintf("%d-%d-second", w, i))
			end := tx.Commit
			if i%2 == 1 {
				end = tx.Rollback
			}
			if err := end(); err != nil {
				t.Error(err)
			}
		}
	})
	if got, want := names(t, db), writers*10; got != want {
		t.Errorf("%d names stored; want %d, two from each of the committed transactions", got, want)
	}
}

func TestRefusedStatementKeepsTheRestOfItsTransaction(t *testing.T) {
	db := open(t, true)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx, "INSERT INTO notes (name) VALUES ('a')")
	_, err = tx.Exec("INSERT INTO notes (name) VALUES ('b'), ('a')")
	duplicate(t, "name of the same transaction", err)
	exec(t, tx, "INSERT INTO notes (name) VALUES ('c')")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	var a, b, c int
	if err := db.QueryRow("SELECT SUM(name='a'), SUM(name='b'), SUM(name='c') FROM notes").Scan(&a, &b, &c); err != nil {
		t.Fatal(err)
	}
	if a != 1 || b != 0 || c != 1 {
		t.Errorf("a, b, c stored %d, %d, %d times; want 1, 0, 1 as on MySQL", a, b, c)
	}
}

func TestConnectionCutInsideTransactionBlocksNobody(t *testing.T) {
	s, db := start(t, true)
	var wire *net.TCPConn
	cut := connect(t, s, func(c *mysql.Config) {
		c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				wire = conn.(*net.TCPConn)
			}
			return conn, err
		}
	})
	tx, err := cut.Begin()
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx, "INSERT INTO notes (name) VALUES ('never committed')")
	if dump, err := s.Dump(); err == nil {
		t.Errorf("what is not committed is kept:\n%s", dump)
	}
	if err := errors.Join(wire.SetLinger(0), wire.Close()); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "INSERT INTO notes (name) VALUES ('after')")
	if got := names(t, db); got != 1 {
		t.Errorf("%d names stored; want only the one that was acknowledged", got)
	}
}

func TestEngineWithoutPasswordsListensOnLoopbackOnly(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0"} {
		if s, err := Start(addr, io.Discard); err == nil {
			s.Close()
			t.Errorf("Start(%q) succeeded; want an error", addr)
		}
	}
}
