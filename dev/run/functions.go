package main

import (
	"warble/api/posts"
	localvercel "warble/dev/local/vercel"
)

// functions are the files under api/, each with the handler that Vercel's
// builder finds in it. TestEveryFunctionIsServed compares the two.
var functions = map[string]localvercel.Function{
	"/api/posts/list":   localvercel.InProcess(posts.List),
	"/api/posts/create": localvercel.InProcess(posts.Create),
	"/api/posts/get":    localvercel.InProcess(posts.Get),
	"/api/posts/update": localvercel.InProcess(posts.Update),
	"/api/posts/delete": localvercel.InProcess(posts.Delete),
	"/api/posts/clear":  localvercel.InProcess(posts.Clear),
	"/api/posts/feed":   localvercel.InProcess(posts.Feed),
	"/api/posts/share":  localvercel.InProcess(posts.Share),
}
