package embeddedmysql

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/sql"
)

// reads are statements that change no row and no table.
var reads = regexp.MustCompile(`(?i)^\s*(SELECT|SHOW|SET|USE)\b`)

// complete is the last line of a dump.
const complete = "-- This file is complete.\n"

// Watch has changed called after each statement that may have changed something.
func (s *Server) Watch(changed func()) { s.handler.changed.Store(&changed) }

// session is one past all connections.
func (s *Server) session() *sql.Context {
	ctx := sql.NewContext(context.Background(), sql.WithSession(memory.NewSession(sql.NewBaseSession(), s.provider)))
	ctx.SetCurrentDatabase(databaseName)
	return ctx
}

func (s *Server) query(statement string) (sql.Schema, []sql.Row, error) {
	ctx := s.session()
	columns, iterator, _, err := s.server.Engine.Query(ctx, statement)
	if err != nil {
		return nil, nil, err
	}
	rows, err := sql.RowIterToRows(ctx, iterator)
	return columns, rows, err
}

// Dump returns statements that make all tables with their rows. It waits two seconds for
// the end of a transaction.
func (s *Server) Dump() ([]byte, error) {
	select {
	case s.handler.lock <- struct{}{}:
		defer func() { <-s.handler.lock }()
	case <-time.After(2 * time.Second):
		return nil, errors.New("somebody has a transaction open")
	}
	text := bytes.NewBufferString("-- What make run keeps. Delete this file to begin anew.\n")
	_, tables, err := s.query("SHOW TABLES")
	for _, table := range tables {
		name := fmt.Sprintf("`%s`", table[0])
		_, create, createErr := s.query("SHOW CREATE TABLE " + name)
		columns, rows, selectErr := s.query("SELECT * FROM " + name)
		if err := errors.Join(createErr, selectErr); err != nil {
			return nil, err
		}
		fmt.Fprintf(text, "%s;\n", create[0][1])
		between := "INSERT INTO " + name + " VALUES\n("
		for _, row := range rows {
			for i, value := range row {
				encoded, err := columns[i].Type.SQL(sql.NewEmptyContext(), nil, value)
				if err != nil {
					return nil, err
				}
				text.WriteString(between)
				encoded.EncodeSQL(text)
				between = ", "
			}
			between = "),\n("
		}
		if len(rows) > 0 {
			text.WriteString(");\n")
		}
	}
	text.WriteString(complete)
	return text.Bytes(), err
}

// Load runs the statements of a dump. After an error there is no table.
func (s *Server) Load(dump []byte) (err error) {
	s.handler.lock <- struct{}{}
	defer func() { <-s.handler.lock }()
	statements, whole := strings.CutSuffix(string(dump), complete)
	if !whole {
		return errors.New("its end is missing")
	}
	unique := map[*memory.Index]bool{}
	for statement := range strings.SplitSeq(strings.TrimRight(statements, "\n"), ";\n") { // values have \n escaped
		if _, _, err = s.query(statement); err != nil {
			for name := range s.tables.Tables() {
				s.tables.DeleteTable(name)
			}
			return err
		}
		s.keys(false, unique)
	}
	s.keys(true, unique)
	return nil
}

// keys turns the keys of all tables on or off; unique is which indexes are unique when
// on. With them off, tables take rows as they come. Those of a dump are in order, and
// were checked: doing both again takes the engine half a second for 1,000 rows, and
// minutes for 10,000.
func (s *Server) keys(on bool, unique map[*memory.Index]bool) {
	for _, table := range s.tables.Tables() {
		table := table.(*memory.Table)
		for _, column := range table.PrimaryKeySchema().PkOrdinals {
			table.Schema()[column].PrimaryKey = on
		}
		indexes, _ := table.GetIndexes(s.session()) // returns no error
		for _, index := range indexes {
			index := index.(*memory.Index)
			unique[index] = unique[index] || index.Unique
			index.Unique = on && unique[index]
		}
	}
}
