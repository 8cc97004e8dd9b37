// Package dsn opens the database of DATABASE_URL, for the commands that run on a
// developer's machine.
package dsn

import (
	"database/sql"
	"errors"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"

	"warble/dev/local/project"
	"warble/lib/database"
	"warble/lib/env"
)

// Config reads DATABASE_URL as the functions do. Its error says what is wrong with it,
// and where it is set.
func Config() (*mysql.Config, error) {
	databaseURL := env.Get("DATABASE_URL")
	if databaseURL == "" {
		return nil, errors.New("DATABASE_URL is missing: write it into .env.local, as .env.example shows, or into the environment")
	}
	config, err := database.Config(databaseURL)
	return config, project.Here(err)
}

// Open returns a pool of connections. Its error does not quote the password, as the
// driver's own may.
func Open(config *mysql.Config) (*sqlx.DB, error) {
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, errors.New("the database's address is malformed")
	}
	return sqlx.NewDb(sql.OpenDB(connector), "mysql"), nil
}
