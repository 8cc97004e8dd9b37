// Package database is where the rows are: the one pool of connections to the
// MySQL that DATABASE_URL names, and what its errors mean.
package database

import (
	"context"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"

	"warble/lib/env"
	"warble/lib/problem"
)

const (
	// connections is the most an instance holds. It serves one request at a
	// time today, and a request needs one; the rest is room for a platform
	// that sends it several.
	connections = 4
	// lifetime and idleTime are below the five minutes for which load balancers
	// on the way to a database commonly keep a silent connection.
	lifetime = 4 * time.Minute
	idleTime = 3 * time.Minute
	// dialTimeout ends before the request's own deadline, so that the request can
	// still be answered. ioTimeout ends a connection whose other side has gone
	// without closing it.
	dialTimeout = 3 * time.Second
	ioTimeout   = 5 * time.Second
)

// Pool returns the process's pool of connections, opened by the first call:
// DATABASE_URL is read then, and the first connection made; further calls wait for
// both. Its error is a problem that names DATABASE_URL. An unreachable database is
// not an error here: each statement tries to connect again.
var Pool = sync.OnceValues(open)

func open() (*sqlx.DB, error) {
	config, err := Config(env.Get("DATABASE_URL"))
	if err != nil {
		return nil, err
	}
	dialer, err := mysql.NewConnector(config)
	if err != nil {
		return nil, env.Wrong(variable, "is malformed") // the driver's own words may quote the password
	}
	if config.TLSConfig != "" {
		// The handshake needs the system's certificates. They take milliseconds to
		// parse, once a process: do it while the connection's first round trips are under way.
		go x509.SystemCertPool()
	}
	db := sqlx.NewDb(sql.OpenDB(connector{dialer}), "mysql")
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxLifetime(lifetime)
	db.SetConnMaxIdleTime(idleTime)
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	if first, err := db.Conn(ctx); err == nil {
		first.Close() // it stays in the pool
	}
	return db, nil
}

// A cold start waits for its database, so connect while the process starts. The
// variable is there in a process that the platform has started; a test or another
// program that imports the functions does not connect.
func init() {
	if env.Get("AWS_LAMBDA_RUNTIME_API") != "" {
		go Pool()
	}
}

// Get reads one row into dest, a pointer to a struct. No row is a 404.
func Get(ctx context.Context, dest any, query string, args ...any) error {
	db, err := Pool()
	if err != nil {
		return err
	}
	return problemOf(db.GetContext(ctx, dest, query, args...))
}

// Select reads all rows into dest, a pointer to a slice of structs.
func Select(ctx context.Context, dest any, query string, args ...any) error {
	db, err := Pool()
	if err != nil {
		return err
	}
	return problemOf(db.SelectContext(ctx, dest, query, args...))
}

// Exec runs a statement that updates or deletes, and returns the number of rows
// that it found. A statement that the database has undone to let another pass (a
// deadlock) did not happen, and is sent again. After any other error it is not:
// nobody knows then whether it ran.
func Exec(ctx context.Context, query string, args ...any) (found int64, err error) {
	db, err := Pool()
	if err != nil {
		return 0, err
	}
	var result sql.Result
	for range Attempts(ctx) {
		if result, err = db.ExecContext(ctx, query, args...); !is(err, deadlock) {
			break
		}
	}
	if err != nil {
		return 0, problemOf(err)
	}
	return result.RowsAffected()
}

// ExecOne is Exec for a statement that updates or deletes one row. No row is a 404.
func ExecOne(ctx context.Context, query string, args ...any) error {
	found, err := Exec(ctx, query, args...)
	if err == nil && found == 0 {
		err = problem.NotFound()
	}
	return err
}

// Insert sends a statement that inserts a row, once, and returns the row's id. Its
// error is ErrRefused or a problem.
func Insert(ctx context.Context, query string, args ...any) (id int64, err error) {
	db, err := Pool()
	if err != nil {
		return 0, err
	}
	result, err := db.ExecContext(ctx, query, args...)
	if is(err, duplicate) {
		return 0, fmt.Errorf("%w: a unique key has its value already", ErrRefused)
	}
	if is(err, deadlock) {
		return 0, fmt.Errorf("%w: the database has undone it to let another pass", ErrRefused)
	}
	if err != nil {
		return 0, problemOf(err)
	}
	return result.LastInsertId()
}

// ErrRefused is the error of an insert that did not happen because of another row.
var ErrRefused = errors.New("the insert was refused")

// MySQL's numbers of the two errors after which a statement did not happen.
const (
	duplicate = 1062
	deadlock  = 1213
)

func is(err error, number uint16) bool {
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && refused.Number == number
}

// firstPause bounds the first pause of Attempts, as long as nothing has been waited
// for. It is some statements long.
const firstPause = 10 * time.Millisecond

// Attempts is ranged over by a loop that sends a statement until it passes. The
// loop goes round at once, and again after each random pause, until ctx ends.
//
// Inserts that wait for the deletion of a row with their key all get a shared lock
// on it at once, and then exclude one another: InnoDB undoes them until one is left,
// and those that come back too soon are in its way again. Each pause is random up
// to half of the time spent, so that a crowd thins out however slow the machine is.
// Of 47 inserts and a deletion at a time on MariaDB, 40 times, the worst was sent 7
// times; with pauses of at most 10 ms, or none, 12 to 34 times. An exclusive lock
// (ON DUPLICATE KEY UPDATE, or FOR UPDATE in a transaction) makes it 2 sends, but
// has no right id on a sharded Vitess, or costs four round trips.
func Attempts(ctx context.Context) func(yield func() bool) {
	return func(yield func() bool) {
		begun := time.Now()
		for yield() {
			select {
			case <-ctx.Done():
				return
			case <-time.After(rand.N(max(firstPause, time.Since(begun)/2))):
			}
		}
	}
}

// problemOf returns the problem of a failed statement. No row is a 404.
// What the network, the driver or the server's state causes is a 503: the same
// statement succeeds once the database is back. A statement or a scan that cannot
// work is our mistake, and becomes a 500. The messages of servers and of scans
// quote people's text; of those the log gets the number or the column alone.
func problemOf(err error) error {
	const detail = "The database does not answer right now. Try again in a moment."
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return problem.NotFound()
	}
	if refused, ok := errors.AsType[*mysql.MySQLError](err); ok {
		if known, ok := databaseURLErrors[refused.Number]; ok {
			p := problem.Misconfigured(variable, known.wrong, known.advice)
			return problem.Unavailable(p.Detail, fmt.Errorf("database error %d: %w", refused.Number, p.Cause))
		}
		cause := fmt.Errorf("database error %d (its text is left out: it may quote a post)", refused.Number)
		if isMistake(refused) {
			return cause
		}
		return problem.Unavailable(detail, cause)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return problem.Unavailable(detail, errors.New("the database took longer than the request may"))
	case isConnection(err):
		return problem.Unavailable(detail, fmt.Errorf("the database cannot be reached: %w", err))
	}
	text, _, _ := strings.Cut(err.Error(), ": converting")
	text, _, _ = strings.Cut(text, ": unsupported Scan")
	return fmt.Errorf("the statement or its scan cannot work: %s", text)
}

// connector marks the errors of connecting. Those of TLS and of the login have no
// type to tell them by.
type connector struct{ driver.Connector }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		err = connectError{err}
	}
	return conn, err
}

type connectError struct{ error }

func (e connectError) Unwrap() error { return e.error }

// isConnection tells whether err is the network's or the driver's.
func isConnection(err error) bool {
	for _, known := range []error{
		driver.ErrBadConn, mysql.ErrInvalidConn, mysql.ErrMalformPkt, mysql.ErrPktSync, mysql.ErrPktSyncMul, mysql.ErrBusyBuffer,
		context.Canceled, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	var network net.Error
	return errors.As(err, new(connectError)) || errors.As(err, &network)
}

// isMistake tells whether a server refuses the statement itself, by the class of
// its SQLSTATE: 21, 22, 23, 42 and 45 are wrong statements and values. MySQL counts
// the limits of a user (1203, 1226) as 42000 too, and some mistakes as HY000, its
// class of everything else.
func isMistake(refused *mysql.MySQLError) bool {
	switch string(refused.SQLState[:2]) {
	case "21", "22", "23", "42", "45":
		return refused.Number != 1203 && refused.Number != 1226
	}
	return slices.Contains(generalMistakes, refused.Number)
}

// generalMistakes are those of HY000 that a table unlike schema.sql can cause: a
// wrong argument, collations that do not mix, text that is not the column's, a
// column without a default, a check.
var generalMistakes = []uint16{1210, 1267, 1300, 1364, 1366, 3819}

// databaseURLErrors are the errors of a wrong DATABASE_URL, what is wrong, and what
// to do.
var databaseURLErrors = map[uint16]struct{ wrong, advice string }{
	1044: {"names a database that its user may not use", "correct the name, or give the user its rights"},
	1045: {"has a user or password that the database refuses", "copy the connection string again"},
	1049: {"names a database that does not exist", "correct the name"},
	1142: {"names a user who may not read and write the table posts", "give the user SELECT, INSERT, UPDATE and DELETE on it"},
	1146: {"names a database without the table posts", "apply schema.sql to it"},
	1698: {"has a user whom the database does not let in with a password", "take another user"},
}
