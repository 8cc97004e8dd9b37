// Package project finds the repository, reads its .env.local and opens databases, for the
// commands that run on a developer's machine.
package project

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"
	"github.com/joho/godotenv"

	"warble/lib/clerkapi"
	"warble/lib/database"
	"warble/lib/env"
	"warble/lib/problem"
)

// Root returns the nearest folder, from the working directory upwards, that has
// a vercel.json.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "vercel.json")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("there is no vercel.json here or above: run it in the repository")
		}
		dir = up
	}
}

// fromFile are the variables that LoadEnv took from .env.local.
var fromFile []string

// LoadEnv adds what .env.local says to the environment. A variable that is set
// already, also to nothing, stays as it is. A value that cannot be meant is an
// error: one of .env.example, or what `vercel env pull` writes for a secret.
func LoadEnv(root string) error {
	values, err := godotenv.Read(filepath.Join(root, ".env.local"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return errors.New("read .env.local: it has a line that is not NAME=value") // err quotes the file, secrets and all
	}
	examples, err := godotenv.Read(filepath.Join(root, ".env.example"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.New("read .env.example: it has a line that is not NAME=value")
	}
	var unset, secret []string
	for name, value := range values {
		if _, set := os.LookupEnv(name); set {
			continue
		}
		switch {
		case value == "[SENSITIVE]":
			secret = append(secret, name)
		case value != "" && value == examples[name] && strings.ContainsAny(value, ".@"):
			unset = append(unset, name)
		default:
			fromFile = append(fromFile, name)
			os.Setenv(name, value)
		}
	}
	slices.Sort(unset)
	slices.Sort(secret)
	if unset != nil {
		return fmt.Errorf(".env.local has the values of .env.example for %s: put yours in their place, or remove these lines to run without accounts", strings.Join(unset, ", "))
	}
	if secret != nil {
		return fmt.Errorf(".env.local has [SENSITIVE] for %s: `vercel env pull` cannot read secrets. Copy the values from the dashboards of Clerk and PlanetScale, or remove these lines to run without accounts", strings.Join(secret, ", "))
	}
	return nil
}

// Source says where a variable was set, for messages: ".env.local" or "the
// environment".
func Source(name string) string {
	if slices.Contains(fromFile, name) {
		return ".env.local"
	}
	return "the environment"
}

// here is a problem of a variable as it is said on a developer's machine: with where
// the variable is set, and nothing of a deployment.
func here(err error) error {
	if wrong, ok := errors.AsType[*problem.Misconfiguration](err); ok {
		return fmt.Errorf("%s in %s %s: %s", wrong.Variable, Source(wrong.Variable), wrong.Wrong, wrong.Advice)
	}
	return err
}

// DatabaseConfig reads DATABASE_URL as the functions do. Its error says what is
// wrong with it, and where it is set.
func DatabaseConfig() (*mysql.Config, error) {
	databaseURL := env.Get("DATABASE_URL")
	if databaseURL == "" {
		return nil, errors.New("DATABASE_URL is missing: write it into .env.local, as .env.example shows, or into the environment")
	}
	config, err := database.Config(databaseURL)
	return config, here(err)
}

// OpenDatabase returns a pool of connections. Its error does not quote the
// password, as the driver's own may.
func OpenDatabase(config *mysql.Config) (*sqlx.DB, error) {
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, errors.New("the database's address is malformed")
	}
	return sqlx.NewDb(sql.OpenDB(connector), "mysql"), nil
}

// CheckClerkKeys tells whether Clerk's keys are set. Its error is that one of the two
// is missing, or what is wrong with it.
func CheckClerkKeys() (configured bool, err error) {
	name, publishable, _ := env.Read("CLERK_PUBLISHABLE_KEY", "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY")
	secret := env.Get("CLERK_SECRET_KEY")
	switch {
	case publishable == "" && secret == "":
		return false, nil
	case publishable == "":
		return false, fmt.Errorf("CLERK_SECRET_KEY is set in %s, CLERK_PUBLISHABLE_KEY is not: set both to use that Clerk instance, or neither for a local one", Source("CLERK_SECRET_KEY"))
	case secret == "":
		return false, fmt.Errorf("%s is set in %s, CLERK_SECRET_KEY is not: set both to use that Clerk instance, or neither for a local one", name, Source(name))
	}
	if _, err := clerkapi.FrontendHost(); err != nil {
		return false, here(err)
	}
	_, err = clerkapi.SecretKey()
	return err == nil, here(err)
}
