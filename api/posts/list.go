// Package posts holds the API's functions, one to a file, as Vercel deploys
// them: each verifies the Clerk session, takes the pooled connection and runs its
// statement.
package posts

import (
	"net/http"

	"warble/lib/database"
	"warble/lib/handler"
	"warble/lib/post"
	"warble/lib/profile"
	"warble/lib/session"
)

// Both read one row more than the page has, which tells whether there is a next
// one. This form of the comparison, and not (created_at, id) < (?, ?), is what
// MySQL answers from the index alone, however deep the page.
const (
	feedSQL = `
SELECT id, user_id, content, created_at, updated_at
FROM posts
WHERE created_at <= ? AND (created_at < ? OR id < ?)
ORDER BY created_at DESC, id DESC
LIMIT ?`

	authorSQL = `
SELECT id, user_id, content, created_at, updated_at
FROM posts
WHERE user_id = ? AND created_at <= ? AND (created_at < ? OR id < ?)
ORDER BY created_at DESC, id DESC
LIMIT ?`
)

// List answers GET /api/posts: the most recent posts, newest first, for anyone.
// A session that is presented must be good.
func List(w http.ResponseWriter, r *http.Request) {
	handler.Serve(w, r, http.MethodGet, handler.PostsPath, func(r *handler.Request) (*handler.Response, error) {
		if _, err := session.Optional(r.Request); err != nil {
			return nil, err
		}
		page, err := post.ParsePage(r.URL.RawQuery)
		if err != nil {
			return nil, err
		}

		query, args := feedSQL, []any{page.Before.CreatedAt, page.Before.CreatedAt, page.Before.ID, page.Limit + 1}
		if page.UserID != "" {
			query, args = authorSQL, append([]any{page.UserID}, args...)
		}
		rows := make([]post.Post, 0, page.Limit+1)
		if err := database.Select(r.Context(), &rows, query, args...); err != nil {
			return nil, err
		}

		posts, next := page.Cut(rows)
		profile.Fill(r.Context(), posts)
		body := struct {
			Posts []post.Post `json:"posts"`
			Next  string      `json:"next,omitempty"`
		}{posts, next}
		return &handler.Response{Status: http.StatusOK, Body: handler.JSON(body), CDNLifetime: handler.CDNMinimum}, nil
	})
}
