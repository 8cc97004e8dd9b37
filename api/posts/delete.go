package posts

import (
	"net/http"

	"warble/lib/database"
	"warble/lib/handler"
	"warble/lib/session"
)

const (
	deleteSQL = `
DELETE FROM posts
WHERE id = ? AND user_id = ?`

	moderateSQL = `
DELETE FROM posts
WHERE id = ?`
)

// Delete answers DELETE /api/posts/{id}: deletes a post of the signed-in user's
// own. Somebody else's is not found, except for moderators, who delete anybody's.
func Delete(w http.ResponseWriter, r *http.Request) {
	handler.Serve(w, r, http.MethodDelete, handler.PostPath, func(r *handler.Request) (*handler.Response, error) {
		user, err := session.Required(r.Request)
		if err != nil {
			return nil, err
		}

		query, args := deleteSQL, []any{r.ID, user.ID}
		if user.Moderator {
			query, args = moderateSQL, []any{r.ID}
		}
		if err := database.ExecOne(r.Context(), query, args...); err != nil {
			return nil, err
		}
		return &handler.Response{Status: http.StatusNoContent}, nil
	})
}
