package faults

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"warble/dev/testkit"
	"warble/dev/testkit/mariadb"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"
)

// through gives an empty table "notes", and a pool that reaches it through a proxy.
func through(t *testing.T) (*Proxy, *sqlx.DB) {
	t.Helper()
	p := New(t, mariadb.Start(t).URL())
	config := testkit.DatabaseConfig(t, p.URL())
	config.ReadTimeout = time.Minute // of a proxy that loses what it should deliver
	db := testkit.Open(t, config)
	db.MustExec("CREATE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY, body TEXT)")
	return p, db
}

// A test that hangs the database would otherwise test one that answers, or that is
// down.
func TestAHungDatabaseAnswersOldAndNewConnectionsOnlyAfterResume(t *testing.T) {
	p, db := through(t)
	old, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	p.Hang()
	p.Hang()
	for name, ping := range map[string]func(context.Context) error{"open connection": old.PingContext, "new connection": db.PingContext} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if err := ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s to a hung database: %v; want %v", name, err, context.DeadlineExceeded)
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
	case <-time.After(300 * time.Millisecond):
	}
	p.Resume()
	p.Resume()
	if err := <-late; err != nil {
		t.Errorf("insert after Resume: %v", err)
	}
}

// Tests of lost answers would otherwise lose the statement, or another's answer.
func TestASwallowedAnswerIsACommitNobodyHeardOf(t *testing.T) {
	p, db := through(t)
	p.SwallowAnswer("INSERT")
	db.MustExec("DO 1") // and that is answered
	before := len(p.Commands())
	if _, err := db.Exec("\n\tINSERT INTO notes (body) VALUES ('x')"); !errors.Is(err, mysql.ErrInvalidConn) {
		t.Errorf("insert whose answer is lost: %v; want %v", err, mysql.ErrInvalidConn)
	}
	if sent := p.Commands()[before:]; len(sent) != 1 {
		t.Errorf("%q is sent; want the insert once", sent)
	}
	db.MustExec("INSERT INTO notes (body) VALUES ('y')")
	var rows int
	if err := db.Get(&rows, "SELECT COUNT(*) FROM notes"); err != nil || rows != 2 {
		t.Errorf("%d rows, %v; want 2, the server ran both", rows, err)
	}
}

// Run with -race: what it looks for are races in the proxy itself.
func TestFaultsDuringTrafficLeaveTheProxyUsable(t *testing.T) {
	p, db := through(t)
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
		for _, fault := range []func(){p.Hang, p.Cut, p.Resume, p.Down, p.Up, func() { p.SwallowAnswer("INSERT") }, func() { p.Delay(time.Millisecond) }} {
			before := len(p.Commands())
			fault()
			if len(p.Commands()) < before {
				t.Error("count went back")
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	cancel()
	traffic.Wait()
	p.Cut()
	p.SwallowAnswer("nothing begins so")
	db.MustExec("INSERT INTO notes (body) VALUES ('usable')")
}
