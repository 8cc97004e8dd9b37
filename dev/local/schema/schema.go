// Package schema compares a database, each shard of it, with schema.sql.
package schema

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"
	"vitess.io/vitess/go/mysql/collations"
	vtlog "vitess.io/vitess/go/vt/log"
	"vitess.io/vitess/go/vt/schemadiff"
	"vitess.io/vitess/go/vt/sqlparser"
	"vitess.io/vitess/go/vt/vtenv"
)

// Change is one statement on the way to the schema.
type Change struct {
	Statement string
	Loses     bool // it drops a column or index, or leaves less room in a column
}

// Part is a database, or a shard of one, and what brings it to the schema.
type Part struct {
	Name    string // as "warble", or "warble:-80"
	Changes []Change
}

// Compare compares the database of a connection, on Vitess each shard of it, with the
// schema. Shards that all lack the same are one part: the statements then go to all of
// them at once. A table that is not in the schema is somebody else's: it is named on
// out. The connection speaks to the last shard after it; Use has it speak to a part.
func Compare(ctx context.Context, db *sqlx.Conn, schema string, out io.Writer) (name string, parts []Part, err error) {
	if err := db.GetContext(ctx, &name, "SELECT DATABASE()"); err != nil {
		return "", nil, fmt.Errorf("reach the database of DATABASE_URL: %w", err)
	}
	name, _, _ = strings.Cut(name, "@") // Vitess adds the kind of tablet: warble@primary
	shards, err := shardsOf(ctx, db, name)
	if err != nil {
		return "", nil, err
	}
	alike := true
	for _, shard := range shards {
		if err := Use(ctx, db, shard); err != nil {
			return "", nil, err
		}
		changes, err := difference(ctx, db, schema, out)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", shard, err)
		}
		parts = append(parts, Part{shard, changes})
		alike = alike && slices.Equal(changes, parts[0].Changes)
		out = io.Discard // which tables are somebody else's, it has said
	}
	if alike {
		parts = []Part{{name, parts[0].Changes}}
	}
	return name, parts, nil
}

// difference returns what brings the database to the schema, in an order that
// works. A table that is not in the schema is somebody else's: it is named on
// out and left alone.
func difference(ctx context.Context, db sqlx.QueryerContext, schema string, out io.Writer) ([]Change, error) {
	vtlog.SwapLogger(slog.New(slog.DiscardHandler)) // it tells of each step of the comparison
	vt, err := vtenv.New(vtenv.Options{})
	if err != nil {
		return nil, err
	}
	env := schemadiff.NewEnv(vt, collations.MySQL8().DefaultConnectionCharset())
	want, err := schemadiff.NewSchemaFromSQL(env, schema)
	if err != nil {
		return nil, fmt.Errorf("read schema.sql: %w", err)
	}

	var tables []string
	if err := sqlx.SelectContext(ctx, db, &tables, "SHOW TABLES"); err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	var statements []string
	for _, table := range tables {
		if !slices.Contains(want.TableNames(), table) {
			fmt.Fprintf(out, "The table %s is not in schema.sql. It stays as it is.\n", table)
			continue
		}
		var name, statement string
		if err := db.QueryRowxContext(ctx, "SHOW CREATE TABLE `"+table+"`").Scan(&name, &statement); err != nil {
			return nil, fmt.Errorf("read the table %s: %w", table, err)
		}
		statements = append(statements, statement)
	}
	have, err := schemadiff.NewSchemaFromQueries(env, statements)
	if err != nil {
		return nil, fmt.Errorf("read the tables: %w", err)
	}

	diff, err := have.SchemaDiff(want, schemadiff.EmptyDiffHints())
	var ordered []schemadiff.EntityDiff
	if err == nil {
		ordered, err = diff.OrderedDiffs(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("compare with schema.sql: %w", err)
	}
	var changes []Change
	for _, d := range ordered {
		changes = append(changes, Change{d.CanonicalStatementString(), loses(d)})
	}
	return changes, nil
}

// shardsOf lists the shards of a database of Vitess, as one can USE them. Another
// server has none, and refuses the statement; there it is the database itself.
func shardsOf(ctx context.Context, db *sqlx.Conn, name string) ([]string, error) {
	var all, shards []string
	err := db.SelectContext(ctx, &all, "SHOW VITESS_SHARDS")
	if refused, ok := errors.AsType[*mysql.MySQLError](err); ok && (refused.Number == 1064 || refused.Number == 1105) {
		return []string{name}, nil
	} else if err != nil {
		return nil, fmt.Errorf("list the shards: %w", err)
	}
	for _, shard := range all { // of all databases, as "warble/-80"
		if keyRange, ok := strings.CutPrefix(shard, name+"/"); ok {
			shards = append(shards, name+":"+keyRange)
		}
	}
	if len(shards) == 0 {
		return nil, fmt.Errorf("the server lists no shard of the database %s", name)
	}
	return shards, nil
}

// Use has the connection speak to a database, or to one shard of it alone.
func Use(ctx context.Context, db *sqlx.Conn, name string) error {
	if _, err := db.ExecContext(ctx, "USE `"+name+"`"); err != nil {
		return fmt.Errorf("use %s: %w", name, err)
	}
	return nil
}

// loses tells whether a statement takes away an index, a column or room in one.
func loses(diff schemadiff.EntityDiff) bool {
	alter, ok := diff.Statement().(*sqlparser.AlterTable)
	if !ok {
		return false
	}
	before, after := diff.Entities()
	for _, option := range alter.AlterOptions {
		switch option := option.(type) {
		case *sqlparser.DropColumn, *sqlparser.DropKey:
			return true
		case *sqlparser.ModifyColumn:
			// What the way back would widen, this narrows.
			narrows, _ := schemadiff.ColumnChangeExpandsDataRange(
				column(after, option.NewColDefinition), column(before, option.NewColDefinition))
			if narrows {
				return true
			}
		}
	}
	return false
}

// column finds a column, with the character set that it may have from its table.
func column(table schemadiff.Entity, definition *sqlparser.ColumnDefinition) *schemadiff.ColumnDefinitionEntity {
	c := table.(*schemadiff.CreateTableEntity).ColumnDefinitionEntitiesMap()[definition.Name.Lowered()].Clone()
	// An unknown character set stays as it was written, and so differs.
	_ = c.SetExplicitCharsetCollate()
	return c
}
