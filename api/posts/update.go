package posts

import (
	"net/http"

	"warble/lib/database"
	"warble/lib/handler"
	"warble/lib/post"
	"warble/lib/session"
)

// That the row is the caller's own is part of the statement: there is no moment
// between asking and changing.
const updateSQL = `
UPDATE posts
SET content = ?, updated_at = ?
WHERE id = ? AND user_id = ?`

// Update answers PATCH /api/posts/{id}: changes the content of a post of the
// signed-in user's own. Somebody else's is not found.
func Update(w http.ResponseWriter, r *http.Request) {
	handler.Serve(w, r, http.MethodPatch, handler.PostPath, func(r *handler.Request) (*handler.Response, error) {
		user, err := session.Required(r.Request)
		if err != nil {
			return nil, err
		}
		content, err := post.ReadContent(r.Request)
		if err != nil {
			return nil, err
		}

		now := post.Now()
		if err := database.ExecOne(r.Context(), updateSQL, content, now, r.ID, user.ID); err != nil {
			return nil, err
		}

		body := struct {
			ID        int64     `json:"id"`
			UserID    string    `json:"userId"`
			Content   string    `json:"content"`
			UpdatedAt post.Time `json:"updatedAt"`
		}{r.ID, user.ID, content, post.Time(now)}
		return &handler.Response{Status: http.StatusOK, Body: handler.JSON(body)}, nil
	})
}
