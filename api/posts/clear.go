package posts

import (
	"net/http"

	"warble/lib/database"
	"warble/lib/handler"
	"warble/lib/post"
	"warble/lib/problem"
	"warble/lib/session"
)

// clearSQL deletes in pieces, so that no statement holds many rows locked for
// long. With user_id in it, a sharded database asks one shard.
const clearSQL = `
DELETE FROM posts
WHERE user_id = ?
LIMIT ?`

// clearLimit is the most posts that one request deletes.
const clearLimit = 1000

// Clear answers DELETE /api/posts?userId=: deletes up to clearLimit posts of one
// person, for that person and for moderators. The caller repeats it while the
// answer says that there is more.
func Clear(w http.ResponseWriter, r *http.Request) {
	handler.Serve(w, r, http.MethodDelete, handler.PostsPath, func(r *handler.Request) (*handler.Response, error) {
		user, err := session.Required(r.Request)
		if err != nil {
			return nil, err
		}
		// A caller who believed that a limit was honoured would have lost posts.
		author, err := post.OnlyUserID(r.URL.RawQuery)
		if err != nil {
			return nil, err
		}
		if author != user.ID && !user.Moderator {
			return nil, problem.New(http.StatusForbidden, "Only the author and moderators may delete these posts.")
		}

		deleted, err := database.Exec(r.Context(), clearSQL, author, clearLimit)
		if err != nil {
			return nil, err
		}
		body := struct {
			Deleted int64 `json:"deleted"`
			More    bool  `json:"more"`
		}{deleted, deleted == clearLimit}
		return &handler.Response{Status: http.StatusOK, Body: handler.JSON(body)}, nil
	})
}
