package main

import (
	"context"
	"crypto/tls"
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

	"warble/dev/local/project"
	"warble/dev/local/schema"
	"warble/lib/database"
	"warble/lib/env"
)

const databaseSettings = "Correct DATABASE_URL here, and in Vercel if it is the same there; deploy again"

// database checks the database of DATABASE_URL as the functions use it.
func (s *smoke) database(ctx context.Context) {
	databaseURL := env.Get("DATABASE_URL")
	if databaseURL == "" {
		s.note("the database itself was not checked: set DATABASE_URL, as the functions have it")
		return
	}
	config, err := database.Config(databaseURL)
	if err != nil {
		s.wrong("DATABASE_URL", err.Error(), databaseSettings)
		return
	}
	db, err := project.OpenDatabase(config)
	if err != nil {
		s.wrong("DATABASE_URL", "It is malformed", databaseSettings)
		return
	}
	defer db.Close()
	var version string
	if err := db.GetContext(ctx, &version, "SELECT VERSION()"); err != nil {
		s.unreachable(config.Addr, err)
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

// unreachable reports why there is no connection.
func (s *smoke) unreachable(address string, err error) {
	means, do := "The database does not answer from here", "Look at its status page, and at the host and port in DATABASE_URL"
	_, isServer := errors.AsType[*mysql.MySQLError](err)
	_, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case isServer:
		means, do = "The database refuses DATABASE_URL", databaseSettings
	case errors.Is(err, mysql.ErrNoTLS), isCertificate:
		means, do = "The functions send a password over verified TLS only, and refuse this server", "Use a host with TLS and a certificate of a public authority in its name: PlanetScale's have both"
	}
	s.wrong(fmt.Sprintf("Connecting to %s: %v", address, err), means, do)
}

func (s *smoke) checkSchema(ctx context.Context, db *sqlx.DB) {
	changes, err := schema.Difference(ctx, db, string(s.schema), io.Discard)
	if err != nil {
		s.wrong("The database's tables", err.Error(), "Give the user of DATABASE_URL the right to read them")
		return
	}
	for _, change := range changes {
		s.wrong(fmt.Sprintf("To schema.sql it is %.160s", change.Statement), "The database is not as schema.sql says", "Run make push with a password of the role admin, before the functions that need it are deployed")
	}
}

var grant = regexp.MustCompile(`^GRANT (.+) ON (\S+) TO `)

// checkRights reports rights that the functions do not need.
func (s *smoke) checkRights(ctx context.Context, db *sqlx.DB, vitess bool) {
	const means, do = "The user of DATABASE_URL may do more than the functions need, and so may whoever gets hold of them", "Give the functions a password with the role readwriter (SELECT, INSERT, UPDATE, DELETE on this database); make push alone needs more"
	if vitess {
		// SHOW GRANTS there tells of Vitess's own user. What a password may do shows
		// when it tries: to change a table that is not there changes nothing.
		_, err := db.ExecContext(ctx, "ALTER TABLE smoke_no_such_table COMMENT ''")
		refused, ok := errors.AsType[*mysql.MySQLError](err)
		if ok && !strings.Contains(refused.Message, "denied") && !strings.Contains(refused.Message, "direct DDL is disabled") {
			s.wrong("An ALTER TABLE was not denied", means, do)
		}
		return
	}
	var grants []string
	if err := db.SelectContext(ctx, &grants, "SHOW GRANTS"); err != nil {
		s.warn("SHOW GRANTS cannot be read", "It is not known what the user of DATABASE_URL may do", do)
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
			s.wrong(fmt.Sprintf("SHOW GRANTS has %.80s ON %s", match[1], match[2]), means, do)
		}
	}
}
