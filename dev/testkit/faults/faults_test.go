package faults

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"warble/dev/testkit"
	"warble/dev/testkit/mariadb"

	"github.com/go-sql-driver/mysql"
)

// hung is how long a test waits before it calls the database hung.
const hung = 300 * time.Millisecond

var server *mariadb.Server

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if server, err = mariadb.New(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer server.Close()
		return m.Run()
	}())
}

// through gives an empty table "notes" and a pool that reaches it through a
// proxy, with the functions' settings changed by change.
func through(t *testing.T, change func(*mysql.Config)) (*Proxy, *sql.DB) {
	t.Helper()
	p := New(t, server.URL())
	config := testkit.DatabaseConfig(t, p.URL())
	change(config)
	db := testkit.Open(t, config).DB
	exec(t, db, "DROP TABLE IF EXISTS notes")
	exec(t, db, "CREATE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY, body LONGTEXT)")
	return p, db
}

func plain(*mysql.Config) {}

func exec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%.40s: %v", query, err)
	}
}

func rows(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRow("SELECT COUNT(*) FROM notes").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEveryRoundTripIsCountedAndNamed(t *testing.T) {
	for _, c := range []struct {
		name        string
		interpolate bool
		want        []string
	}{
		{"interpolated", true, []string{"COM_QUERY INSERT INTO notes (body) VALUES ('it\\'s')"}},
		{"prepared", false, []string{"COM_STMT_PREPARE INSERT INTO notes (body) VALUES (?)", "COM_STMT_EXECUTE", "COM_STMT_CLOSE"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, db := through(t, func(config *mysql.Config) { config.InterpolateParams = c.interpolate })
			before := p.Commands()
			exec(t, db, "INSERT INTO notes (body) VALUES (?)", "it's")
			if err := db.Ping(); err != nil {
				t.Fatal(err)
			}
			want := append(c.want, "COM_PING")
			if got := p.Commands() - before; got != int64(len(want)) {
				t.Errorf("%d commands counted; want %d", got, len(want))
			}
			if last := p.LastCommands(); !slices.Equal(last[len(last)-len(want):], want) {
				t.Errorf("commands %q; want them to end with %q", last, want)
			}
			if got := p.Connections(); got != 1 {
				t.Errorf("%d connections; want 1", got)
			}
			db.Close() // sends COM_QUIT
			if got := p.Commands() - before; got != int64(len(want)) {
				t.Errorf("%d commands counted after the end; want %d", got, len(want))
			}
		})
	}
}

func TestCommandOverManyPiecesIsOneCommand(t *testing.T) {
	p, db := through(t, func(config *mysql.Config) { config.MaxAllowedPacket = 64 << 20 })
	before := p.Commands()
	exec(t, db, "INSERT INTO notes (body) VALUES (LENGTH(?))", strings.Repeat("x", 3<<20))
	if got := p.Commands() - before; got != 1 {
		t.Errorf("%d commands; want 1: %.60q", got, p.LastCommands())
	}
}

func TestCommandsAreFoundWhereverTheNetworkSplitsThem(t *testing.T) {
	packet := func(sequence byte, payload string) string {
		return string([]byte{byte(len(payload)), byte(len(payload) >> 8), 0, sequence}) + payload
	}
	sent := packet(1, "\x03handshake that looks like a query") + packet(3, "") +
		packet(0, "\x03SELECT 1") + packet(0, "\x0e") + packet(0, "\x03"+strings.Repeat("y", 40_000)) + packet(1, "\x03rest") + packet(0, "\x01")
	want := []string{"3 SELECT 1", "14 ", "3 " + strings.Repeat("y", maxTextBytes), "1 "}
	for _, size := range []int{1, 2, 3, 5, 7, 1_000, len(sent)} {
		from, to := io.Pipe()
		go func() {
			for piece := range slices.Chunk([]byte(sent), size) {
				to.Write(piece)
			}
			to.Close()
		}()
		var got []string
		var passed []byte
		packet, err := readPacket(from)
		for ; err == nil; packet, err = readPacket(from) {
			passed = append(passed, packet...)
			if code, sql, ok := command(packet); ok {
				got = append(got, fmt.Sprintf("%d %s", code, sql))
			}
		}
		if err != io.EOF || string(passed) != sent {
			t.Errorf("in pieces of %d bytes: %d bytes of %d, then %v", size, len(passed), len(sent), err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pieces of %d bytes: %d commands %.80q; want %.80q", size, len(got), got, want)
		}
	}
}

func TestCutConnectionsAreSeenAtOnceAndNewOnesWork(t *testing.T) {
	p, db := through(t, plain)
	for i := range 100 {
		before := p.Connections()
		p.Cut()
		// The driver looks at an idle connection before it uses it, so one that
		// was cut costs nothing but a new one.
		exec(t, db, "INSERT INTO notes (body) VALUES ('after the cut')")
		if got := p.Connections() - before; got != 1 {
			t.Fatalf("cut %d: %d new connections; want 1", i, got)
		}
	}
	ctx := t.Context()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	failed := make(chan error)
	before := p.Commands()
	go func() {
		_, err := conn.ExecContext(ctx, "SELECT SLEEP(60)")
		failed <- err
	}()
	waitFor(t, "the query to pass", func() bool { return p.Commands() > before })
	p.Cut()
	if err := <-failed; !errors.Is(err, mysql.ErrInvalidConn) {
		t.Errorf("query cut while it ran: %v; want %v", err, mysql.ErrInvalidConn)
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s for %s", what)
		}
	}
}

func TestDatabaseThatIsDownRefusesAndComesBack(t *testing.T) {
	p, db := through(t, plain)
	for range 100 {
		p.Down()
		var refused *net.OpError
		if err := db.Ping(); !errors.As(err, &refused) || refused.Op != "dial" {
			t.Fatalf("ping while down: %v; want a refused connection", err)
		}
		p.Up()
		p.Up()
		exec(t, db, "INSERT INTO notes (body) VALUES ('back')")
	}
}

func TestHungDatabaseAnswersOldAndNewConnectionsOnlyAfterResume(t *testing.T) {
	p, db := through(t, plain)
	old, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	p.Hang()
	p.Hang()
	for _, c := range []struct {
		name string
		ping func(context.Context) error
	}{{"open connection", old.PingContext}, {"new connection", db.PingContext}} {
		ctx, cancel := context.WithTimeout(t.Context(), hung)
		if err := c.ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s to a hung database: %v; want %v", c.name, err, context.DeadlineExceeded)
		}
		cancel()
	}
	late := make(chan error)
	go func() {
		_, err := db.Exec("INSERT INTO notes (body) VALUES ('held back')")
		late <- err
	}()
	select {
	case err := <-late:
		t.Fatalf("insert while hung: %v; want no answer", err)
	case <-time.After(hung):
	}
	p.Resume()
	p.Resume()
	if err := <-late; err != nil {
		t.Errorf("insert after Resume: %v", err)
	}
	if got := rows(t, db); got != 1 {
		t.Errorf("%d rows; want the one that was held back", got)
	}
}

func TestSwallowedAnswerIsACommitNobodyHeardOf(t *testing.T) {
	for _, c := range []struct{ prefix, query string }{
		{"", "INSERT INTO notes (body) VALUES ('x')"},
		{"insert", "\n\tINSERT INTO notes (body) VALUES ('x')"},
	} {
		p, db := through(t, plain)
		if c.prefix != "" {
			p.SwallowAnswer(c.prefix)
			if got := rows(t, db); got != 0 {
				t.Errorf("%d rows at first; want 0", got)
			}
		} else {
			p.SwallowAnswer("")
		}
		before := p.Commands()
		if _, err := db.Exec(c.query); !errors.Is(err, mysql.ErrInvalidConn) {
			t.Errorf("insert whose answer is lost: %v; want %v", err, mysql.ErrInvalidConn)
		}
		if got := p.Commands() - before; got != 1 {
			t.Errorf("%d commands; want 1, not sent again: %q", got, p.LastCommands())
		}
		if got := rows(t, db); got != 1 {
			t.Errorf("prefix %q: %d rows; want 1, the server ran it", c.prefix, got)
		}
		exec(t, db, "INSERT INTO notes (body) VALUES ('y')")
	}
}

func TestSwallowedCommitIsDurable(t *testing.T) {
	p, db := through(t, plain)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO notes (body) VALUES ('x')"); err != nil {
		t.Fatal(err)
	}
	p.SwallowAnswer("COMMIT")
	if err := tx.Commit(); err == nil || errors.Is(err, driver.ErrBadConn) {
		t.Errorf("commit whose answer is lost: %v; want an error that is not retried", err)
	}
	if got := rows(t, db); got != 1 {
		t.Errorf("%d rows; want 1", got)
	}
}

// Run with -race: what it looks for are races in the proxy itself.
func TestFaultsDuringTrafficLeaveTheProxyUsable(t *testing.T) {
	p, db := through(t, func(config *mysql.Config) {
		config.Timeout, config.ReadTimeout, config.WriteTimeout = time.Second, time.Second, time.Second
	})
	ctx, cancel := context.WithCancel(t.Context())
	var traffic sync.WaitGroup
	for range 8 {
		traffic.Go(func() {
			for ctx.Err() == nil {
				_, _ = db.ExecContext(ctx, "INSERT INTO notes (body) VALUES ('x')") // may fail
			}
		})
	}
	for range 20 {
		for _, fault := range []func(){p.Hang, p.Cut, p.Resume, p.Down, p.Up, func() { p.SwallowAnswer("INSERT") }} {
			before := p.Commands()
			fault()
			_ = p.LastCommands()
			if p.Commands() < before {
				t.Error("count went back")
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	cancel()
	traffic.Wait()
	p.Cut()
	p.SwallowAnswer("nothing begins so")
	exec(t, db, "INSERT INTO notes (body) VALUES ('usable')")
}
