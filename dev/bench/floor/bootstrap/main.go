// Command bootstrap is the floor as a function's binary, started as Vercel's
// builder has ours started. FUNCTION says which: list, get, create, update or
// delete.
package main

import (
	"net/http"
	"os"

	"github.com/vercel/go-bridge/go/bridge"

	"warble/dev/bench/floor"
)

func main() {
	bridge.Start(map[string]http.HandlerFunc{
		"list": floor.List, "get": floor.Get, "create": floor.Create, "update": floor.Update, "delete": floor.Delete,
	}[os.Getenv("FUNCTION")])
}
