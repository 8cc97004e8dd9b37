package posts

import (
	"fmt"
	"html"
	"net/http"
	"time"

	"warble/lib/database"
	"warble/lib/handler"
	"warble/lib/post"
	"warble/lib/problem"
	"warble/lib/profile"
	"warble/lib/session"
)

// shareLifetime is how long the CDN may keep the answer to a robot.
const shareLifetime = time.Minute

// Share answers GET /p/{id} for link-preview and search robots, which run no
// script: one post as HTML, with Open Graph and Twitter tags. vercel.json tells
// robots by their User-Agent header; people get the static page.
func Share(w http.ResponseWriter, r *http.Request) {
	handler.Serve(w, r, http.MethodGet, handler.SharePath, func(r *handler.Request) (*handler.Response, error) {
		if _, err := session.Optional(r.Request); err != nil {
			return nil, err
		}

		var row post.Post
		if err := database.Get(r.Context(), &row, getSQL, r.ID); err != nil {
			if problem.From(err).Status == http.StatusNotFound {
				return &handler.Response{Body: handler.Document(htmlType, []byte(goneHTML))}, err
			}
			return nil, err
		}

		profile.FillOne(r.Context(), &row)
		return &handler.Response{Status: http.StatusOK, Body: handler.Document(htmlType, shareHTML(r.Host, row)), CDNLifetime: shareLifetime}, nil
	})
}

const htmlType = "text/html; charset=utf-8"

// goneHTML keeps a post that is gone out of search results.
const goneHTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="robots" content="noindex">
<title>No such post · Warble</title>
</head>
<body><p>There is no such post. It may have been deleted.</p></body>
</html>
`

// shareHTML writes a post for robots. Each value is escaped. The address is
// https on every host, so that shares of one post count as one.
func shareHTML(host string, p post.Post) []byte {
	site := "https://" + host
	e := html.EscapeString
	title, text := e(p.AuthorName()+" on Warble"), e(p.Content)
	url, author, published, updated := e(fmt.Sprintf("%s/p/%d", site, p.ID)), e(site+"/u/"+p.UserID), e(p.CreatedAt.String()), e(p.UpdatedAt.String())
	return fmt.Appendf(nil, `<!doctype html>
<html lang="en" prefix="og: https://ogp.me/ns# article: https://ogp.me/ns/article#">
<head>
<meta charset="utf-8">
<title>%[1]s: %[2]s</title>
<meta name="description" content="%[3]s">
<link rel="canonical" href="%[4]s">
<link rel="alternate" type="application/atom+xml" href="%[5]s/feed.xml">
<meta property="og:type" content="article">
<meta property="og:site_name" content="Warble">
<meta property="og:title" content="%[1]s">
<meta property="og:description" content="%[3]s">
<meta property="og:url" content="%[4]s">
<meta property="og:image" content="%[6]s">
<meta property="article:published_time" content="%[7]s">
<meta property="article:modified_time" content="%[8]s">
<meta property="article:author" content="%[5]s">
<meta name="twitter:card" content="summary">
<meta name="twitter:title" content="%[1]s">
<meta name="twitter:description" content="%[3]s">
<meta name="twitter:image" content="%[6]s">
</head>
<body>
<article>
<h1><a href="%[5]s">%[1]s</a></h1>
<p dir="auto">%[3]s</p>
<p><a href="%[4]s"><time datetime="%[7]s">%[7]s</time></a></p>
</article>
</body>
</html>
`, title, e(p.Title()), text, url, author, e(p.AuthorImage(site)), published, updated)
}
