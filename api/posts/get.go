package posts

import (
	"net/http"

	"warble/lib/database"
	"warble/lib/handler"
	"warble/lib/post"
	"warble/lib/profile"
	"warble/lib/session"
)

// getSQL is share.go's too.
const getSQL = `
SELECT id, user_id, content, created_at, updated_at
FROM posts
WHERE id = ?`

// Get answers GET /api/posts/{id}: one post, for anyone. A session that is
// presented must be good. Paths under /api that are no route come here too, for
// their 404.
func Get(w http.ResponseWriter, r *http.Request) {
	handler.Serve(w, r, http.MethodGet, handler.PostPath, func(r *handler.Request) (*handler.Response, error) {
		if _, err := session.Optional(r.Request); err != nil {
			return nil, err
		}

		var row post.Post
		if err := database.Get(r.Context(), &row, getSQL, r.ID); err != nil {
			return nil, err
		}

		profile.FillOne(r.Context(), &row)
		return &handler.Response{Status: http.StatusOK, Body: handler.JSON(row), CDNLifetime: handler.CDNMinimum}, nil
	})
}
