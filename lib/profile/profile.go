// Package profile is who wrote a post, as Clerk knows them. Profiles belong to
// Clerk: they are asked for when they are needed, and kept for a while.
package profile

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"

	"warble/lib/clerkapi"
	"warble/lib/post"
)

const (
	// timeout bounds the one call to Clerk that a page of posts may cost.
	timeout = time.Second
	// lifetime is how long a profile is kept: a new name or picture shows after that
	// time at most. The answer that Clerk has no such user is kept as long.
	lifetime = 5 * time.Minute
	// backoff is how long Clerk is not called after a call has failed, so that its
	// outage costs one reader a second and not all of them.
	backoff = 10 * time.Second
	// capacity bounds the profiles in memory: at some 500 bytes each, 5 MB.
	capacity = 10_000
)

// Fill sets the Author of each post. A post whose author Clerk does not know, or
// does not name in time, stays without one. It makes at most one call.
func Fill(ctx context.Context, posts []post.Post) {
	ids := make([]string, len(posts))
	for i := range posts {
		ids[i] = posts[i].UserID
	}
	for i, author := range configured().profiles(ctx, ids) {
		posts[i].Author = author
	}
}

// FillOne is Fill for one post.
func FillOne(ctx context.Context, p *post.Post) {
	p.Author = configured().profiles(ctx, []string{p.UserID})[0]
}

// configured is the directory of the environment's Clerk instance.
var configured = sync.OnceValue(func() *directory {
	backend, err := clerkapi.Backend(timeout)
	d := &directory{backend: backend, now: time.Now, entries: map[string]entry{}}
	if err != nil {
		d.report(err) // once: posts go without their authors from here on
	}
	return d
})

// directory caches profiles.
type directory struct {
	backend clerk.Backend // nil when it is not configured
	now     func() time.Time

	mu      sync.Mutex
	entries map[string]entry
	resume  time.Time // no call before this
}

type entry struct {
	author  *post.Author // nil: Clerk has no such user
	expires time.Time
}

// profiles returns the author of each id, nil where it is not known.
func (d *directory) profiles(ctx context.Context, ids []string) []*post.Author {
	known, stale := d.known(ids)
	if len(stale) > 0 {
		maps.Copy(known, d.refresh(ctx, stale))
	}
	authors := make([]*post.Author, len(ids))
	for i, id := range ids {
		authors[i] = known[id]
	}
	return authors
}

// known returns what is in memory of ids, outdated profiles too, since these are
// better than none, and those of ids that Clerk is to be asked for, each once.
func (d *directory) known(ids []string) (known map[string]*post.Author, stale []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	mayAsk := d.backend != nil && !now.Before(d.resume)
	known = make(map[string]*post.Author, len(ids))
	for _, id := range ids {
		if _, seen := known[id]; seen {
			continue
		}
		e := d.entries[id]
		known[id] = e.author
		if mayAsk && now.After(e.expires) {
			stale = append(stale, id)
		}
	}
	return known, stale
}

// refresh asks Clerk for ids and keeps the answer. It returns an author for each
// of ids, nil for one that Clerk does not know; or nothing when the call failed.
func (d *directory) refresh(ctx context.Context, ids []string) map[string]*post.Author {
	users, err := fetch(ctx, d.backend, ids)
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if err != nil {
		d.resume = now.Add(backoff)
		d.report(clerkapi.Failure(err))
		return nil
	}
	for id := range d.entries {
		if len(d.entries)+len(ids) <= capacity {
			break
		}
		delete(d.entries, id) // any one: an active author is back with the next page
	}
	for _, id := range ids {
		author := users[id]
		users[id] = author // also nil, in place of an outdated profile
		d.entries[id] = entry{author, now.Add(lifetime)}
	}
	return users
}

// The feed does not fail for a profile, so that no line of a failed request has it.
func (d *directory) report(cause error) {
	slog.New(slog.NewJSONHandler(os.Stderr, nil)).Warn("posts go without authors", "cause", cause.Error())
}

// fetch asks Clerk for the users with the given ids, at most 100, in one call.
// The SDK's user.List would make a second one, for a count.
func fetch(ctx context.Context, backend clerk.Backend, ids []string) (map[string]*post.Author, error) {
	request := clerk.NewAPIRequest(http.MethodGet, "/users")
	request.SetParams(&query{ids: ids})
	var answer users
	if err := backend.Call(ctx, request, &answer); err != nil {
		return nil, err
	}
	authors := make(map[string]*post.Author, len(answer.list))
	for _, u := range answer.list {
		username := deref(u.Username)
		authors[u.ID] = &post.Author{
			ID:       u.ID,
			Name:     cmp.Or(strings.TrimSpace(deref(u.FirstName)+" "+deref(u.LastName)), username),
			Username: username,
			ImageURL: deref(u.ImageURL),
		}
	}
	return authors, nil
}

type query struct {
	clerk.APIParams
	ids []string
}

// ToQuery is what the SDK asks its parameters for.
func (q *query) ToQuery() url.Values {
	return url.Values{"user_id": q.ids, "limit": {strconv.Itoa(len(q.ids))}}
}

// users is Clerk's answer, with only the fields that may leave the function: no
// e-mail address and no metadata is even read.
type users struct {
	clerk.APIResource
	list []struct {
		ID        string  `json:"id"`
		Username  *string `json:"username"`
		FirstName *string `json:"first_name"`
		LastName  *string `json:"last_name"`
		ImageURL  *string `json:"image_url"`
	}
}

// UnmarshalJSON reads the bare array that the endpoint answers with.
func (u *users) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &u.list) }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
