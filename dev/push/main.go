// Command push brings the database of DATABASE_URL to schema.sql. It prints the
// statements that do so, asks before any that loses something, and runs them.
// With CHECK=1 it runs none of them, and fails if there are any. `make push`
// starts it, in dev/.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"

	"warble/dev/local/project"
	"warble/dev/local/schema"
	"warble/lib/database"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "push:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, in io.Reader, out io.Writer) error {
	if err := project.LoadEnv(".."); err != nil {
		return err
	}
	if err := project.CheckDatabaseURL(); err != nil {
		return err
	}
	wanted, err := os.ReadFile("../schema.sql")
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	config, err := database.Config(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	config.ReadTimeout = 0 // an ALTER of millions of rows takes its time
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return errors.New("DATABASE_URL is malformed") // the driver's own words may quote the password
	}
	db := sqlx.NewDb(sql.OpenDB(connector), "mysql")
	defer db.Close()
	return push(ctx, db, string(wanted), os.Getenv("CHECK") != "", in, out)
}

// push is the command without its surroundings.
func push(ctx context.Context, db *sqlx.DB, wanted string, check bool, in io.Reader, out io.Writer) error {
	var name string
	if err := db.GetContext(ctx, &name, "SELECT DATABASE()"); err != nil {
		return fmt.Errorf("reach the database of DATABASE_URL: %w", err)
	}
	name, _, _ = strings.Cut(name, "@") // Vitess adds the kind of tablet: warble@primary
	changes, err := schema.Difference(ctx, db, wanted, out)
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		fmt.Fprintf(out, "Nothing to do: the database %s is as schema.sql says.\n", name)
		return nil
	}

	fmt.Fprintf(out, "From the database %s to schema.sql:\n\n", name)
	loses := false
	for _, change := range changes {
		fmt.Fprintf(out, "%s;\n\n", change.Statement)
		loses = loses || change.Loses
	}
	if check {
		return fmt.Errorf("the database %s is not as schema.sql says: make push brings it there", name)
	}
	if loses && !confirmed(in, out) {
		return errors.New("not confirmed, nothing was changed")
	}
	for i, change := range changes {
		if _, err := db.ExecContext(ctx, change.Statement); err != nil {
			if safeMigrations(err) {
				fmt.Fprintf(out, deployRequest, name)
				return errors.New("safe migrations are on, nothing was changed")
			}
			return fmt.Errorf("statement %d of %d failed, those before it are done: %w", i+1, len(changes), err)
		}
	}
	fmt.Fprintln(out, "Done.")
	return nil
}

// confirmed asks. Where nobody answers, as in a job, the answer is no; there,
// `echo yes | make push` says yes.
func confirmed(in io.Reader, out io.Writer) bool {
	fmt.Fprint(out, "This drops or narrows something, and what is in it is lost. Type yes to go on: ")
	answer, _ := bufio.NewReader(in).ReadString('\n')
	fmt.Fprintln(out)
	return strings.TrimSpace(answer) == "yes"
}

// safeMigrations recognises how PlanetScale refuses DDL on a branch with safe
// migrations. The text is Vitess's; its number, 1105, stands for any error.
func safeMigrations(err error) bool {
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && strings.Contains(refused.Message, "direct DDL is disabled")
}

const deployRequest = `Safe migrations are on: this branch of %[1]s changes by deploy request only.
Push to a branch of it, and deploy that:

  pscale branch create %[1]s schema --wait
  pscale connect %[1]s schema --execute-protocol mysql --execute 'make push'
  pscale deploy-request create %[1]s schema
  pscale deploy-request deploy %[1]s schema --wait

Delete the branch when the deploy request is done: pscale branch delete %[1]s schema

`
