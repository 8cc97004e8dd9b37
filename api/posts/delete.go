package posts

import (
	"fmt"
	"net/http"

	"warble/lib/database"
	"warble/lib/handler"
	"warble/lib/problem"
	"warble/lib/session"
)

const deleteSQL = `
DELETE FROM posts
WHERE id = ? AND user_id = ?`

// Delete answers DELETE /api/posts/{id}: removes a post of the signed-in user's
// own. Somebody else's is not found.
func Delete(w http.ResponseWriter, r *http.Request) {
	handler.Serve(w, r, http.MethodDelete, handler.PostPath, func(r *handler.Request) (*handler.Response, error) {
		userID, err := session.Required(r.Request)
		if err != nil {
			return nil, err
		}
		db, err := database.Pool()
		if err != nil {
			return nil, err
		}

		result, err := database.Exec(r.Context(), db, deleteSQL, r.ID, userID)
		if err != nil {
			return nil, database.Problem(err)
		}
		found, err := result.RowsAffected()
		if err != nil {
			return nil, fmt.Errorf("count the deleted rows: %w", err)
		}
		if found == 0 {
			return nil, problem.NotFound()
		}
		return &handler.Response{Status: http.StatusNoContent}, nil
	})
}
