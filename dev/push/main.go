// Command push brings the database of DATABASE_URL to schema.sql. It prints the
// statements that do so, asks before any that loses something, and runs them.
// With CHECK=1 it runs none of them, and fails if there are any. `make push`
// starts it, in dev/.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"

	"warble/dev/local/dsn"
	"warble/dev/local/project"
	"warble/dev/local/schema"
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
	config, err := dsn.Config()
	if err != nil {
		return err
	}
	wanted, err := os.ReadFile("../schema.sql")
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	config.ReadTimeout = 0 // an ALTER of millions of rows takes its time
	db, err := dsn.Open(config)
	if err != nil {
		return err
	}
	defer db.Close()
	return push(ctx, db, string(wanted), os.Getenv("CHECK") != "", in, out)
}

// push is the command without its surroundings. It works on one connection: which
// shard that speaks to is a state of it.
func push(ctx context.Context, pool *sqlx.DB, wanted string, check bool, in io.Reader, out io.Writer) error {
	db, err := pool.Connx(ctx)
	if err != nil {
		return fmt.Errorf("reach the database of DATABASE_URL: %w", err)
	}
	defer db.Close()
	name, parts, err := schema.Compare(ctx, db, wanted, out)
	if err != nil {
		return err
	}

	statements, loses := 0, false
	for _, part := range parts {
		if len(part.Changes) == 0 {
			fmt.Fprintf(out, "Nothing to do: the database %s is as schema.sql says.\n", part.Name)
			continue
		}
		fmt.Fprintf(out, "From the database %s to schema.sql:\n\n", part.Name)
		for _, change := range part.Changes {
			fmt.Fprintf(out, "%s;\n\n", change.Statement)
			loses = loses || change.Loses
			statements++
		}
	}
	if statements == 0 {
		return nil
	}
	if check {
		return fmt.Errorf("the database %s is not as schema.sql says: make push brings it there", name)
	}
	if loses && !confirmed(in, out) {
		return errors.New("not confirmed, nothing was changed")
	}
	done := 0
	for _, part := range parts {
		if err := schema.Use(ctx, db, part.Name); err != nil {
			return err
		}
		for _, change := range part.Changes {
			if _, err := db.ExecContext(ctx, change.Statement); err != nil {
				if safeMigrations(err) {
					fmt.Fprintf(out, deployRequest, name)
					return errors.New("safe migrations are on, nothing was changed")
				}
				return fmt.Errorf("statement %d of %d failed, those before it are done: %w", done+1, statements, err)
			}
			done++
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
