package main

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
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
	if err != nil {
		s.wrong("DATABASE_URL", wrongAddress.of(err.Error()))
		return
	}
	db, err := dsn.Open(config)
	if err != nil {
		s.wrong("DATABASE_URL", wrongAddress.of("It is malformed"))
		return
	}
	defer db.Close()
	var version string
	if err := db.GetContext(ctx, &version, "SELECT VERSION()"); err != nil {
		s.noConnection(config.Addr, err)
		return
	}
	s.checkSchema(ctx, db)
	s.checkRights(ctx, db, strings.Contains(version, "Vitess"))

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
}

// noConnection reports why there is no connection.
func (s *smoke) noConnection(address string, err error) {
	why := unreachable
	_, isServer := errors.AsType[*mysql.MySQLError](err)
	_, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case isServer:
		why = refusesPassword
	case errors.Is(err, mysql.ErrNoTLS), isCertificate:
		why = noTLS
	}
	s.wrong(fmt.Sprintf("Connecting to %s: %v", address, err), why)
}

// checkSchema compares each shard of the database, on one connection: which shard that
// speaks to is a state of it.
func (s *smoke) checkSchema(ctx context.Context, pool *sqlx.DB) {
	var parts []schema.Part
	db, err := pool.Connx(ctx)
	if err == nil {
		defer db.Raw(func(any) error { return driver.ErrBadConn }) // closes it, with its state
		_, parts, err = schema.Compare(ctx, db, string(s.schema), io.Discard)
	}
	if err != nil {
		s.wrong("The database's tables", unreadable.of(err.Error()))
		return
	}
	for _, part := range parts {
		for _, change := range part.Changes {
			s.wrong(fmt.Sprintf("From %s to schema.sql it is %.160s", part.Name, change.Statement), drift)
		}
	}
}

var grant = regexp.MustCompile(`^GRANT (.+) ON (\S+) TO `)

// checkRights reports rights that the functions do not need.
func (s *smoke) checkRights(ctx context.Context, db *sqlx.DB, vitess bool) {
	if vitess {
		// SHOW GRANTS there tells of Vitess's own user. What a password may do shows
		// when it tries: to change a table that is not there changes nothing.
		_, err := db.ExecContext(ctx, "ALTER TABLE smoke_no_such_table COMMENT ''")
		refused, ok := errors.AsType[*mysql.MySQLError](err)
		if ok && !strings.Contains(refused.Message, "denied") && !strings.Contains(refused.Message, "direct DDL is disabled") {
			s.wrong("An ALTER TABLE was not denied", mayDoMore)
		}
		return
	}
	var grants []string
	if err := db.SelectContext(ctx, &grants, "SHOW GRANTS"); err != nil {
		s.warn("SHOW GRANTS cannot be read", unknownRights)
		return
	}
	for _, line := range grants {
		match := grant.FindStringSubmatch(line)
		if match == nil || match[1] == "USAGE" {
			continue // USAGE is the right to connect
		}
		rights := strings.Split(match[1], ", ")
		excess := slices.ContainsFunc(rights, func(right string) bool {
			return !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE"}, right)
		})
		if excess || match[2] == "*.*" || strings.HasSuffix(line, "WITH GRANT OPTION") {
			s.wrong(fmt.Sprintf("SHOW GRANTS has %.80s ON %s", match[1], match[2]), mayDoMore)
		}
	}
}
