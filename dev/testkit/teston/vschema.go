package teston

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"warble/dev/testkit"
)

// vschema is what a vschema.json says.
type vschema struct {
	Vindexes map[string]struct{ Type string }
	Tables   map[string]struct {
		Type           string
		ColumnVindexes []struct{ Column, Name string }   `json:"column_vindexes"`
		AutoIncrement  struct{ Column, Sequence string } `json:"auto_increment"`
	}
}

// loadVSchema loads dev/docs/sharding into a sharded keyspace that does not know
// the table posts, in SQL.
func loadVSchema(ctx context.Context, keyspace string) error {
	db, err := given() // one of its own, which is closed in the keyspace lookup
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var known []string
	if err := db.SelectContext(ctx, &known, "SHOW VSCHEMA TABLES"); err != nil {
		return fmt.Errorf("list the tables of the vschema: %w", err)
	}
	if slices.Contains(known, "posts") {
		return nil
	}
	folder := filepath.Join(testkit.Root(), "dev/docs/sharding")
	sequence, err := os.ReadFile(filepath.Join(folder, "lookup/sequence.sql"))
	if err != nil {
		return err
	}
	statements := append([]string{"USE lookup"}, strings.Split(strings.TrimRight(string(sequence), "; \n"), ";\n")...)
	for _, part := range [][2]string{{"lookup", "lookup"}, {"warble", keyspace}} {
		text, err := os.ReadFile(filepath.Join(folder, part[0], "vschema.json"))
		if err != nil {
			return err
		}
		var v vschema
		if err := json.Unmarshal(text, &v); err != nil {
			return err
		}
		for name, table := range v.Tables {
			on := "ALTER VSCHEMA ON " + part[1] + "." + name
			if table.Type == "sequence" {
				statements = append(statements, "ALTER VSCHEMA ADD SEQUENCE "+part[1]+"."+name)
			}
			for _, vindex := range table.ColumnVindexes {
				statements = append(statements, fmt.Sprintf("%s ADD VINDEX %s(%s) USING %s", on, vindex.Name, vindex.Column, v.Vindexes[vindex.Name].Type))
			}
			if auto := table.AutoIncrement; auto.Column != "" {
				statements = append(statements, fmt.Sprintf("%s ADD AUTO_INCREMENT %s USING %s", on, auto.Column, auto.Sequence))
			}
		}
	}
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w. %s", statement, err, prepareShards)
		}
	}
	return nil
}
