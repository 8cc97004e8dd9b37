// Package schema compares a database with schema.sql.
package schema

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"

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

// Difference returns what brings the database to the schema, in an order that
// works. A table that is not in the schema is somebody else's: it is named on
// out and left alone.
func Difference(ctx context.Context, db sqlx.QueryerContext, schema string, out io.Writer) ([]Change, error) {
	vtlog.SwapLogger(slog.New(slog.DiscardHandler)) // it tells of each step of the comparison
	vt, err := vtenv.New(vtenv.Options{})
	if err != nil {
		return nil, fmt.Errorf("set up the parser: %w", err)
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
	if err != nil {
		return nil, fmt.Errorf("compare with schema.sql: %w", err)
	}
	ordered, err := diff.OrderedDiffs(ctx)
	if err != nil {
		return nil, fmt.Errorf("order the statements: %w", err)
	}
	var changes []Change
	for _, d := range ordered {
		changes = append(changes, Change{d.CanonicalStatementString(), loses(d)})
	}
	return changes, nil
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
