package posts

import (
	"encoding/xml"
	"fmt"
	"html"
	"net/http"
	"strings"
	"time"

	"warble/lib/database"
	"warble/lib/env"
	"warble/lib/handler"
	"warble/lib/post"
	"warble/lib/problem"
	"warble/lib/profile"
	"warble/lib/session"
)

const (
	newestSQL = `
SELECT id, user_id, content, created_at, updated_at
FROM posts
ORDER BY created_at DESC, id DESC
LIMIT ?`

	newestOfAuthorSQL = `
SELECT id, user_id, content, created_at, updated_at
FROM posts
WHERE user_id = ?
ORDER BY created_at DESC, id DESC
LIMIT ?`
)

// feedLength is the number of posts in a feed. feedLifetime is how long the CDN
// may keep one: feed readers ask every few minutes at most.
const (
	feedLength   = 20
	feedLifetime = time.Minute
)

// Feed answers GET /feed.xml and GET /u/{userId}/feed.xml: the newest posts, of
// everybody or of one author, as Atom (RFC 4287).
func Feed(w http.ResponseWriter, r *http.Request) {
	handler.Serve(w, r, http.MethodGet, handler.FeedPath, func(r *handler.Request) (*handler.Response, error) {
		if _, err := session.Optional(r.Request); err != nil {
			return nil, err
		}
		query, args := newestSQL, []any{feedLength}
		path, _ := strings.CutSuffix(r.URL.Path, "/feed.xml")
		author, isAuthors := strings.CutPrefix(path, "/u/")
		if isAuthors {
			if !post.IsUserID(author) {
				return nil, problem.NotFound()
			}
			query, args = newestOfAuthorSQL, []any{author, feedLength}
		}

		posts := make([]post.Post, 0, feedLength)
		if err := database.Select(r.Context(), &posts, query, args...); err != nil {
			return nil, err
		}

		profile.Fill(r.Context(), posts)
		body := handler.XML("application/atom+xml; charset=utf-8", atomOf(r.Request, path, posts))
		return &handler.Response{Status: http.StatusOK, Body: body, CDNLifetime: feedLifetime}, nil
	})
}

// The elements of RFC 4287 that a feed of posts has.
type (
	atomFeed struct {
		XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
		ID      string      `xml:"id"`
		Title   string      `xml:"title"`
		Updated string      `xml:"updated"`
		Links   []atomLink  `xml:"link"`
		Entries []atomEntry `xml:"entry"`
	}
	atomLink struct {
		Rel  string `xml:"rel,attr"`
		Type string `xml:"type,attr"`
		Href string `xml:"href,attr"`
	}
	atomEntry struct {
		ID        string      `xml:"id"`
		Title     string      `xml:"title"` // without a type attribute it is plain text
		Updated   string      `xml:"updated"`
		Published string      `xml:"published"`
		Author    atomAuthor  `xml:"author"`
		Link      atomLink    `xml:"link"`
		Content   atomContent `xml:"content"`
	}
	atomContent struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	}
	atomAuthor struct {
		Name string `xml:"name"`
		URI  string `xml:"uri"`
	}
)

// atomOf makes the feed of posts for the page at path: "" for everybody's.
func atomOf(r *http.Request, path string, posts []post.Post) atomFeed {
	origin := handler.Origin(r)
	page := origin + path
	if path == "" {
		page = origin + "/"
	}
	feed := atomFeed{
		ID:    atomID(r, path+"/feed"),
		Title: "Warble",
		Links: []atomLink{
			{"self", "application/atom+xml", origin + path + "/feed.xml"},
			{"alternate", "text/html", page},
		},
	}
	updated := time.Unix(0, 0) // an empty feed must have a time too
	for _, p := range posts {
		if path != "" {
			feed.Title = p.AuthorName() + " on Warble"
		}
		if changed := time.Time(p.UpdatedAt); changed.After(updated) {
			updated = changed
		}
		link := fmt.Sprintf("%s/p/%d", origin, p.ID)
		feed.Entries = append(feed.Entries, atomEntry{
			ID:        atomID(r, fmt.Sprintf("/p/%d", p.ID)),
			Title:     p.Title(),
			Updated:   p.UpdatedAt.String(),
			Published: p.CreatedAt.String(),
			Author:    atomAuthor{p.AuthorName(), origin + "/u/" + p.UserID},
			Link:      atomLink{"alternate", "text/html", link},
			Content:   atomContent{"html", contentHTML(p.Content)},
		})
	}
	feed.Updated = post.Time(updated).String()
	return feed
}

// contentHTML returns a post's text as HTML. Feed readers may fold the white space
// of plain text, which would make one line of a post's several.
func contentHTML(content string) string {
	return strings.ReplaceAll(html.EscapeString(content), "\n", "<br>")
}

// atomID returns the id of a thing, which stays the same whatever domain of the
// site it is read from: a tag URI (RFC 4151) of the production domain.
func atomID(r *http.Request, thing string) string {
	domain := env.Get("VERCEL_PROJECT_PRODUCTION_URL")
	if domain == "" {
		domain, _, _ = strings.Cut(r.Host, ":")
	}
	return "tag:" + domain + ",2026:" + thing
}
