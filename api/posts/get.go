package posts

import (
	"net/http"

	"warble/lib/answer"
	"warble/lib/author"
	"warble/lib/database"
	"warble/lib/post"
	"warble/lib/session"
)

const getSQL = `
SELECT id, user_id, content, created_at, updated_at
FROM posts
WHERE id = ?`

// Get answers GET /api/posts/{id}: one post, for anyone. A session that is
// presented must be good. Paths under /api that are no route come here too, for
// their 404.
func Get(w http.ResponseWriter, r *http.Request) {
	answer.Serve(w, r, http.MethodGet, answer.Post, func(r *answer.Request) (*answer.Answer, error) {
		userID, err := session.Optional(r.Request)
		if err != nil {
			return nil, err
		}
		db, err := database.Pool()
		if err != nil {
			return nil, err
		}

		posts := make([]post.Post, 1)
		if err := db.GetContext(r.Context(), &posts[0], getSQL, r.ID); err != nil {
			return nil, database.Problem(err)
		}

		author.Fill(r.Context(), posts)
		return &answer.Answer{Status: http.StatusOK, Body: posts[0], Public: userID == ""}, nil
	})
}
