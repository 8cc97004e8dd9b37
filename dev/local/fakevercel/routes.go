package fakevercel

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/dlclark/regexp2"
)

// Route is an entry of vercel.json's "routes", or of the config.json that
// `vercel build` makes of it. Only what we use is known: a file with any other
// field is refused, rather than served otherwise than Vercel would.
type Route struct {
	Src      Expression        `json:"src,omitzero"`
	Methods  []string          `json:"methods,omitempty"`
	Has      []Condition       `json:"has,omitempty"`
	Dest     string            `json:"dest,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	Continue bool              `json:"continue,omitempty"`
	Status   int               `json:"status,omitempty"`
	Handle   string            `json:"handle,omitempty"` // in Config.Builders alone
	Check    bool              `json:"check,omitempty"`  // in Config.Builders alone
}

// Condition is what a route asks of a request beside its path: a header whose
// value matches an expression.
type Condition struct {
	Type  string     `json:"type"` // "header" is the only one known
	Key   string     `json:"key"`
	Value Expression `json:"value"`
}

// Expression is a regular expression of Vercel's: JavaScript's, look-ahead included,
// which package regexp has not, and for the whole of a text.
type Expression struct{ *regexp2.Regexp }

// UnmarshalText compiles an expression.
func (e *Expression) UnmarshalText(text []byte) (err error) {
	whole := "^" + strings.TrimSuffix(strings.TrimPrefix(string(text), "^"), "$") + "$"
	e.Regexp, err = regexp2.Compile(whole, regexp2.ECMAScript)
	return err
}

// Matches tells whether a text is one that the expression is for.
func (e Expression) Matches(text string) bool {
	ok, err := e.MatchString(text)
	return ok && err == nil
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
	Version         int             `json:"version"` // of the form of a config.json
	Routes          []Route         `json:"routes"`

	// Builders are the routes that `vercel build` puts behind a project's own. A Server
	// does what they say. TestBuiltRoutes in package artifact tells when they change.
	Builders []Route `json:"-"`
}

// ReadConfig reads a configuration.
func ReadConfig(file string) (config Config, err error) {
	text, err := os.ReadFile(file)
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		err = decoder.Decode(&config)
	}
	for i, route := range config.Routes {
		if route.Handle != "" {
			config.Routes, config.Builders = config.Routes[:i], config.Routes[i:]
			break
		}
		for _, condition := range route.Has {
			if condition.Type != "header" {
				err = cmp.Or(err, fmt.Errorf("a condition on a %s is not known here", condition.Type))
			}
		}
	}
	if err != nil {
		return config, fmt.Errorf("read routes of %s: %w", file, err)
	}
	return config, nil
}

// Follow goes through the routes in order. It returns the path to which they lead a
// request, the header that they give its answer, and the status of a route that ends it.
func Follow(routes []Route, r *http.Request) (path string, header http.Header, status int) {
	path, _, _ = strings.Cut(r.URL.RequestURI(), "?") // as the caller wrote it, escapes and all
	header = http.Header{}
	for _, route := range routes {
		if !route.IsFor(r, path) {
			continue
		}
		for name, value := range route.Headers {
			header.Set(name, route.fill(value, path))
		}
		if route.Dest != "" {
			path = route.fill(route.Dest, path)
		}
		if !route.Continue {
			return path, header, route.Status
		}
	}
	return path, header, 0
}

// IsFor tells whether the route is for a request that has come to a path.
func (route *Route) IsFor(r *http.Request, path string) bool {
	return (len(route.Methods) == 0 || slices.Contains(route.Methods, r.Method)) &&
		!slices.ContainsFunc(route.Has, func(c Condition) bool { return !c.Value.Matches(r.Header.Get(c.Key)) }) &&
		route.Src.Matches(path)
}

// fill puts what the route's groups match in a path in the place of $1, $2 and so on.
func (route *Route) fill(template, path string) string {
	filled, err := route.Src.Replace(path, template, -1, 1)
	if err != nil {
		return template
	}
	return filled
}
