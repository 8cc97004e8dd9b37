package posts

import (
	"fmt"
	"net/http"

	"warble/lib/answer"
	"warble/lib/database"
	"warble/lib/problem"
	"warble/lib/session"
)

const deleteSQL = `
DELETE FROM posts
WHERE id = ? AND user_id = ?`

// Delete answers DELETE /api/posts/{id}: removes a post of the signed-in user's
// own. Somebody else's is not found.
func Delete(w http.ResponseWriter, r *http.Request) {
	answer.Serve(w, r, http.MethodDelete, answer.Post, func(r *answer.Request) (*answer.Answer, error) {
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
		return &answer.Answer{Status: http.StatusNoContent}, nil
	})
}
