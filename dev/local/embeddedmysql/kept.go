package embeddedmysql

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/sql"
)

// reads are statements that change no row and no table.
var reads = regexp.MustCompile(`(?i)^\s*(SELECT|SHOW|SET|USE)\b`)

// complete is the last line of a dump.
const complete = "-- This file is complete.\n"

// engine is the engine with its one database, in memory.
type engine struct {
	*sqle.Engine
	provider *memory.DbProvider
}

func newEngine() engine {
	provider := memory.NewDBProvider(memory.NewDatabase(database))
	return engine{sqle.NewDefault(provider), provider}
}

// query runs a statement, past all connections.
func (e engine) query(statement string) (*sql.Context, sql.Schema, []sql.Row, error) {
	ctx := sql.NewContext(context.Background(), sql.WithSession(memory.NewSession(sql.NewBaseSession(), e.provider)))
	ctx.SetCurrentDatabase(database)
	columns, iterator, _, err := e.Query(ctx, statement)
	if err != nil {
		return nil, nil, nil, err
	}
	rows, err := sql.RowIterToRows(ctx, iterator)
	return ctx, columns, rows, err
}

// tables returns the statement that makes each table.
func (e engine) tables() (names, statements []string, err error) {
	_, _, tables, err := e.query("SHOW TABLES")
	for _, table := range tables {
		_, _, created, err := e.query(fmt.Sprintf("SHOW CREATE TABLE `%s`", table[0]))
		if err != nil {
			return nil, nil, err
		}
		names, statements = append(names, fmt.Sprint(table[0])), append(statements, fmt.Sprint(created[0][1]))
	}
	return names, statements, err
}

// batch is how many rows a statement inserts. The engine sorts the rows of one, which
// takes seconds for a thousand at once, and copies the table for each statement.
const batch = 20

// autoIncrement is where a table's statement says how far its ids have come.
var autoIncrement = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// dump returns statements that make all tables with their rows, one a line.
func (e engine) dump() ([]byte, error) {
	names, statements, err := e.tables()
	if err != nil {
		return nil, err
	}
	text := bytes.NewBufferString("-- What make run keeps. Delete this file to begin anew.\n")
	for i, name := range names {
		fmt.Fprintf(text, "\n%s;\n", statements[i])
		ctx, columns, rows, err := e.query("SELECT * FROM `" + name + "`")
		if err != nil {
			return nil, err
		}
		for n, row := range rows {
			before := ",\n("
			if n%batch == 0 {
				before = "INSERT INTO `" + name + "` VALUES\n("
			}
			for j, value := range row {
				encoded, err := columns[j].Type.SQL(ctx, nil, value)
				if err != nil {
					return nil, err
				}
				text.WriteString(before)
				encoded.EncodeSQL(text)
				before = ", "
			}
			text.WriteString(")")
			if (n+1)%batch == 0 || n+1 == len(rows) {
				text.WriteString(";\n")
			}
		}
	}
	text.WriteString(complete)
	return text.Bytes(), nil
}

// load runs the statements of a dump. A line feed inside of a value is escaped there.
func (e engine) load(text []byte) error {
	statements, ok := strings.CutSuffix(string(text), complete)
	if !ok {
		return errors.New("its end is missing")
	}
	for statement := range strings.SplitSeq(strings.TrimRight(statements, "\n"), ";\n") {
		if _, _, _, err := e.query(statement); err != nil {
			return err
		}
	}
	return nil
}

// Follows tells whether the tables of a schema are as the schema says.
func (s *Server) Follows(schema string) (bool, error) {
	fresh := newEngine()
	if _, _, _, err := fresh.query(schema); err != nil {
		return false, err
	}
	_, want, err := fresh.tables()
	if err != nil {
		return false, err
	}
	s.handler.mu.Lock()
	defer s.handler.mu.Unlock()
	_, have, err := s.engine.tables()
	all := autoIncrement.ReplaceAllString(strings.Join(have, ";\n"), "") + ";\n"
	for _, statement := range want {
		if !strings.Contains(all, statement+";\n") {
			return false, err
		}
	}
	return true, err
}
