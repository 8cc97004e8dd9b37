package posts

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"warble/lib/database"
	"warble/lib/handler"
	"warble/lib/post"
	"warble/lib/problem"
	"warble/lib/profile"
	"warble/lib/session"
)

// The insert is plain: the table's unique keys refuse a second post of an
// idempotency key, and of a slot. Only then a SELECT finds which posts refused it:
// both at one moment, since others publish and delete meanwhile. NULL finds none.
const (
	insertSQL = `
INSERT INTO posts (user_id, content, created_at, updated_at, idempotency_key, idempotency_digest, slot)
VALUES (?, ?, ?, ?, ?, ?, ?)`

	refusedBySQL = `
SELECT id, user_id, content, created_at, updated_at, idempotency_key, idempotency_digest
FROM posts
WHERE user_id = ? AND idempotency_key = ?
UNION ALL
SELECT id, user_id, content, created_at, updated_at, idempotency_key, idempotency_digest
FROM posts
WHERE user_id = ? AND slot = ?`
)

// Create answers POST /api/posts: publishes a post of the signed-in user.
func Create(w http.ResponseWriter, r *http.Request) {
	handler.Serve(w, r, http.MethodPost, handler.PostsPath, func(r *handler.Request) (*handler.Response, error) {
		user, err := session.Required(r.Request)
		if err != nil {
			return nil, err
		}
		key, err := post.IdempotencyKey(r.Header)
		if err != nil {
			return nil, err
		}
		content, err := post.ReadContent(r.Request)
		if err != nil {
			return nil, err
		}
		now := post.Now()
		slot, err := post.SlotAt(now)
		if err != nil {
			return nil, err
		}

		row := post.Post{UserID: user.ID, Content: content, CreatedAt: post.Time(now), UpdatedAt: post.Time(now)}
		row, status, err := insert(r.Context(), row, key, slot)
		if err != nil {
			return nil, err
		}

		profile.FillOne(r.Context(), &row)
		location := fmt.Sprintf("/api/posts/%d", row.ID)
		return &handler.Response{Status: status, Body: handler.JSON(row), Location: location}, nil
	})
}

// insert publishes row and returns it with its id and 201, or the post that its key
// has published before and 200. What refused the insert may be gone before it is
// looked for, or not be there yet (a deadlock): then the insert is sent again.
func insert(ctx context.Context, row post.Post, key *string, slot post.Slot) (stored post.Post, status int, err error) {
	digest := post.Digest(key, row.Content)
	for range database.Attempts(ctx) {
		row.ID, err = database.Insert(ctx, insertSQL, row.UserID, row.Content, time.Time(row.CreatedAt), time.Time(row.UpdatedAt), key, digest, slot.Start)
		if err == nil {
			return row, http.StatusCreated, nil
		}
		if !errors.Is(err, database.ErrRefused) {
			return row, 0, err
		}
		var refusedBy []keyedPost
		if err := database.Select(ctx, &refusedBy, refusedBySQL, row.UserID, key, row.UserID, slot.Start); err != nil {
			return row, 0, err
		}
		if len(refusedBy) > 0 {
			return refused(refusedBy, key, row.Content, slot)
		}
	}
	// Where ids come from a sequence, as on a sharded Vitess, it may have fallen behind.
	return row, 0, problem.Unavailable("The post could not be published right now. Try again in a moment.",
		fmt.Errorf("%w, but no post has its key or its slot: if ids come from a sequence, raise its next_id above MAX(id)", err))
}

// refused answers an insert that posts have refused: with the one of its key, which
// the same request has published before, else by the time that their slot ends.
func refused(by []keyedPost, key *string, content string, slot post.Slot) (stored post.Post, status int, err error) {
	for _, first := range by {
		if key != nil && first.Key != nil && *first.Key == *key {
			return first.Post, http.StatusOK, first.check(content)
		}
	}
	return post.Post{}, 0, tooSoon(slot)
}

// keyedPost is a post with its idempotency key and the digest of the text that the
// key was first sent with.
type keyedPost struct {
	post.Post
	Key    *string `db:"idempotency_key"`
	Digest *string `db:"idempotency_digest"`
}

// check returns nil when content is what the post's key was first sent with, else a
// 422.
func (p keyedPost) check(content string) error {
	same := p.Digest != nil && *p.Digest == *post.Digest(p.Key, content)
	if p.Digest == nil { // from before the column; an edit has replaced its first text
		same = p.Content == content || !time.Time(p.UpdatedAt).Equal(time.Time(p.CreatedAt))
	}
	if !same {
		return problem.New(http.StatusUnprocessableEntity,
			"This Idempotency-Key has published another text. Send a new key with a new text.")
	}
	return nil
}

func tooSoon(slot post.Slot) error {
	wait := max(time.Until(slot.End), time.Second)
	p := problem.New(http.StatusTooManyRequests, "You have just published a post. You can publish the next one "+problem.InWords(wait)+".")
	p.RetryAfter = wait
	return p
}
