package fakevercel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/dlclark/regexp2"
)

// Route is an entry of vercel.json's "routes", or of the config.json that
// `vercel build` makes of it. Only what we use is known: a file with any other
// field is refused, rather than served otherwise than Vercel would.
type Route struct {
	Src      string            `json:"src"`
	Methods  []string          `json:"methods"`
	Has      []Condition       `json:"has"`
	Dest     string            `json:"dest"`
	Headers  map[string]string `json:"headers"`
	Continue bool              `json:"continue"`
	Status   int               `json:"status"`
	Handle   string            `json:"handle"` // starts a phase: filesystem, miss or error
	Check    bool              `json:"check"`  // look the new path up again

	// Vercel's expressions are JavaScript's, look-ahead included, which
	// package regexp has not.
	pattern *regexp2.Regexp
}

// Condition is what a route asks of a request beside its path: a header whose
// value matches an expression.
type Condition struct {
	Type  string `json:"type"` // "header" is the only one known
	Key   string `json:"key"`
	Value string `json:"value"`

	pattern *regexp2.Regexp
}

// holds tells whether a request fulfils the condition.
func (c *Condition) holds(r *http.Request) bool {
	ok, err := c.pattern.MatchString(r.Header.Get(c.Key))
	return ok && err == nil
}

// builderRoutes are what `vercel build` puts behind a project's own routes.
// TestBuiltRoutes in package artifact compares.
var builderRoutes = []Route{
	{Handle: "filesystem"},
	{Src: "^/api(/.*)?$", Status: http.StatusNotFound},
	{Handle: "error"},
	{Src: "^(?!/api).*$", Status: http.StatusNotFound, Dest: "/404.html"},
	{Handle: "miss"},
	{Src: `^/api/(.+)(?:\.(?:go))$`, Dest: "/api/$1", Check: true},
}

// Config is a vercel.json, or the .vercel/output/config.json that `vercel build`
// makes of it.
type Config struct {
	Schema          string          `json:"$schema"`
	Framework       json.RawMessage `json:"framework"`
	BuildCommand    string          `json:"buildCommand"`
	OutputDirectory string          `json:"outputDirectory"`
	Regions         []string        `json:"regions"`
	Functions       json.RawMessage `json:"functions"`
	Crons           json.RawMessage `json:"crons"`
	Version         int             `json:"version"` // 3 in a config.json, and in no vercel.json
	Routes          []Route         `json:"routes"`
}

// ReadConfig reads a configuration. To the routes of a vercel.json it adds those
// that Vercel's builder would put behind them.
func ReadConfig(file string) (config Config, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return config, fmt.Errorf("read routes: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&config); err != nil {
		return config, fmt.Errorf("read routes of %s: %w", file, err)
	}
	switch built := filepath.Base(file) != "vercel.json"; {
	case built != (config.Version == 3):
		return config, fmt.Errorf("read routes of %s: version %d is not the one of such a file", file, config.Version)
	case !built:
		config.Routes = append(config.Routes, builderRoutes...)
	}
	return config, compile(config.Routes)
}

// namedGroup is a group's name as Vercel writes it, without braces.
var namedGroup = regexp.MustCompile(`\$([A-Za-z]\w*)`)

func compile(routes []Route) error {
	for i := range routes {
		route := &routes[i]
		if route.Handle != "" {
			continue
		}
		var err error
		if route.pattern, err = compileAnchored(route.Src); err != nil {
			return fmt.Errorf("route %q: %w", route.Src, err)
		}
		for j := range route.Has {
			condition := &route.Has[j]
			if condition.Type != "header" {
				return fmt.Errorf("route %q: its condition on a %s is not known here", route.Src, condition.Type)
			}
			if condition.pattern, err = compileAnchored(condition.Value); err != nil {
				return fmt.Errorf("route %q: condition on %s: %w", route.Src, condition.Key, err)
			}
		}
		route.Dest = namedGroup.ReplaceAllString(route.Dest, "$${$1}")
		for name, value := range route.Headers {
			route.Headers[name] = namedGroup.ReplaceAllString(value, "$${$1}")
		}
	}
	return nil
}

// compileAnchored compiles an expression as Vercel does, which anchors it.
func compileAnchored(expression string) (*regexp2.Regexp, error) {
	return regexp2.Compile("^"+strings.TrimSuffix(strings.TrimPrefix(expression, "^"), "$")+"$", regexp2.ECMAScript)
}

// header returns a header's value for a path that the route is for.
func (route *Route) header(name, path string) string {
	value := route.Headers[name]
	if !strings.Contains(value, "$") {
		return value
	}
	filled, err := route.pattern.Replace(path, value, -1, 1)
	if err != nil {
		return value
	}
	return filled
}

// apply tells whether the route is for a request, and returns the path that
// it leads to.
func (route *Route) apply(r *http.Request, path string) (dest string, ok bool) {
	if route.pattern == nil || len(route.Methods) > 0 && !slices.Contains(route.Methods, r.Method) {
		return "", false
	}
	if slices.ContainsFunc(route.Has, func(c Condition) bool { return !c.holds(r) }) {
		return "", false
	}
	match, err := route.pattern.FindStringMatch(path)
	if err != nil || match == nil {
		return "", false
	}
	if route.Dest == "" {
		return path, true
	}
	dest, err = route.pattern.Replace(path, route.Dest, -1, 1)
	return dest, err == nil
}

// phase returns the routes from a handle to the next; "" is before the first.
func phase(routes []Route, handle string) (within []Route) {
	current := ""
	for _, route := range routes {
		if route.Handle != "" {
			current = route.Handle
		} else if current == handle {
			within = append(within, route)
		}
	}
	return within
}
