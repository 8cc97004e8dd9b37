package fakevercel

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/google/renameio/v2"
	"golang.org/x/mod/modfile"
)

// handler is what a function's file exports: an expression of the generated program.
type handler struct {
	Path         string // such as /api/posts/list
	Import, Name string
}

// handlerType is how a handler's type is written.
var handlerType = regexp.MustCompile(`^func\((\w+ )?http\.ResponseWriter, (\w+ )?\*http\.Request\)$`)

// findHandlers finds a project's functions as Vercel's builder does: each file under
// api/ is one, and the first exported func(http.ResponseWriter, *http.Request) in it
// is its handler. The error names the files that have none, and is beside their paths.
func findHandlers(root string) (handlers []handler, err error) {
	files := os.DirFS(root)
	text, err := fs.ReadFile(files, "go.mod")
	if err != nil {
		return nil, err
	}
	module := modfile.ModulePath(text)
	var wrong error
	err = fs.WalkDir(files, "api", func(file string, entry fs.DirEntry, err error) error {
		name, isGo := strings.CutSuffix(file, ".go")
		if err != nil || entry.IsDir() || !isGo || strings.HasSuffix(name, "_test") || strings.Contains(name, "/_") || strings.Contains(name, "/.") {
			return err
		}
		h := handler{Path: "/" + name, Import: path.Join(module, path.Dir(file))}
		h.Name, err = readHandler(files, file)
		handlers, wrong = append(handlers, h), errors.Join(wrong, err)
		return nil
	})
	return handlers, errors.Join(err, wrong)
}

// readHandler returns the name of the handler in a file.
func readHandler(files fs.FS, file string) (string, error) {
	source, err := fs.ReadFile(files, file)
	if err != nil {
		return "", err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	for _, declaration := range parsed.Decls {
		f, ok := declaration.(*ast.FuncDecl)
		if ok && f.Recv == nil && f.Name.IsExported() && handlerType.MatchString(types.ExprString(f.Type)) {
			return f.Name.Name, nil
		}
	}
	return "", fmt.Errorf("%s: no exported func(http.ResponseWriter, *http.Request): each file under api/ is a function, shared code belongs in lib/", file)
}

// program serves all functions in one process. Vercel gives each function a
// process of its own, which it makes of the bridge's Start: the same as this
// main with one handler.
var program = template.Must(template.New("").Parse(`// Code generated for make run. DO NOT EDIT.

package main

import (
	"net/http"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/vercel/go-bridge/go/bridge"
{{range $i, $handler := .}}
	package{{$i}} {{printf "%q" $handler.Import}}{{end}}
)

var functions = map[string]http.HandlerFunc{
{{- range $i, $handler := .}}
	{{printf "%q" $handler.Path}}: package{{$i}}.{{$handler.Name}},{{end}}
}

func main() {
	lambda.Start(func(event events.APIGatewayProxyRequest) (response bridge.Response, err error) {
		request, err := bridge.ParseJsonIntoRequest(event.Body)
		if err != nil {
			return response, err
		}
		return bridge.Serve(functions[event.Path], &request)
	})
}
`))

// buildProgram builds a project's functions, and returns where the binary is. Go links
// only what has changed. Its error is what the compiler said.
func buildProgram(ctx context.Context, root string, handlers []handler, race bool) (binary string, err error) {
	var source bytes.Buffer
	if err := program.Execute(&source, handlers); err != nil {
		return "", err
	}
	binary = filepath.Join(root, "dev/.cache/functions/main")
	file := binary + ".go"
	err = os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = renameio.WriteFile(file, source.Bytes(), 0o644) // another process may read it
	}
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags=-s -w")
	command.Dir, command.Env = root, os.Environ()
	if race {
		binary += "-race"
		command.Args = append(command.Args, "-race")
	} else {
		command.Env = append(command.Env, "CGO_ENABLED=0")
	}
	command.Args = append(command.Args, "-o", binary, file)
	if said, err := command.CombinedOutput(); err != nil {
		return "", errors.New(cmp.Or(strings.TrimSpace(string(said)), err.Error()))
	}
	return binary, nil
}
