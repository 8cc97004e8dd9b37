package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"

	"warble/dev/local/dsn"
	"warble/dev/local/schema"
	"warble/lib/database"
	"warble/lib/env"
)

// database checks the database of DATABASE_URL as the functions use it.
func (s *smoke) database(ctx context.Context) {
	databaseURL := env.Get("DATABASE_URL")
	if databaseURL == "" {
		s.note("the database itself was not checked: set DATABASE_URL, as the functions have it")
		return
	}
	config, err := database.Config(databaseURL)
	var pool *sqlx.DB
	if err == nil {
		pool, err = dsn.Open(config)
	}
	if err != nil {
		s.find("DATABASE_URL", wrongAddress.of(err.Error()))
		return
	}
	defer pool.Close()
	db, err := pool.Connx(ctx) // which shard a connection speaks to is a state of it
	var version string
	if err == nil {
		defer db.Close()
		err = db.GetContext(ctx, &version, "SELECT VERSION()")
	}
	if err != nil {
		s.find(fmt.Sprintf("Connecting to %s: %v", config.Addr, err), noConnection(err))
		return
	}
	s.checkRights(ctx, db, version)

	least := time.Duration(math.MaxInt64)
	for range 7 {
		begun := time.Now()
		if err := db.GetContext(ctx, new(int), "SELECT 1"); err != nil {
			break
		}
		least = min(least, time.Since(begun))
	}
	secured := "TLS, its certificate verified"
	if config.TLSConfig == "" {
		secured = "no TLS, on this machine"
	}
	s.note("the database: %s; a round trip from here takes %.1f ms, which says something about regions only if here is next to the functions: what they see is a read's time less a function's", secured, float64(least.Microseconds())/1000)
	s.checkSchema(ctx, db)
}

// noConnection is why there is none.
func noConnection(err error) advice {
	if _, isServer := errors.AsType[*mysql.MySQLError](err); isServer {
		return refusesPassword
	}
	if _, isCertificate := errors.AsType[*tls.CertificateVerificationError](err); isCertificate || errors.Is(err, mysql.ErrNoTLS) {
		return noTLS
	}
	return unreachable
}

// checkSchema compares each shard of the database. The connection speaks to one of them
// afterwards.
func (s *smoke) checkSchema(ctx context.Context, db *sqlx.Conn) {
	_, parts, err := schema.Compare(ctx, db, s.schema, io.Discard)
	if err != nil {
		s.find("The database's tables", unreadable.of(err.Error()))
		return
	}
	for _, part := range parts {
		for _, change := range part.Changes {
			s.find(fmt.Sprintf("From %s to schema.sql it is %.160s", part.Name, change.Statement), drift)
		}
	}
}

// enough is what the functions may do. USAGE is the right to connect.
var enough = regexp.MustCompile(`^(USAGE ON .*|((SELECT|INSERT|UPDATE|DELETE)(, )?)+ ON [^*].*)$`)

// checkRights reports rights that the functions do not need. The version is the server's,
// such as "8.4.6-Vitess".
func (s *smoke) checkRights(ctx context.Context, db *sqlx.Conn, version string) {
	if strings.Contains(strings.ToLower(version), "vitess") {
		// SHOW GRANTS there tells of Vitess's own user. What a password may do shows
		// when it tries: to change a table that is not there changes nothing.
		_, err := db.ExecContext(ctx, "ALTER TABLE smoke_no_such_table COMMENT ''")
		refused, ok := errors.AsType[*mysql.MySQLError](err)
		if ok && !strings.Contains(refused.Message, "denied") && !strings.Contains(refused.Message, "direct DDL is disabled") {
			s.find("An ALTER TABLE was not denied", mayDoMore)
		}
		return
	}
	var grants []string
	if err := db.SelectContext(ctx, &grants, "SHOW GRANTS"); err != nil {
		s.find("SHOW GRANTS cannot be read", unknownRights)
		return
	}
	for _, line := range grants {
		right, _, _ := strings.Cut(strings.TrimPrefix(line, "GRANT "), " TO ") // or it would show a password's hash
		isMore := strings.Contains(right, " ON ") && !enough.MatchString(right)
		if isMore || strings.HasSuffix(line, "WITH GRANT OPTION") {
			s.find(fmt.Sprintf("SHOW GRANTS has %.120s", right), mayDoMore)
		}
	}
}
