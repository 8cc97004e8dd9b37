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
	"slices"
	"strings"
	"text/template"

	"golang.org/x/mod/modfile"
)

// findFunctions returns the paths of a project's functions, such as
// /api/posts/list, as Vercel's builder finds them.
func findFunctions(root string) (paths []string, err error) {
	err = fs.WalkDir(os.DirFS(root), "api", func(file string, entry fs.DirEntry, err error) error {
		name, isGo := strings.CutSuffix(file, ".go")
		switch {
		case errors.Is(err, fs.ErrNotExist): // no api/, or it was removed meanwhile
			return nil
		case err != nil:
			return err
		case strings.HasPrefix(entry.Name(), "_") || strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case isGo && !entry.IsDir() && !strings.HasSuffix(name, "_test"):
			paths = append(paths, "/"+name)
		}
		return nil
	})
	return paths, err
}

// handler is what a source file exports: an expression of the generated program.
type handler struct {
	Path, Import, Name string
}

// readHandler finds the first exported func(http.ResponseWriter, *http.Request)
// of a function's file, as Vercel's builder does.
func readHandler(root, module, function string) (handler, error) {
	file := strings.TrimPrefix(function, "/") + ".go"
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.SkipObjectResolution)
	if err != nil {
		return handler{}, errors.New(strings.ReplaceAll(err.Error(), root+string(filepath.Separator), ""))
	}
	if parsed.Name.Name == "main" {
		return handler{}, fmt.Errorf("%s: package main cannot be imported here: give the package another name", file)
	}
	for _, declaration := range parsed.Decls {
		f, ok := declaration.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !f.Name.IsExported() || f.Type.TypeParams != nil || f.Type.Results.NumFields() != 0 {
			continue
		}
		var parameters []string
		for _, field := range f.Type.Params.List {
			for range max(1, len(field.Names)) {
				parameters = append(parameters, types.ExprString(field.Type))
			}
		}
		if slices.Equal(parameters, []string{"http.ResponseWriter", "*http.Request"}) {
			return handler{function, path.Join(module, path.Dir(file)), f.Name.Name}, nil
		}
	}
	return handler{}, fmt.Errorf("%s: no exported func(http.ResponseWriter, *http.Request): each file under api/ is a function, shared code belongs in lib/", file)
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

// generate writes the program's source to file.
func generate(root, file string, functions []string) error {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	module := modfile.ModulePath(text)
	var handlers []handler
	var failed error
	for _, function := range functions {
		h, err := readHandler(root, module, function)
		handlers, failed = append(handlers, h), errors.Join(failed, err)
	}
	if failed != nil {
		return failed
	}
	var source bytes.Buffer
	if err := program.Execute(&source, handlers); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	// By a rename: another process may read it.
	temporary := fmt.Sprint(file, ".", os.Getpid())
	if err := os.WriteFile(temporary, source.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}

// buildProgram builds the program at file, and returns where its binary is. Go links
// only what has changed. Its error is what the compiler said.
func buildProgram(ctx context.Context, root, file string, race bool) (binary string, err error) {
	binary = strings.TrimSuffix(file, ".go")
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
