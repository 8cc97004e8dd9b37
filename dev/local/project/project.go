// Package project finds the repository, reads its .env.local and opens databases, for the
// commands that run on a developer's machine.
package project

import (
	"database/sql"
	"encoding/base64"
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

	"warble/lib/database"
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

// DatabaseConfig reads DATABASE_URL as the functions do. Its error says what is
// wrong with it, and where it is set.
func DatabaseConfig() (*mysql.Config, error) {
	config, err := database.Config(os.Getenv("DATABASE_URL"))
	if err == nil {
		return config, nil
	}
	if os.Getenv("DATABASE_URL") == "" {
		return nil, errors.New("DATABASE_URL is missing: write it into .env.local, as .env.example shows, or into the environment")
	}
	// The functions' own message is for a deployment.
	advice := strings.TrimPrefix(problem.From(err).Detail, "The environment variable DATABASE_URL ")
	advice = strings.TrimSuffix(advice, ". Then deploy again.")
	return nil, fmt.Errorf("DATABASE_URL in %s %s", Source("DATABASE_URL"), advice)
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
// is missing, or does not look like what it is.
func CheckClerkKeys() (configured bool, err error) {
	name := "CLERK_PUBLISHABLE_KEY"
	publishable := os.Getenv(name)
	if other := "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY"; publishable == "" && os.Getenv(other) != "" {
		name, publishable = other, os.Getenv(other)
	}
	secret := os.Getenv("CLERK_SECRET_KEY")
	switch {
	case publishable == "" && secret == "":
		return false, nil
	case publishable == "":
		return false, fmt.Errorf("CLERK_SECRET_KEY is set in %s, CLERK_PUBLISHABLE_KEY is not: set both to use that Clerk instance, or neither for a local one", Source("CLERK_SECRET_KEY"))
	case secret == "":
		return false, fmt.Errorf("%s is set in %s, CLERK_SECRET_KEY is not: set both to use that Clerk instance, or neither for a local one", name, Source(name))
	}
	code, ok := strings.CutPrefix(publishable, "pk_test_")
	if !ok {
		code, ok = strings.CutPrefix(publishable, "pk_live_")
	}
	host, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(code, "="))
	if !ok || err != nil || !strings.HasSuffix(string(host), "$") {
		return false, fmt.Errorf("%s in %s is no publishable key: copy it from Clerk's dashboard, API keys; it starts with pk_test_ or pk_live_", name, Source(name))
	}
	if !strings.HasPrefix(secret, "sk_") {
		return false, fmt.Errorf("CLERK_SECRET_KEY in %s is no secret key: copy it from Clerk's dashboard, API keys; it starts with sk_test_ or sk_live_", Source("CLERK_SECRET_KEY"))
	}
	return true, nil
}
