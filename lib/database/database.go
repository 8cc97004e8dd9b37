// Package database is where the rows are: the one pool of connections to the
// MySQL that DATABASE_URL names, and what its errors mean.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"

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
	// dialTimeout leaves a request time to hear of it before its own deadline;
	// ioTimeout ends a connection whose other side went without a word.
	dialTimeout = 3 * time.Second
	ioTimeout   = 5 * time.Second
)

// Pool returns the process's pool of connections, opened by the first call:
// DATABASE_URL is read then, and the first connection made, which a call
// meanwhile waits for. Its error is a problem that names DATABASE_URL. A
// database that cannot be reached is none: each statement tries again.
var Pool = sync.OnceValues(func() (*sqlx.DB, error) {
	config, err := Config(os.Getenv("DATABASE_URL"))
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, malformed // the driver's own words may quote the password
	}
	db := sqlx.NewDb(sql.OpenDB(connector), "mysql")
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
})

// A cold start waits for its database: the connection is begun as the process
// is, while Vercel's runtime starts and the session is verified.
func init() {
	if os.Getenv("DATABASE_URL") != "" {
		go Pool()
	}
}

var malformed = problem.Misconfigured("DATABASE_URL",
	"is malformed: set it to mysql://user:password@host/database, as PlanetScale's dashboard gives it (special characters in the password percent-encoded), or to a go-sql-driver DSN")

// Config reads both spellings of the address: the URL of PlanetScale's dashboard
// and of Prisma, and the DSN of go-sql-driver. It takes from them who, where
// and which database; how the connection behaves is for us to say.
func Config(databaseURL string) (*mysql.Config, error) {
	if databaseURL == "" {
		return nil, problem.Misconfigured("DATABASE_URL", "is missing: set it to the connection string from PlanetScale's dashboard, Connect")
	}
	config := mysql.NewConfig()
	if scheme, _, ok := strings.Cut(databaseURL, "://"); ok && strings.EqualFold(scheme, "mysql") {
		u, err := url.Parse(databaseURL)
		if err != nil || u.Hostname() == "" {
			return nil, malformed
		}
		password, _ := u.User.Password()
		port := u.Port()
		if port == "" {
			port = "3306"
		}
		config.User, config.Passwd = u.User.Username(), password
		config.Net, config.Addr = "tcp", net.JoinHostPort(u.Hostname(), port)
		config.DBName = strings.TrimPrefix(u.Path, "/")
	} else {
		dsn, err := mysql.ParseDSN(databaseURL)
		if err != nil {
			return nil, malformed
		}
		config.User, config.Passwd, config.Net, config.Addr, config.DBName = dsn.User, dsn.Passwd, dsn.Net, dsn.Addr, dsn.DBName
	}
	if config.User == "" || config.DBName == "" {
		return nil, malformed
	}
	if !local(config) {
		config.TLSConfig = "true" // with the certificate and the host's name verified
	}
	config.ParseTime, config.Loc = true, time.UTC
	config.InterpolateParams = true // a statement is one round trip, not prepare, execute and close
	config.ClientFoundRows = true   // an update that changes nothing has found its row all the same
	config.Timeout, config.ReadTimeout, config.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
	config.Logger = &mysql.NopLogger{} // errors reach the log once, through their request
	return config, nil
}

// local tells whether the database is on this machine, where nobody listens in.
func local(config *mysql.Config) bool {
	if config.Net == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(config.Addr)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}

// attempts bounds how often a write is sent. Posts of one user that race each
// other for a key and a slot can undo each other; measured with 48 at once, one
// in thirty was undone, and hardly one twice.
const attempts = 5

// Exec runs a statement that writes. One that the database undid to let another
// pass (a deadlock) has not happened, and is sent again. After any other error
// it is not: nobody knows then whether it has run.
func Exec(ctx context.Context, db *sqlx.DB, query string, args ...any) (result sql.Result, err error) {
	for range attempts {
		if result, err = db.ExecContext(ctx, query, args...); !is(err, 1213) {
			break
		}
	}
	return result, err
}

// IsDuplicate tells whether a unique key refused a row.
func IsDuplicate(err error) bool { return is(err, 1062) }

func is(err error, number uint16) bool {
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && refused.Number == number
}

// Problem returns the problem that the failure of a statement is: almost always
// a 503, since the same statement succeeds once the database is back. No row is
// a 404. Servers quote people's text in their messages, so that of those only
// the number is kept, for the log.
func Problem(err error) error {
	const detail = "The database does not answer right now. Try again in a moment."
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return problem.NotFound()
	case !ok && errors.Is(err, context.DeadlineExceeded):
		return problem.Unavailable(detail, errors.New("the database took longer than the request may"))
	case !ok:
		return problem.Unavailable(detail, fmt.Errorf("the database cannot be reached: %w", err))
	}
	if advice, ok := ourFault[refused.Number]; ok {
		wrong := problem.Misconfigured("DATABASE_URL", advice)
		return problem.Unavailable(wrong.Detail, fmt.Errorf("database error %d: DATABASE_URL %s", refused.Number, advice))
	}
	return problem.Unavailable(detail, fmt.Errorf("database error %d (its text is left out: it may quote a post)", refused.Number))
}

// ourFault are the errors that tell of a wrong DATABASE_URL.
var ourFault = map[uint16]string{
	1044: "names a database that its user may not use",
	1045: "has a user or password that the database refuses",
	1049: "names a database that does not exist",
	1146: "names a database without the table posts: apply schema.sql to it",
}
