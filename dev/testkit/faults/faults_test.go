package faults

import (
	"errors"
	"testing"
	"time"

	"warble/dev/testkit"
	"warble/dev/testkit/mariadb"

	"github.com/go-sql-driver/mysql"
)

// Tests of lost answers would otherwise lose the statement, or another's answer.
func TestASwallowedAnswerIsACommitNobodyHeardOf(t *testing.T) {
	p := New(t, mariadb.Start(t).URL())
	config := testkit.DatabaseConfig(t, p.URL())
	config.ReadTimeout = time.Minute // of a proxy that loses what it should deliver
	db := testkit.Open(t, config)
	db.MustExec("CREATE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY, body TEXT)")
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
