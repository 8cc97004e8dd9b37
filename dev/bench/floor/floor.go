// Package floor is the least code that could do what Warble's functions do on
// the same bridge, driver and statements: what a request costs before anybody
// asks for sessions, profiles, cursors that are checked, ETags, problems,
// deadlines or a log. It is measured beside them, and never deployed.
package floor

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	_ "github.com/go-sql-driver/mysql"
)

// pool is opened by the first request, with DATABASE_URL as the driver's DSN.
var pool = sync.OnceValue(func() *sql.DB {
	db, err := sql.Open("mysql", os.Getenv("DATABASE_URL"))
	if err != nil {
		panic(err)
	}
	return db
})

// Warble's own statements, so that the database does the same for both.
const (
	listSQL   = "SELECT id, user_id, content, created_at, updated_at FROM posts WHERE created_at <= ? AND (created_at < ? OR id < ?) ORDER BY created_at DESC, id DESC LIMIT ?"
	getSQL    = "SELECT id, user_id, content, created_at, updated_at FROM posts WHERE id = ?"
	insertSQL = "INSERT INTO posts (user_id, content, created_at, updated_at) VALUES (?, ?, ?, ?)"
	updateSQL = "UPDATE posts SET content = ?, updated_at = ? WHERE id = ? AND user_id = ?"
	deleteSQL = "DELETE FROM posts WHERE id = ? AND user_id = ?"
)

// Author is whose posts Create, Update and Delete write: there is no session
// to say so.
const Author = "user_floor"

const (
	pageSize = 20
	newest   = "9999-12-31 23:59:59.999"
)

// List answers GET /api/posts with the newest twenty.
func List(w http.ResponseWriter, _ *http.Request) {
	rows, err := pool().Query(listSQL, newest, newest, int64(1<<62), pageSize+1)
	if err != nil {
		panic(err)
	}
	defer rows.Close()
	body := append(make([]byte, 0, 8<<10), `{"posts":[`...)
	var last post
	n := 0
	for ; rows.Next(); n++ {
		if n == pageSize {
			continue // it only tells that there is a next page
		}
		if n > 0 {
			body = append(body, ',')
		}
		if err := rows.Scan(last.columns()...); err != nil {
			panic(err)
		}
		body = last.append(body)
	}
	if err := rows.Err(); err != nil {
		panic(err)
	}
	body = append(body, ']')
	if n > pageSize {
		body = append(body, `,"next":"`...)
		body = append(body, last.createdAt...)
		body = append(body, '-')
		body = strconv.AppendInt(body, last.id, 10)
		body = append(body, '"')
	}
	answer(w, http.StatusOK, append(body, '}'))
}

// Get answers GET /api/posts/{id}.
func Get(w http.ResponseWriter, r *http.Request) {
	var p post
	if err := pool().QueryRow(getSQL, id(r)).Scan(p.columns()...); err != nil {
		panic(err)
	}
	answer(w, http.StatusOK, p.append(nil))
}

// Create answers POST /api/posts.
func Create(w http.ResponseWriter, r *http.Request) {
	now := time.Now().UTC().Format(layout)
	p := post{userID: Author, content: content(r), createdAt: now, updatedAt: now}
	result, err := pool().Exec(insertSQL, p.userID, p.content, now, now)
	if err != nil {
		panic(err)
	}
	p.id, _ = result.LastInsertId()
	answer(w, http.StatusCreated, p.append(nil))
}

// Update answers PATCH /api/posts/{id}.
func Update(w http.ResponseWriter, r *http.Request) {
	now := time.Now().UTC().Format(layout)
	p := post{id: id(r), userID: Author, content: content(r), createdAt: now, updatedAt: now}
	if _, err := pool().Exec(updateSQL, p.content, now, p.id, p.userID); err != nil {
		panic(err)
	}
	answer(w, http.StatusOK, p.append(nil))
}

// Delete answers DELETE /api/posts/{id}.
func Delete(w http.ResponseWriter, r *http.Request) {
	if _, err := pool().Exec(deleteSQL, id(r), Author); err != nil {
		panic(err)
	}
	w.WriteHeader(http.StatusNoContent)
}

// layout is how the driver gives a DATETIME(3) that it need not parse.
const layout = "2006-01-02 15:04:05.000"

type post struct {
	id                                    int64
	userID, content, createdAt, updatedAt string
}

func (p *post) columns() []any {
	return []any{&p.id, &p.userID, &p.content, &p.createdAt, &p.updatedAt}
}

func (p *post) append(body []byte) []byte {
	content, _ := json.Marshal(p.content) // escaping is not worth doing by hand
	body = append(body, `{"id":`...)
	body = strconv.AppendInt(body, p.id, 10)
	body = append(body, `,"userId":"`...)
	body = append(body, p.userID...)
	body = append(body, `","content":`...)
	body = append(body, content...)
	body = append(body, `,"createdAt":"`...)
	body = appendTime(body, p.createdAt)
	body = append(body, `","updatedAt":"`...)
	body = appendTime(body, p.updatedAt)
	return append(body, `"}`...)
}

// appendTime makes "2026-11-22 05:00:00.123" RFC 3339.
func appendTime(body []byte, t string) []byte {
	day, clock, _ := strings.Cut(t, " ")
	body = append(body, day...)
	body = append(body, 'T')
	body = append(body, clock...)
	return append(body, 'Z')
}

func id(r *http.Request) int64 {
	n, _ := strconv.ParseInt(strings.TrimPrefix(r.URL.Path, "/api/posts/"), 10, 64)
	return n
}

func content(r *http.Request) string {
	var body struct{ Content string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		panic(err)
	}
	return body.Content
}

func answer(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body)
}
