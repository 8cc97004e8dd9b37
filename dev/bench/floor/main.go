// Command floor is the least code that could do what Warble's functions do on
// the same bridge, driver and statements: what a request costs without sessions,
// profiles, cursors that are checked, ETags, problems, deadlines or a log. It is
// measured beside them, and never deployed.
package main

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/vercel/go-bridge/go/bridge"
)

// db is the pool of DATABASE_URL, the driver's DSN. The first request connects.
var db, malformed = sql.Open("mysql", os.Getenv("DATABASE_URL"))

// main starts the function that FUNCTION names, as Vercel's builder starts ours.
func main() {
	check(malformed)
	bridge.Start(map[string]http.HandlerFunc{
		"list": list, "get": get, "create": create, "update": update, "delete": remove,
	}[os.Getenv("FUNCTION")])
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Warble's own statements, so that the database does the same for both.
const (
	listSQL   = "SELECT id, user_id, content, created_at, updated_at FROM posts WHERE created_at <= ? AND (created_at < ? OR id < ?) ORDER BY created_at DESC, id DESC LIMIT ?"
	getSQL    = "SELECT id, user_id, content, created_at, updated_at FROM posts WHERE id = ?"
	insertSQL = "INSERT INTO posts (user_id, content, created_at, updated_at) VALUES (?, ?, ?, ?)"
	updateSQL = "UPDATE posts SET content = ?, updated_at = ? WHERE id = ? AND user_id = ?"
	deleteSQL = "DELETE FROM posts WHERE id = ? AND user_id = ?"
)

// author is whose posts are written: there is no session to say so.
const author = "user_floor"

// list answers GET /api/posts with the newest twenty.
func list(w http.ResponseWriter, _ *http.Request) {
	const pageSize, newest = 20, "9999-12-31 23:59:59.999"
	rows, err := db.Query(listSQL, newest, newest, int64(1<<62), pageSize+1)
	check(err)
	defer rows.Close()
	body := append(make([]byte, 0, 8<<10), `{"posts":[`...)
	var last post
	for n := 0; n < pageSize && rows.Next(); n++ {
		if n > 0 {
			body = append(body, ',')
		}
		check(rows.Scan(last.columns()...))
		body = last.append(body)
	}
	body = append(body, ']')
	if rows.Next() { // there is another page
		body = append(body, `,"next":"`+last.createdAt+`-`+last.id+`"`...)
	}
	check(rows.Err())
	answer(w, http.StatusOK, append(body, '}'))
}

// get answers GET /api/posts/{id}.
func get(w http.ResponseWriter, r *http.Request) {
	var p post
	check(db.QueryRow(getSQL, id(r)).Scan(p.columns()...))
	answer(w, http.StatusOK, p.append(nil))
}

// create answers POST /api/posts.
func create(w http.ResponseWriter, r *http.Request) {
	p := read(r)
	result, err := db.Exec(insertSQL, p.userID, p.content, p.createdAt, p.updatedAt)
	check(err)
	number, _ := result.LastInsertId()
	p.id = strconv.FormatInt(number, 10)
	answer(w, http.StatusCreated, p.append(nil))
}

// update answers PATCH /api/posts/{id}.
func update(w http.ResponseWriter, r *http.Request) {
	p := read(r)
	_, err := db.Exec(updateSQL, p.content, p.updatedAt, p.id, p.userID)
	check(err)
	answer(w, http.StatusOK, p.append(nil))
}

// remove answers DELETE /api/posts/{id}.
func remove(w http.ResponseWriter, r *http.Request) {
	_, err := db.Exec(deleteSQL, id(r), author)
	check(err)
	w.WriteHeader(http.StatusNoContent)
}

// post is a row as the driver gives it, which need not parse its columns.
type post struct{ id, userID, content, createdAt, updatedAt string }

// read makes a post of a request's path and body.
func read(r *http.Request) post {
	var body struct{ Content string }
	check(json.NewDecoder(r.Body).Decode(&body))
	now := time.Now().UTC().Format("2006-01-02 15:04:05.000")
	return post{id(r), author, body.Content, now, now}
}

func id(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/api/posts/") }

func (p *post) columns() []any {
	return []any{&p.id, &p.userID, &p.content, &p.createdAt, &p.updatedAt}
}

// append appends the post as JSON.
func (p *post) append(body []byte) []byte {
	content, _ := json.Marshal(p.content) // escaping is not worth doing by hand
	body = append(append(body, `{"id":`...), p.id...)
	body = append(append(body, `,"userId":"`...), p.userID...)
	body = append(append(body, `","content":`...), content...)
	body = appendTime(append(body, `,"createdAt":"`...), p.createdAt)
	body = appendTime(append(body, `","updatedAt":"`...), p.updatedAt)
	return append(body, `"}`...)
}

// appendTime appends "2026-11-22 05:00:00.123" in RFC 3339.
func appendTime(body []byte, t string) []byte {
	body = append(append(body, t[:10]...), 'T')
	return append(append(body, t[11:]...), 'Z')
}

func answer(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body)
}
