//go:build linux

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vercel/go-bridge/go/bridge"

	"warble/dev/testkit/lambda"
)

// each is how many posts an author has in the tables that are compared: enough
// for a full page of theirs, and the same at each size.
const each = 50

// measureDatabase compares tables of different sizes, and asks the server what
// it read.
func measureDatabase(w *world, b *bars) ([]section, error) {
	type tables struct {
		size, authors int
		list, create  *lambda.Function
	}
	var all []tables
	for _, size := range w.opts.sizes {
		t := tables{size: size, authors: max(1, size/each)}
		name := fmt.Sprint("posts", size)
		begun := time.Now()
		if err := w.fill(name, size, t.authors); err != nil {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "%s  %s posts made in %v\n", time.Now().Format(time.TimeOnly), grouped(size), time.Since(begun).Round(time.Second))
		// Profiles are left out: what they cost does not depend on the table.
		var err error
		if t.list, err = w.ours("list", w.dsn(name), 1, map[string]string{"CLERK_SECRET_KEY": ""}); err != nil {
			return nil, err
		}
		if t.create, err = w.ours("create", w.dsn(name), 1, map[string]string{"CLERK_SECRET_KEY": ""}); err != nil {
			return nil, err
		}
		all = append(all, t)
	}

	token := w.tokens(1)[0]
	kinds := []struct {
		name    string
		request func(t *tables) *bridge.Request
		bar     bool
	}{
		{"feed", func(*tables) *bridge.Request { return request("GET", "/api/posts", "", "") }, true},
		{"a page from the middle", func(t *tables) *bridge.Request {
			return request("GET", "/api/posts?before="+cursorAt(t.size/2), "", "")
		}, true},
		{"one author's page", func(t *tables) *bridge.Request {
			return request("GET", "/api/posts?userId="+authorOf(t.size/2, t.authors), "", "")
		}, true},
		{"insert", func(*tables) *bridge.Request {
			return request("POST", "/api/posts", `{"content": "A post of some sixty characters, which is about what people write."}`, token)
		}, false},
	}
	largest := all[len(all)-1]
	head := []string{"p50 ms"}
	for _, t := range all {
		head = append(head, grouped(t.size)+" posts")
	}
	sizes := section{
		title: "The database, by the number of posts",
		note: "What a caller waits for one process, the sizes in turn. Pages are read again and again and so are in the database's memory: this measures the plan and the index, not the disk. " +
			"Statements, rows read and rows sent are the server's own counters (`Com_*`, `Handler_read_*`, `Rows_sent`) for each request, by size; a list asks for one row more than the page has.",
		rows: [][]string{append(head, grouped(largest.size)+" : "+grouped(small), "statements", "rows read", "rows sent")},
	}
	idle, err := w.counters()
	if err != nil {
		return nil, err
	}
	asking, err := w.counters()
	if err != nil {
		return nil, err
	}
	asking = asking.minus(idle) // what a look at the counters adds to them
	for _, kind := range kinds {
		ask := func(t *tables) error {
			f := t.list
			if kind.name == "insert" {
				f = t.create
			}
			_, err := call(w.ctx, f, kind.request(t))
			return err
		}
		medians := make([]series, len(all))
		for round := range w.opts.rounds + 1 {
			times := make([]series, len(all))
			for range w.opts.requests {
				for i := range all {
					begun := time.Now()
					if err := ask(&all[i]); err != nil {
						return nil, err
					}
					times[i] = append(times[i], ms(time.Since(begun)))
				}
			}
			if round == 0 { // it connected
				continue
			}
			for i := range all {
				medians[i] = append(medians[i], times[i].median())
			}
		}
		ratio := medians[len(all)-1].over(medians[0])
		row := []string{kind.name}
		for _, m := range medians {
			row = append(row, m.String())
		}
		var statements, read, sent []string
		for i := range all {
			before, err := w.counters()
			if err != nil {
				return nil, err
			}
			for range w.opts.requests {
				if err := ask(&all[i]); err != nil {
					return nil, err
				}
			}
			after, err := w.counters()
			if err != nil {
				return nil, err
			}
			counted, n := after.minus(before).minus(asking), float64(w.opts.requests)
			statements, read, sent = append(statements, number(counted.statements/n)), append(read, number(counted.read/n)), append(sent, number(counted.sent/n))
		}
		sizes.row(append(row, ratio.String(), strings.Join(statements, ", "), strings.Join(read, ", "), strings.Join(sent, ", "))...)
		if kind.bar {
			b.add(fmt.Sprintf("%s, %s : %s posts", kind.name, grouped(largest.size), grouped(small)), ratio.median(), 1.1, " ×")
		}
	}
	for i, t := range all {
		var connections int
		if err := w.db.QueryRowContext(w.ctx, "SELECT COUNT(*) FROM information_schema.processlist WHERE db = ?", fmt.Sprint("posts", t.size)).Scan(&connections); err != nil {
			return nil, err
		}
		if i == 0 {
			sizes.note += fmt.Sprintf(" Connections held by two processes, list and create, after all this: %d.", connections)
		}
		t.list.Close()
		t.create.Close()
		if _, err := w.db.ExecContext(w.ctx, fmt.Sprint("DROP DATABASE posts", t.size)); err != nil {
			return nil, err
		}
	}
	return []section{sizes}, nil
}

// counters are the server's own since its start, all connections together.
type counters struct{ statements, read, sent float64 }

func (c counters) minus(d counters) counters {
	return counters{c.statements - d.statements, c.read - d.read, c.sent - d.sent}
}

func (w *world) counters() (c counters, err error) {
	rows, err := w.db.QueryContext(w.ctx, "SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Com\\_%' OR Variable_name LIKE 'Handler\\_read%' OR Variable_name = 'Rows_sent'")
	if err != nil {
		return c, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return c, err
		}
		n, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
			return c, fmt.Errorf("counter %s: %w", name, err)
		case name == "Rows_sent":
			c.sent += n
		case strings.HasPrefix(name, "Com_"):
			c.statements += n
		default:
			c.read += n
		}
	}
	return c, rows.Err()
}
